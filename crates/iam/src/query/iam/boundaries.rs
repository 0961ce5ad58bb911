//! Put and Delete of permission boundaries of users and roles.

use crate::{
    entity::{Entity, Kind},
    query::{
        error::QueryError,
        work::{Work, no_such_policy},
    },
};

/// The boundary that a creation asks for.
pub(super) fn given(work: &Work<'_>) -> Result<Option<String>, QueryError> {
    let Some(arn) = work.parameter("PermissionsBoundary") else { return Ok(None) };
    if work.account().managed(arn).is_none() {
        return Err(no_such_policy(arn));
    }
    Ok(Some(arn.to_owned()))
}

pub(in crate::query) fn put(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("PermissionsBoundary")?;
    let boundary = given(work)?;
    set(work, boundary)
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    set(work, None)
}

fn set(work: &mut Work<'_>, boundary: Option<String>) -> Result<(), QueryError> {
    let entity = match work.kind() {
        Kind::Role => Entity::Role(crate::entity::Role { boundary, ..work.role()?.data.clone() }),
        Kind::User | Kind::Group | Kind::Policy | Kind::Provider | Kind::Root | Kind::Settings => {
            work.needed("UserName")?;
            Entity::User(crate::entity::User { boundary, ..work.user()?.data.clone() })
        }
    };
    work.put(entity);
    Ok(())
}
