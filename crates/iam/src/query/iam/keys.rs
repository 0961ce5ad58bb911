//! CreateAccessKey, ListAccessKeys, UpdateAccessKey, RotateAccessKey, DeleteAccessKey: of users, and of the
//! account itself.
//!
//! A user has at most two access keys, so that one can be replaced while both are valid. Keys of service
//! accounts are counted apart: their secret is replaced while both secrets are valid. Invariant: a secret is
//! in one reply, and sealed everywhere else.

use super::service_account::{self, Changes};
use crate::{
    entity::{Entity, Key, PreviousSecret, Root, User},
    model::Timestamp,
    names::{self, fold},
    query::{
        error::{Code, QueryError},
        work::{Work, exists, too_many},
    },
    random::{access_key_pair, secret_key},
};
use std::collections::BTreeMap;

pub(super) const MOST: usize = 2;
/// How long a secret that was replaced stays valid, in seconds: unless the call says so, and at most.
const GRACE: u32 = 24 * 3600;
const LONGEST_GRACE: u32 = 7 * 24 * 3600;

/// Whose keys a call is about.
#[allow(clippy::large_enum_variant)] // One a call, moved once.
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
    let service = service_account::new(work)?;
    let (quota, most) = match (&service, &of) {
        (None, _) => ("AccessKeysPerUser", MOST),
        (Some(_), Of::User(_)) => ("ServiceAccountsPerUser", service_account::MOST),
        (Some(_), Of::Root(_)) => {
            return Err(QueryError::invalid("A service account belongs to a user: name one in UserName"));
        }
    };
    let same = of.keys().values().filter(|key| key.service.is_some() == service.is_some());
    if same.count() >= most {
        return Err(too_many(quota, most));
    }
    if let Some(new) = &service {
        let mut names = of.keys().values().filter_map(|key| key.service.as_ref());
        if names.any(|known| fold(&known.name) == fold(&new.name)) {
            return Err(exists("Service account", &new.name));
        }
    }
    let expires = service_account::expiry(work)?.flatten();
    let (access_key, secret) = access_key_pair()?;
    let sealed = work.directory.key()?.seal(&access_key, &secret)?;
    let (name, now) = (of.name(work)?, work.now());
    let key = Key { secret: sealed, active: true, created: now, expires, previous: None, service };
    work.out.element("AccessKey", |w| {
        w.text("UserName", name);
        w.text("AccessKeyId", &access_key);
        w.text("Status", status(true));
        w.text("SecretAccessKey", secret.expose());
        w.text("CreateDate", names::shown(now));
        service_account::show(w, &key);
    });
    of.keys().insert(access_key, key);
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
            service_account::show(w, &key);
        },
    )
}

pub(in crate::query) fn update(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    let id = work.needed("AccessKeyId")?;
    let changes = Changes::of(work)?;
    let is_active = match work.parameter("Status") {
        Some("Active") => Some(true),
        Some("Inactive") => Some(false),
        Some(_) => return Err(QueryError::invalid("Status must be Active or Inactive")),
        None if changes.is_empty() => return work.needed("Status").map(drop),
        None => None,
    };
    let key = of.keys().get_mut(id).ok_or_else(|| no_such_key(id))?;
    key.active = is_active.unwrap_or(key.active);
    changes.make(key)?;
    work.put(of.entity());
    Ok(())
}

/// Gives a key another secret. The old one is valid for some time, and one before that not any more.
pub(in crate::query) fn rotate(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut of = Of::find(work)?;
    let id = work.needed("AccessKeyId")?;
    let grace = work.call.form.number::<u32>("GracePeriodSeconds")?.unwrap_or(GRACE);
    if grace > LONGEST_GRACE {
        return Err(QueryError::invalid(format!("GracePeriodSeconds must be at most {LONGEST_GRACE}")));
    }
    let secret = secret_key()?;
    let sealed = work.directory.key()?.seal(id, &secret)?;
    let (name, until) = (of.name(work)?, work.now().millis() + i64::from(grace) * 1000);
    let key = of.keys().get_mut(id).ok_or_else(|| no_such_key(id))?;
    let previous = PreviousSecret {
        secret: std::mem::replace(&mut key.secret, sealed),
        until: Timestamp::from_millis(until),
    };
    key.previous = (grace > 0).then_some(previous);
    work.out.element("AccessKey", |w| {
        w.text("UserName", name);
        w.text("AccessKeyId", id);
        w.text("Status", status(key.active));
        w.text("SecretAccessKey", secret.expose());
        w.text("CreateDate", names::shown(key.created));
        service_account::show(w, key);
    });
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

pub(super) fn no_such_key(id: &str) -> QueryError {
    QueryError::new(Code::NoSuchEntity, format!("The Access Key with id {id} cannot be found."))
}

fn status(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}
