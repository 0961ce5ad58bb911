//! The sender of a request: identities from configuration, and the principal of one request.

use super::{SignatureV2, Timestamp};
use causeway_policy::Member;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessKey(pub Arc<str>);

impl AccessKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The role of an identity. `Admin` may act on every bucket, the other roles on the buckets that the identity
/// owns or has a grant for: see [`Right`](super::Right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    ReadWrite,
    ReadOnly,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Admin, Self::ReadWrite, Self::ReadOnly];

    /// Returns the name that the configuration uses. It is stored: never change a name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ReadWrite => "readwrite",
            Self::ReadOnly => "readonly",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// An owner, as S3 shows it in listings. `id` is stable for an access key and reveals nothing about its
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub id: Arc<str>,
    pub display_name: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub access_key: AccessKey,
    /// What applies to an account. A member has its policies instead.
    pub role: Role,
    /// The account, as owner of buckets.
    pub owner: Owner,
    /// The user or the session of the account. `None`: the account itself.
    pub member: Option<Arc<Member>>,
    /// When temporary credentials were issued. `None`: the access key is a lasting one.
    pub issued: Option<Timestamp>,
    /// Where signature version 2 is accepted from it. `None`: where the server accepts it from anybody.
    pub signature_v2: Option<SignatureV2>,
}

impl Identity {
    /// The identity of an account itself.
    pub fn account(access_key: AccessKey, role: Role, owner: Owner) -> Self {
        Self { access_key, role, owner, member: None, issued: None, signature_v2: None }
    }
}

/// The verified sender of one request. Only the edge makes `Identity` principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    Identity(Arc<Identity>),
}

impl Principal {
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Self::Anonymous => None,
            Self::Identity(identity) => Some(identity),
        }
    }
}
