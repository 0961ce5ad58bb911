//! The canned ACLs that Causeway honours, and what each grants.
//!
//! Does not own explicit grants: see [`Acl`](super::Acl). Invariant: the names are a stored format, so they
//! never change.

use super::acl_grant::{AclGrant, AclPermission, Grantee};
use serde::{Deserialize, Serialize};

/// A canned ACL (S3 User Guide, "Canned ACL"), reduced to the rights that it gives to others than the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CannedAcl {
    #[default]
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    /// The owner of the bucket reads the object, too.
    BucketOwnerRead,
    /// The owner of the bucket has FULL_CONTROL, too.
    BucketOwnerFullControl,
}

impl CannedAcl {
    const NAMES: [(&'static str, CannedAcl); 6] = [
        ("private", CannedAcl::Private),
        ("public-read", CannedAcl::PublicRead),
        ("public-read-write", CannedAcl::PublicReadWrite),
        ("authenticated-read", CannedAcl::AuthenticatedRead),
        ("bucket-owner-read", CannedAcl::BucketOwnerRead),
        ("bucket-owner-full-control", CannedAcl::BucketOwnerFullControl),
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, acl)| *acl)
    }

    pub fn as_str(self) -> &'static str {
        // Every variant has a row: the test below proves that the default is never used.
        Self::NAMES.iter().find(|(_, acl)| *acl == self).map_or("private", |(name, _)| name)
    }

    /// What the ACL grants besides the owner's FULL_CONTROL, and besides `bucket_owner`.
    pub fn grants(self) -> &'static [AclGrant] {
        match self {
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl => &[],
            Self::PublicRead => PUBLIC_READ,
            Self::PublicReadWrite => PUBLIC_READ_WRITE,
            Self::AuthenticatedRead => AUTHENTICATED_READ,
        }
    }

    /// What the ACL of an object grants to the owner of the bucket.
    pub fn bucket_owner(self) -> Option<AclPermission> {
        match self {
            Self::BucketOwnerRead => Some(AclPermission::Read),
            Self::BucketOwnerFullControl => Some(AclPermission::FullControl),
            Self::Private | Self::PublicRead | Self::PublicReadWrite | Self::AuthenticatedRead => None,
        }
    }
}

const PUBLIC_READ: &[AclGrant] = &[AclGrant { grantee: Grantee::AllUsers, permission: AclPermission::Read }];
const PUBLIC_READ_WRITE: &[AclGrant] = &[
    AclGrant { grantee: Grantee::AllUsers, permission: AclPermission::Read },
    AclGrant { grantee: Grantee::AllUsers, permission: AclPermission::Write },
];
const AUTHENTICATED_READ: &[AclGrant] =
    &[AclGrant { grantee: Grantee::AuthenticatedUsers, permission: AclPermission::Read }];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canned_acl_round_trips_by_its_name() {
        for (name, acl) in CannedAcl::NAMES {
            assert_eq!(CannedAcl::parse(name), Some(acl));
            assert_eq!(acl.as_str(), name);
        }
        assert_eq!(CannedAcl::parse("log-delivery-write"), None);
    }
}
