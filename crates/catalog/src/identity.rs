//! Identities that were added while a server ran, as the catalog keeps them.

use super::Revision;
use crate::model::{AccessKey, Role, TenantId, Timestamp};

/// An identity beside those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    pub tenant: TenantId,
    pub access_key: AccessKey,
    pub role: Role,
    /// The name shown as owner. `None`: the access key is shown.
    pub name: Option<String>,
    /// The secret, sealed by the holder of the key: the catalog never has it in clear text.
    pub sealed_secret: String,
    /// What whoever keeps identities adds: the catalog does not know it. Empty for nothing.
    pub details: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    pub identity: NewIdentity,
    /// The revision of all identities at the last change of this one.
    pub revision: Revision,
}

/// All identities, in the order of their access keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// A number that grows with each change of any identity.
    pub revision: Revision,
    pub all: Vec<IdentityRecord>,
}

/// The last use of an access key, of whoever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub access_key: String,
    pub at: Timestamp,
    /// The service that the request was for: a short name.
    pub service: String,
}
