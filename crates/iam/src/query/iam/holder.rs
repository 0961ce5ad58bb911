//! Users, groups and roles as holders of policies: what is the same for the three.

use crate::{
    entity::{Entity, Group, Policies, Role, User},
    query::{action::On, error::QueryError, work::Work},
};

pub(super) enum Holder {
    User(User),
    Group(Group),
    Role(Role),
}

impl Holder {
    /// The one that the action is about.
    pub(super) fn find(work: &Work<'_>) -> Result<Self, QueryError> {
        Ok(match work.action.on {
            On::Group => Self::Group(work.group()?.data.clone()),
            On::Role => Self::Role(work.role()?.data.clone()),
            On::All
            | On::User
            | On::AccessKey
            | On::Policy
            | On::NewPolicy
            | On::Provider
            | On::NewProvider => {
                work.needed("UserName")?;
                Self::User(work.user()?.data.clone())
            }
        })
    }

    pub(super) fn policies(&mut self) -> &mut Policies {
        match self {
            Self::User(user) => &mut user.policies,
            Self::Group(group) => &mut group.policies,
            Self::Role(role) => &mut role.policies,
        }
    }

    /// The element that names it, and its name.
    pub(super) fn name(&self) -> (&'static str, String) {
        match self {
            Self::User(user) => ("UserName", user.name.clone()),
            Self::Group(group) => ("GroupName", group.name.clone()),
            Self::Role(role) => ("RoleName", role.name.clone()),
        }
    }

    /// The most characters that all its inline policies may have.
    pub(super) fn inline_quota(&self) -> usize {
        match self {
            Self::User(_) => 2048,
            Self::Group(_) => 5120,
            Self::Role(_) => 10_240,
        }
    }

    pub(super) fn entity(self) -> Entity {
        match self {
            Self::User(user) => Entity::User(user),
            Self::Group(group) => Entity::Group(group),
            Self::Role(role) => Entity::Role(role),
        }
    }
}
