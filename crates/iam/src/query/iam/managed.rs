//! CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, ListEntitiesForPolicy.

use super::inline;
use crate::{
    account::Account,
    entity::{Entity, Kind, ManagedPolicy, Policies, Version},
    names::{self, GROUP_NAME, fold},
    provided,
    query::{
        authorize,
        error::{Code, QueryError},
        show::{Detail, Shown},
        work::{Work, exists, no_such_policy, too_many},
    },
    random::IdOf,
};
use std::collections::BTreeMap;

pub(super) const MOST: usize = 1500;
/// The longest managed policy, without white space.
pub(super) const MAX_CHARACTERS: usize = 6144;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (name, path, text) = (work.needed("PolicyName")?, work.path()?, work.needed("PolicyDocument")?);
    names::check_name("policyName", name, GROUP_NAME).map_err(QueryError::invalid)?;
    check(text)?;
    if work.account().policies.contains_key(&fold(name)) {
        return Err(exists("A policy", name));
    }
    if work.account().policies.len() >= MOST {
        return Err(too_many("PoliciesPerAccount", MOST));
    }
    let (tags, now) = (work.tags()?, work.now());
    if !tags.is_empty() {
        authorize::permit_also(work, "iam:TagPolicy")?;
    }
    let policy = ManagedPolicy {
        name: name.to_owned(),
        id: IdOf::Policy.fresh()?,
        path: path.to_owned(),
        created: now,
        updated: now,
        description: work.parameter("Description").map(str::to_owned),
        tags,
        versions: BTreeMap::from([(1, Version { text: text.to_owned(), created: now })]),
        default: 1,
        next: 2,
    };
    let arn = work.arn(Kind::Policy, path, name);
    let shown = Shown::own(&policy, &arn, Default::default());
    work.out.element("Policy", |w| shown.write(w, Detail::Whole));
    work.put(Entity::Policy(policy));
    Ok(())
}

/// Refuses what is no managed policy.
pub(super) fn check(text: &str) -> Result<(), QueryError> {
    if inline::size(text) > MAX_CHARACTERS {
        return Err(too_many("PolicySize", MAX_CHARACTERS));
    }
    inline::check(text)
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (arn, account) = (work.needed("PolicyArn")?, work.account());
    let uses = account.uses(arn);
    let shown = match provided::find(arn) {
        Some(policy) => Shown::provided(policy, uses),
        None => {
            let policy = account.own_policy(arn).ok_or_else(|| no_such_policy(arn))?;
            Shown::own(&policy.data, arn, uses)
        }
    };
    work.out.element("Policy", |w| shown.write(w, Detail::Whole));
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (own, aws) = match work.parameter("Scope").unwrap_or("All") {
        "All" => (true, true),
        "AWS" => (false, true),
        "Local" => (true, false),
        _ => return Err(QueryError::invalid("Scope must be All, AWS or Local")),
    };
    let only_attached = work.call.form.flag("OnlyAttached")?;
    let as_boundary = match work.parameter("PolicyUsageFilter") {
        None => None,
        Some("PermissionsPolicy") => Some(false),
        Some("PermissionsBoundary") => Some(true),
        Some(_) => {
            let message = "PolicyUsageFilter must be PermissionsPolicy or PermissionsBoundary";
            return Err(QueryError::invalid(message));
        }
    };
    let (account, prefix) = (work.account(), work.path_prefix());
    let provided = provided::ALL.iter().filter(|_| aws).map(|policy| {
        let uses = account.uses(&policy.arn());
        (format!("aws/{}", policy.name), Shown::provided(policy, uses))
    });
    let own = account.policies.values().filter(|_| own).map(|policy| {
        let uses = account.uses(&policy.arn);
        (format!("own/{}", fold(&policy.data.name)), Shown::own(&policy.data, &policy.arn, uses))
    });
    let mut all: Vec<_> = provided.chain(own).filter(|(_, shown)| shown.path.starts_with(prefix)).collect();
    all.retain(|(_, shown)| match as_boundary {
        None => !only_attached || shown.uses.attached + shown.uses.boundaries > 0,
        Some(false) => shown.uses.attached > 0,
        Some(true) => shown.uses.boundaries > 0,
    });
    work.list("Policies", all.into_iter(), |w, shown| shown.write(w, Detail::Listed))
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (policy, account) = (work.own_policy()?, work.account());
    let uses = account.uses(&policy.arn);
    let conflict = |message: &str| Err(QueryError::new(Code::DeleteConflict, message));
    if uses.attached + uses.boundaries > 0 {
        return conflict("Cannot delete a policy attached to entities.");
    }
    if policy.data.versions.len() > 1 {
        return conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
    }
    work.delete(Kind::Policy, &policy.data.name);
    Ok(())
}

pub(in crate::query) fn entities(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (arn, account) = (work.needed("PolicyArn")?, work.account());
    if account.managed(arn).is_none() {
        return Err(no_such_policy(arn));
    }
    let wanted = work.parameter("EntityFilter").unwrap_or_default();
    if !["", "User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"].contains(&wanted) {
        return Err(QueryError::invalid("EntityFilter must be User, Group or Role"));
    }
    let usage = work.parameter("PolicyUsageFilter").unwrap_or_default();
    let holders = holders(account, arn, usage)?;
    for (list, kind) in [("PolicyGroups", "Group"), ("PolicyUsers", "User"), ("PolicyRoles", "Role")] {
        work.out.element(list, |w| {
            let is_wanted = wanted.is_empty() || wanted == kind;
            for (_, name, id) in holders.iter().filter(|(of, ..)| is_wanted && *of == kind) {
                w.element("member", |w| {
                    w.text(&format!("{kind}Name"), name);
                    w.text(&format!("{kind}Id"), id);
                });
            }
        });
    }
    work.out.boolean("IsTruncated", false);
    Ok(())
}

/// Kind, name and id of whoever has a policy, or has it as boundary.
fn holders<'a>(
    account: &'a Account,
    arn: &str,
    usage: &str,
) -> Result<Vec<(&'static str, &'a str, &'a str)>, QueryError> {
    let (attached, boundary) = match usage {
        "" => (true, true),
        "PermissionsPolicy" => (true, false),
        "PermissionsBoundary" => (false, true),
        _ => {
            let message = "PolicyUsageFilter must be PermissionsPolicy or PermissionsBoundary";
            return Err(QueryError::invalid(message));
        }
    };
    let has = |policies: &Policies, bounded: Option<&String>| {
        (attached && policies.attached.contains(arn))
            || (boundary && bounded.is_some_and(|known| known == arn))
    };
    let groups = account.groups.values().map(|group| &group.data);
    let groups = groups.filter(|group| has(&group.policies, None));
    let users = account.users.values().map(|user| &user.data);
    let users = users.filter(|user| has(&user.policies, user.boundary.as_ref()));
    let roles = account.roles.values().map(|role| &role.data);
    let roles = roles.filter(|role| has(&role.policies, role.boundary.as_ref()));
    Ok(groups
        .map(|group| ("Group", group.name.as_str(), group.id.as_str()))
        .chain(users.map(|user| ("User", user.name.as_str(), user.id.as_str())))
        .chain(roles.map(|role| ("Role", role.name.as_str(), role.id.as_str())))
        .collect())
}
