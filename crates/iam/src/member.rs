//! From a user or a session to the member that the gate decides with.
//!
//! Invariant: a policy that a member has and that does not exist, allows nothing and denies everything: it
//! might have denied something.

use crate::{
    account::Account,
    compiled::{CompiledGroup, CompiledRole, CompiledUser},
    entity::Policies,
    model::account_id,
    names::{self, Tag},
    policy::{Member, MemberKind, NamedPolicy, Policy},
};
use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

/// Denies everything.
static NOTHING: LazyLock<Option<Arc<Policy>>> = LazyLock::new(|| {
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    Policy::identity(text).ok().map(Arc::new)
});

/// What a session of a role has beyond its role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfSession<'a> {
    pub(crate) name: &'a str,
    pub(crate) tags: &'a [Tag],
    pub(crate) provider: &'a str,
    /// `None`: the session was not narrowed.
    pub(crate) policies: Option<&'a [NamedPolicy]>,
}

/// `narrowed` is the policy of the access key that the user uses, if it has one.
pub(crate) fn user(
    canonical_id: &Arc<str>,
    account: &Account,
    user: &CompiledUser,
    narrowed: Option<&NamedPolicy>,
) -> Member {
    let id = account_id(canonical_id);
    let data = &user.data;
    let mut policies = user.inline.clone();
    attach(account, &data.policies, &mut policies);
    for group in data.groups.iter().filter_map(|name| account.groups.get(name)) {
        policies.extend(group.inline.iter().cloned());
        attach(account, &group.data.policies, &mut policies);
    }
    Member {
        kind: MemberKind::User,
        arn: names::arn(&id, "user", &data.path, &data.name).into(),
        account: id,
        canonical_id: canonical_id.clone(),
        id: data.id.as_str().into(),
        name: data.name.as_str().into(),
        role_arn: "".into(),
        provider: "".into(),
        tags: tags(&data.tags).collect(),
        policies,
        boundary: boundary(account, data.boundary.as_deref()),
        session: narrowed.map(|policy| vec![policy.clone()]),
    }
}

/// The session of a role.
pub(crate) fn session(
    canonical_id: &Arc<str>,
    account: &Account,
    role: &CompiledRole,
    session: OfSession<'_>,
) -> Member {
    let id = account_id(canonical_id);
    let data = &role.data;
    let mut policies = role.inline.clone();
    attach(account, &data.policies, &mut policies);
    // A tag of the session replaces the one of the role.
    let of_session = |tag: &&Tag| session.tags.iter().any(|other| other.key.eq_ignore_ascii_case(&tag.key));
    let of_role: Vec<Tag> = data.tags.iter().filter(|tag| !of_session(tag)).cloned().collect();
    Member {
        kind: MemberKind::Session,
        arn: session_arn(&id, &data.name, session.name).into(),
        role_arn: names::arn(&id, "role", &data.path, &data.name).into(),
        account: id,
        canonical_id: canonical_id.clone(),
        id: data.id.as_str().into(),
        name: session.name.into(),
        provider: session.provider.into(),
        tags: tags(&of_role).chain(tags(session.tags)).collect(),
        policies,
        boundary: boundary(account, data.boundary.as_deref()),
        session: session.policies.map(<[NamedPolicy]>::to_vec),
    }
}

/// The session of a user of the LDAP directory, with the policies of groups. `session` narrows it.
pub(crate) fn person(
    canonical_id: &Arc<str>,
    account: &Account,
    name: &str,
    groups: &[&Arc<CompiledGroup>],
    session: Option<Vec<NamedPolicy>>,
) -> Member {
    let id = account_id(canonical_id);
    let mut policies = Vec::new();
    for group in groups {
        policies.extend(group.inline.iter().cloned());
        attach(account, &group.data.policies, &mut policies);
    }
    Member {
        kind: MemberKind::Session,
        arn: format!("arn:aws:sts::{id}:federated-user/{name}").into(),
        role_arn: "".into(),
        canonical_id: canonical_id.clone(),
        id: id.clone(),
        account: id,
        name: name.into(),
        provider: "".into(),
        tags: Vec::new(),
        policies,
        boundary: None,
        session,
    }
}

/// `account` is the 12-digit id.
pub(crate) fn session_arn(account: &str, role: &str, session: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
}

/// A managed policy of an account. One that does not exist denies everything.
pub(crate) fn managed(account: &Account, arn: &str) -> Option<NamedPolicy> {
    let missing = || {
        tracing::error!(policy = arn, "a managed policy does not exist: who has it is denied everything");
        NOTHING.clone().map(|policy| NamedPolicy { name: arn.into(), policy })
    };
    account.managed(arn).or_else(missing)
}

fn attach(account: &Account, policies: &Policies, to: &mut Vec<NamedPolicy>) {
    to.extend(policies.attached.iter().filter_map(|arn| managed(account, arn)));
}

fn boundary(account: &Account, arn: Option<&str>) -> Option<NamedPolicy> {
    arn.and_then(|arn| managed(account, arn))
}

fn tags(tags: &[Tag]) -> impl Iterator<Item = crate::policy::Tag> {
    tags.iter().map(|tag| (Cow::Owned(tag.key.clone()), Cow::Owned(tag.value.clone())))
}
