//! CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser.

use super::boundaries;
use crate::{
    entity::{Entity, Kind, User},
    model::SignatureV2,
    names::{self, USER_NAME, fold},
    query::{
        authorize,
        error::{Code, QueryError},
        show::{self, Detail},
        work::{Work, exists, too_many},
    },
    random::IdOf,
};

pub(super) const MOST: usize = 5000;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (name, path) = (work.needed("UserName")?, work.path()?);
    names::check_name("userName", name, USER_NAME).map_err(QueryError::invalid)?;
    if work.account().users.contains_key(&fold(name)) {
        return Err(exists("User", name));
    }
    if work.account().users.len() >= MOST {
        return Err(too_many("UsersPerAccount", MOST));
    }
    let tags = work.tags()?;
    if !tags.is_empty() {
        authorize::permit_also(work, "iam:TagUser")?;
    }
    let user = User {
        name: name.to_owned(),
        id: IdOf::User.fresh()?,
        path: path.to_owned(),
        created: work.now(),
        tags,
        boundary: boundaries::given(work)?,
        policies: Default::default(),
        groups: Default::default(),
        keys: Default::default(),
        signature_v2: signature_v2(work)?.unwrap_or_default(),
    };
    let account = work.account_id.clone();
    work.out.element("User", |w| show::user(w, &account, &user, Detail::Whole));
    work.put(Entity::User(user));
    Ok(())
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let caller = work.caller()?;
    if work.parameter("UserName").is_none() && caller.member.is_none() {
        let (arn, id) = (authorize::arn(caller), work.account_id.clone());
        work.out.element("User", |w| {
            w.text("Path", "/");
            w.text("UserName", &*caller.owner.display_name);
            w.text("UserId", &*id);
            w.text("Arn", arn);
            w.text("CreateDate", names::shown(crate::model::Timestamp::from_millis(0)));
        });
        return Ok(());
    }
    let (user, account) = (work.user()?, work.account_id.clone());
    work.out.element("User", |w| show::user(w, &account, &user.data, Detail::Whole));
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (account, prefix, id) = (work.account(), work.path_prefix(), work.account_id.clone());
    let users = account.users.iter().filter(|(_, user)| user.data.path.starts_with(prefix));
    work.list("Users", users.map(|(key, user)| (key.clone(), user)), |w, user| {
        show::user(w, &id, &user.data, Detail::Listed);
    })
}

pub(in crate::query) fn update(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("UserName")?;
    let mut user = work.user()?.data.clone();
    let old = user.name.clone();
    if let Some(path) = work.parameter("NewPath") {
        names::check_path(path).map_err(QueryError::invalid)?;
        user.path = path.to_owned();
    }
    if let Some(name) = work.parameter("NewUserName") {
        names::check_name("newUserName", name, USER_NAME).map_err(QueryError::invalid)?;
        if fold(name) != fold(&old) && work.account().users.contains_key(&fold(name)) {
            return Err(exists("User", name));
        }
        user.name = name.to_owned();
    }
    if let Some(accepted) = signature_v2(work)? {
        user.signature_v2 = accepted;
    }
    if fold(&user.name) != fold(&old) {
        work.delete(Kind::User, &old);
    }
    work.put(Entity::User(user));
    Ok(())
}

/// Where signature version 2 is accepted from the user, as the call wants it. The inner `None`: where the
/// server accepts it.
fn signature_v2(work: &Work<'_>) -> Result<Option<Option<SignatureV2>>, QueryError> {
    match work.parameter("SignatureV2") {
        None => Ok(None),
        Some("default") => Ok(Some(None)),
        Some(text) => match SignatureV2::parse(text) {
            Some(accepted) => Ok(Some(Some(accepted))),
            None => Err(QueryError::invalid("SignatureV2 must be off, presigned, all or default")),
        },
    }
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("UserName")?;
    let user = &work.user()?.data;
    let conflicts = [
        (!user.keys.is_empty(), "must delete access keys first"),
        (!user.policies.attached.is_empty(), "must detach all policies first"),
        (!user.policies.inline.is_empty(), "must delete policies first"),
        (!user.groups.is_empty(), "must remove users from group first"),
    ];
    if let Some((_, why)) = conflicts.iter().find(|(is_there, _)| *is_there) {
        return Err(QueryError::new(Code::DeleteConflict, format!("Cannot delete entity, {why}.")));
    }
    work.delete(Kind::User, &user.name);
    Ok(())
}
