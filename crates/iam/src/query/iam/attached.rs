//! Attach, Detach and List of managed policies of users, groups and roles.

use super::holder::Holder;
use crate::{
    names, provided,
    query::{
        error::{Code, QueryError},
        work::{Work, no_such_policy, too_many},
    },
};

pub(super) const MOST: usize = 20;

pub(in crate::query) fn attach(work: &mut Work<'_>) -> Result<(), QueryError> {
    let arn = work.needed("PolicyArn")?;
    let mut holder = Holder::find(work)?;
    if work.account().managed(arn).is_none() {
        return Err(no_such_policy(arn));
    }
    if holder.policies().attached.insert(arn.to_owned()) {
        if holder.policies().attached.len() > MOST {
            return Err(too_many("PoliciesPerEntity", MOST));
        }
        work.put(holder.entity());
    }
    Ok(())
}

pub(in crate::query) fn detach(work: &mut Work<'_>) -> Result<(), QueryError> {
    let arn = work.needed("PolicyArn")?;
    let mut holder = Holder::find(work)?;
    if !holder.policies().attached.remove(arn) {
        return Err(QueryError::new(Code::NoSuchEntity, format!("Policy {arn} was not found.")));
    }
    work.put(holder.entity());
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut holder = Holder::find(work)?;
    let (account, prefix) = (work.account(), work.path_prefix());
    let path = |arn: &str| match provided::find(arn) {
        Some(_) => "/".to_owned(),
        None => account.own_policy(arn).map_or_else(String::new, |policy| policy.data.path.clone()),
    };
    let arns = std::mem::take(&mut holder.policies().attached);
    let arns = arns.into_iter().filter(|arn| path(arn).starts_with(prefix));
    work.list("AttachedPolicies", arns.map(|arn| (arn.clone(), arn)), |w, arn| {
        w.text("PolicyName", names::parse_arn(&arn, "policy").map_or("", |(_, name)| name));
        w.text("PolicyArn", &arn);
    })
}
