//! The canned ACLs that Causeway honours. Grants to named users are not supported: they are refused, never
//! dropped.

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
    /// S3 lets the owner of the bucket read the object, too. In Causeway the owner always can.
    BucketOwnerRead,
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

    pub fn is_private(&self) -> bool {
        *self == Self::Private
    }

    pub fn anyone_reads(self) -> bool {
        matches!(self, Self::PublicRead | Self::PublicReadWrite)
    }

    pub fn anyone_writes(self) -> bool {
        matches!(self, Self::PublicReadWrite)
    }

    /// Any authenticated identity may read.
    pub fn users_read(self) -> bool {
        self.anyone_reads() || matches!(self, Self::AuthenticatedRead)
    }
}

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
