//! CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey: of users, and of the account itself.
//!
//! A user has at most two access keys, so that one can be replaced while both are valid. Invariant: the
//! secret is in one reply, and sealed everywhere else.

use crate::{
    entity::{Entity, Key, Root, User},
    names,
    query::{
        error::{Code, QueryError},
        work::{Work, too_many},
    },
    random::access_key_pair,
};
use std::collections::BTreeMap;

pub(super) const MOST: usize = 2;

/// Whose keys a call is about.
enum Of {
    User(User),
    /// The account itself, which signs the call and names no user.
    Root(Root),
}

impl Of {
    fn find(work: &Work<'_>) -> Result<Self, QueryError> {
        if work.parameter("UserName").is_none() && work.caller()?.member.is_none() {
            return Ok(Self::Root(
                work.account().root.as_ref().map(|root| root.data.clone()).unwrap_or_default(),
            ));
        }
        Ok(Self::User(work.user()?.data.clone()))
    }

    fn keys(&mut self) -> &mut BTreeMap<String, Key> {
        match self {
            Self::User(user) => &mut user.keys,
            Self::Root(root) => &mut root.keys,
        }
    }

    fn name<'w>(&'w self, work: &Work<'w>) -> Result<String, QueryError> {
        Ok(match self {
            Self::User(user) => user.name.clone(),
            Self::Root(_) => work.caller()?.owner.display_name.to_string(),
        })
    }

    fn entity(self) -> Entity {
        match self {
            Self::User(user) => Entity::User(user),
            Self::Root(root) => Entity::Root(root),
        }
    }
}

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    if of.keys().len() >= MOST {
        return Err(too_many("AccessKeysPerUser", MOST));
    }
    let (access_key, secret) = access_key_pair()?;
    let sealed = work.directory.key()?.seal(&access_key, &secret)?;
    let (name, now) = (of.name(work)?, work.now());
    of.keys().insert(access_key.clone(), Key { secret: sealed, active: true, created: now, expires: None });
    work.out.element("AccessKey", |w| {
        w.text("UserName", name);
        w.text("AccessKeyId", &access_key);
        w.text("Status", status(true));
        w.text("SecretAccessKey", secret.expose());
        w.text("CreateDate", names::shown(now));
    });
    work.put(of.entity());
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    let name = of.name(work)?;
    let keys = std::mem::take(of.keys());
    work.list(
        "AccessKeyMetadata",
        keys.into_iter().map(|(id, key)| (id.clone(), (id, key))),
        |w, (id, key)| {
            w.text("UserName", &name);
            w.text("AccessKeyId", id);
            w.text("Status", status(key.active));
            w.text("CreateDate", names::shown(key.created));
        },
    )
}

pub(in crate::query) fn update(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    let id = work.needed("AccessKeyId")?;
    let is_active = match work.needed("Status")? {
        "Active" => true,
        "Inactive" => false,
        _ => return Err(QueryError::invalid("Status must be Active or Inactive")),
    };
    of.keys().get_mut(id).ok_or_else(|| no_such_key(id))?.active = is_active;
    work.put(of.entity());
    Ok(())
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    let id = work.needed("AccessKeyId")?;
    of.keys().remove(id).ok_or_else(|| no_such_key(id))?;
    work.put(of.entity());
    Ok(())
}

fn no_such_key(id: &str) -> QueryError {
    QueryError::new(Code::NoSuchEntity, format!("The Access Key with id {id} cannot be found."))
}

fn status(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}
