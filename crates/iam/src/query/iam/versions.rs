//! CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion.

use super::managed;
use crate::{
    entity::{Entity, ManagedPolicy, Version},
    model::Timestamp,
    names, provided,
    query::{
        error::{Code, QueryError},
        show,
        work::{Work, no_such_policy, too_many},
    },
    xml::Writer,
};

pub(super) const MOST: usize = 5;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (mut policy, text) = (work.own_policy()?.data.clone(), work.needed("PolicyDocument")?);
    managed::check(text)?;
    if policy.versions.len() >= MOST {
        return Err(too_many("VersionsPerPolicy", MOST));
    }
    let (number, now) = (policy.next, work.now());
    policy.next += 1;
    policy.versions.insert(number, Version { text: text.to_owned(), created: now });
    if work.call.form.flag("SetAsDefault")? {
        (policy.default, policy.updated) = (number, now);
    }
    work.out.element("PolicyVersion", |w| head(w, number, policy.default == number, now));
    work.put(Entity::Policy(policy));
    Ok(())
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (arn, id) = (work.needed("PolicyArn")?, work.needed("VersionId")?);
    let (text, number, is_default, created) = match provided::find(arn) {
        Some(policy) if id == "v1" => (policy.text, 1, true, Timestamp::from_millis(0)),
        Some(_) => return Err(no_such_version(arn, id)),
        None => {
            let policy = &work.account().own_policy(arn).ok_or_else(|| no_such_policy(arn))?.data;
            let number = number(policy, arn, id)?;
            let version = policy.versions.get(&number).ok_or_else(|| no_such_version(arn, id))?;
            (version.text.as_str(), number, number == policy.default, version.created)
        }
    };
    work.out.element("PolicyVersion", |w| {
        w.text("Document", show::document(text));
        head(w, number, is_default, created);
    });
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let arn = work.needed("PolicyArn")?;
    let (default, versions): (u32, Vec<(u32, Timestamp)>) = match provided::find(arn) {
        Some(_) => (1, vec![(1, Timestamp::from_millis(0))]),
        None => {
            let policy = &work.account().own_policy(arn).ok_or_else(|| no_such_policy(arn))?.data;
            // The newest first.
            let versions = policy.versions.iter().rev();
            (policy.default, versions.map(|(number, version)| (*number, version.created)).collect())
        }
    };
    let key = |number: u32| format!("{:010}", u32::MAX - number);
    let versions = versions.into_iter().map(|(number, created)| (key(number), (number, created)));
    work.list("Versions", versions, |w, (number, created)| head(w, number, number == default, created))
}

pub(in crate::query) fn set_default(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (arn, id) = (work.needed("PolicyArn")?, work.needed("VersionId")?);
    let mut policy = work.own_policy()?.data.clone();
    (policy.default, policy.updated) = (number(&policy, arn, id)?, work.now());
    work.put(Entity::Policy(policy));
    Ok(())
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (arn, id) = (work.needed("PolicyArn")?, work.needed("VersionId")?);
    let mut policy = work.own_policy()?.data.clone();
    let number = number(&policy, arn, id)?;
    if number == policy.default {
        let message = "Cannot delete the default version of a policy.";
        return Err(QueryError::new(Code::DeleteConflict, message));
    }
    policy.versions.remove(&number);
    work.put(Entity::Policy(policy));
    Ok(())
}

fn head(w: &mut Writer, number: u32, is_default: bool, created: Timestamp) {
    w.text("VersionId", show::version(number));
    w.boolean("IsDefaultVersion", is_default);
    w.text("CreateDate", names::shown(created));
}

/// The number of a version that there is.
fn number(policy: &ManagedPolicy, arn: &str, id: &str) -> Result<u32, QueryError> {
    let number = id.strip_prefix('v').and_then(|number| number.parse().ok());
    number.filter(|number| policy.versions.contains_key(number)).ok_or_else(|| no_such_version(arn, id))
}

fn no_such_version(arn: &str, id: &str) -> QueryError {
    QueryError::new(
        Code::NoSuchEntity,
        format!("Policy {arn} version {id} does not exist or is not attachable."),
    )
}
