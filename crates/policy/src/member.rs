//! Users and sessions: members of an account, with the policies that each has.
//!
//! Owns the form in which whoever keeps users gives one of them to the gate. Does not own where users are
//! kept. Invariant: a member is read as a whole, so that a decision never mixes policies of two moments.

use crate::{
    document::Policy,
    request::{Principal, PrincipalKind, Tag},
};
use std::sync::Arc;

/// A policy with the name under which decisions show it.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    pub name: Arc<str>,
    pub policy: Arc<Policy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    User,
    /// A session of a role, or temporary credentials of a user.
    Session,
}

/// A user or a session. For the texts see [`Principal`]. Those that a kind does not have are empty.
#[derive(Debug, Clone)]
pub struct Member {
    pub kind: MemberKind,
    pub account: Arc<str>,
    pub canonical_id: Arc<str>,
    pub arn: Arc<str>,
    pub id: Arc<str>,
    pub name: Arc<str>,
    pub role_arn: Arc<str>,
    pub provider: Arc<str>,
    pub tags: Vec<Tag>,
    /// The policies of the user and its groups, or of the role.
    pub policies: Vec<NamedPolicy>,
    pub boundary: Option<NamedPolicy>,
    /// The policies that were given when the session began. `None`: the session was not narrowed.
    pub session: Option<Vec<NamedPolicy>>,
}

impl Member {
    pub fn principal(&self) -> Principal<'_> {
        Principal {
            kind: match self.kind {
                MemberKind::User => PrincipalKind::User,
                MemberKind::Session => PrincipalKind::Session,
            },
            account: &self.account,
            canonical_id: &self.canonical_id,
            arn: &self.arn,
            id: &self.id,
            name: &self.name,
            role_arn: &self.role_arn,
            provider: &self.provider,
            tags: &self.tags,
        }
    }
}

/// Two members are equal if they are the same user or session. Their policies may be of two moments.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.arn == other.arn && self.id == other.id
    }
}

impl Eq for Member {}
