//! CreateRole, GetRole, ListRoles, UpdateRole, UpdateAssumeRolePolicy, DeleteRole.
//!
//! Invariant: a trust policy names users and roles that exist, and stays tied to them: who is created later
//! under the name of a deleted one is not trusted.

use super::boundaries;
use crate::{
    entity::{Entity, Kind, Role},
    names::{self, USER_NAME, fold},
    policy::Policy,
    query::{
        authorize,
        error::{Code, QueryError},
        show::{self, Detail},
        work::{Work, exists, too_many},
    },
    random::IdOf,
};
use std::collections::BTreeMap;

pub(super) const MOST: usize = 1000;
/// The longest session of a role that says nothing else, and the bounds of what it may say, in seconds.
const HOUR: u32 = 3600;
const LONGEST: u32 = 12 * HOUR;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (name, path) = (work.needed("RoleName")?, work.path()?);
    names::check_name("roleName", name, USER_NAME).map_err(QueryError::invalid)?;
    let trust = work.needed("AssumeRolePolicyDocument")?;
    let pins = pins(work, trust)?;
    if work.account().roles.contains_key(&fold(name)) {
        return Err(exists("Role", name));
    }
    if work.account().roles.len() >= MOST {
        return Err(too_many("RolesPerAccount", MOST));
    }
    let tags = work.tags()?;
    if !tags.is_empty() {
        authorize::permit_also(work, "iam:TagRole")?;
    }
    let role = Role {
        name: name.to_owned(),
        id: IdOf::Role.fresh()?,
        path: path.to_owned(),
        created: work.now(),
        tags,
        boundary: boundaries::given(work)?,
        policies: Default::default(),
        trust: trust.to_owned(),
        pins,
        description: description(work)?,
        longest: longest(work)?.unwrap_or(HOUR),
    };
    let account = work.account_id.clone();
    work.out.element("Role", |w| show::role(w, &account, &role, Detail::Whole));
    work.put(Entity::Role(role));
    Ok(())
}

/// The ids of the users and roles that a trust policy names.
fn pins(work: &Work<'_>, trust: &str) -> Result<BTreeMap<String, String>, QueryError> {
    let malformed = |message: String| QueryError::new(Code::MalformedPolicyDocument, message);
    let policy = Policy::trust(trust).map_err(|error| malformed(error.to_string()))?;
    let pin = |arn: &str| {
        let id = work.state.id_of(arn);
        let id = id.ok_or_else(|| malformed(format!("Invalid principal in policy: \"AWS\":\"{arn}\"")))?;
        Ok((arn.to_owned(), id))
    };
    policy.named_principals().into_iter().map(pin).collect()
}

fn description(work: &Work<'_>) -> Result<Option<String>, QueryError> {
    let text = work.parameter("Description");
    if text.is_some_and(|text| text.chars().count() > 1000) {
        return Err(QueryError::invalid("Description must have at most 1000 characters"));
    }
    Ok(text.map(str::to_owned))
}

fn longest(work: &Work<'_>) -> Result<Option<u32>, QueryError> {
    let longest = work.call.form.number::<u32>("MaxSessionDuration")?;
    if longest.is_some_and(|longest| !(HOUR..=LONGEST).contains(&longest)) {
        let message = format!("MaxSessionDuration must be a number from {HOUR} to {LONGEST}");
        return Err(QueryError::invalid(message));
    }
    Ok(longest)
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (role, account) = (work.role()?, work.account_id.clone());
    work.out.element("Role", |w| show::role(w, &account, &role.data, Detail::Whole));
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (account, prefix, id) = (work.account(), work.path_prefix(), work.account_id.clone());
    let roles = account.roles.iter().filter(|(_, role)| role.data.path.starts_with(prefix));
    work.list("Roles", roles.map(|(key, role)| (key.clone(), role)), |w, role| {
        show::role(w, &id, &role.data, Detail::Listed);
    })
}

pub(in crate::query) fn update(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut role = work.role()?.data.clone();
    if let Some(text) = description(work)? {
        role.description = Some(text);
    }
    if let Some(longest) = longest(work)? {
        role.longest = longest;
    }
    work.put(Entity::Role(role));
    Ok(())
}

pub(in crate::query) fn describe(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("Description")?;
    let role = Role { description: description(work)?, ..work.role()?.data.clone() };
    let account = work.account_id.clone();
    work.out.element("Role", |w| show::role(w, &account, &role, Detail::Whole));
    work.put(Entity::Role(role));
    Ok(())
}

pub(in crate::query) fn update_trust(work: &mut Work<'_>) -> Result<(), QueryError> {
    let text = work.needed("PolicyDocument")?;
    let pins = pins(work, text)?;
    let role = Role { trust: text.to_owned(), pins, ..work.role()?.data.clone() };
    work.put(Entity::Role(role));
    Ok(())
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let role = &work.role()?.data;
    let conflicts = [
        (!role.policies.attached.is_empty(), "must detach all policies first"),
        (!role.policies.inline.is_empty(), "must delete policies first"),
    ];
    if let Some((_, why)) = conflicts.iter().find(|(is_there, _)| *is_there) {
        return Err(QueryError::new(Code::DeleteConflict, format!("Cannot delete entity, {why}.")));
    }
    work.delete(Kind::Role, &role.name);
    Ok(())
}

/// There are no instances, and so no profiles of them: tools ask before they delete a role.
pub(in crate::query) fn instance_profiles(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.role()?;
    work.list("InstanceProfiles", std::iter::empty::<(String, ())>(), |_, ()| {})
}
