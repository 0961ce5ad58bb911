//! Put, Get, List and Delete of inline policies of users, groups and roles.

use super::holder::Holder;
use crate::{
    names::{self, GROUP_NAME},
    policy::Policy,
    query::{
        error::{Code, QueryError},
        show,
        work::{Work, too_many},
    },
};

pub(in crate::query) fn put(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (name, text) = (work.needed("PolicyName")?, work.needed("PolicyDocument")?);
    names::check_name("policyName", name, GROUP_NAME).map_err(QueryError::invalid)?;
    let mut holder = Holder::find(work)?;
    check(text)?;
    holder.policies().inline.insert(name.to_owned(), text.to_owned());
    let (quota, used) = (holder.inline_quota(), holder.policies().inline.values().map(|text| size(text)));
    if used.sum::<usize>() > quota {
        return Err(too_many("characters of inline policies", quota));
    }
    work.put(holder.entity());
    Ok(())
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let name = work.needed("PolicyName")?;
    let mut holder = Holder::find(work)?;
    let text = holder.policies().inline.get(name).cloned().ok_or_else(|| no_such_policy(name))?;
    let (element, holder) = holder.name();
    work.out.text(element, holder);
    work.out.text("PolicyName", name);
    work.out.text("PolicyDocument", show::document(&text));
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut holder = Holder::find(work)?;
    let names = std::mem::take(&mut holder.policies().inline).into_keys();
    work.list("PolicyNames", names.map(|name| (name.clone(), name)), |w, name| w.content(name))
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let name = work.needed("PolicyName")?;
    let mut holder = Holder::find(work)?;
    holder.policies().inline.remove(name).ok_or_else(|| no_such_policy(name))?;
    work.put(holder.entity());
    Ok(())
}

/// Refuses what is no policy of an identity.
pub(super) fn check(text: &str) -> Result<(), QueryError> {
    let malformed = |error: crate::policy::MalformedPolicy| {
        QueryError::new(Code::MalformedPolicyDocument, error.to_string())
    };
    Policy::identity(text).map(drop).map_err(malformed)
}

/// As IAM counts: without white space.
pub(super) fn size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn no_such_policy(name: &str) -> QueryError {
    QueryError::new(Code::NoSuchEntity, format!("The policy with name {name} cannot be found."))
}
