//! One grant of an access control list: whom it is for, and what it permits.
//!
//! Owns nothing of a list: see [`Acl`](super::Acl). Invariant: a grantee is never an address of e-mail, which
//! would have to be looked up.

use super::CanonicalId;

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grantee {
    Account(CanonicalId),
    /// Anybody, with or without a signature.
    AllUsers,
    /// Any identity of any account.
    AuthenticatedUsers,
    /// The service that writes access logs. No client is ever that.
    LogDelivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AclPermission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

impl AclPermission {
    pub const ALL: [Self; 5] = [Self::FullControl, Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp];

    /// Whether the permission changes nothing.
    pub fn only_reads(self) -> bool {
        match self {
            Self::Read | Self::ReadAcp => true,
            Self::FullControl | Self::Write | Self::WriteAcp => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AclGrant {
    pub grantee: Grantee,
    pub permission: AclPermission,
}

impl AclGrant {
    /// Whether the grant is for one of the groups that S3 calls public (S3 User Guide, "The meaning of
    /// public").
    pub fn is_public(&self) -> bool {
        match self.grantee {
            Grantee::AllUsers | Grantee::AuthenticatedUsers => true,
            Grantee::Account(_) | Grantee::LogDelivery => false,
        }
    }
}
