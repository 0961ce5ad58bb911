//! An access control list: a canned one, or explicit grants to accounts and groups.
//!
//! Owns what a list allows. Does not own who the sender of a request is, nor which permission an action needs:
//! the gate does. `acl_text` has the stored form.
//!
//! Invariants:
//! - a list has at most [`MAX_GRANTS`] grants, and none of them twice;
//! - grants keep the order in which they were given, because clients compare what they read with what they
//!   wrote.

use super::{
    CannedAcl,
    acl_grant::{AclGrant, AclPermission, Grantee},
};
use std::sync::Arc;

/// S3 User Guide, "Access control list (ACL) overview".
pub const MAX_GRANTS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ACL has at most {MAX_GRANTS} grants")]
pub struct TooManyGrants;

/// Explicit grants. The owner has no grant but those in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclGrants(Arc<[AclGrant]>);

impl AclGrants {
    pub fn new(grants: impl IntoIterator<Item = AclGrant>) -> Result<Self, TooManyGrants> {
        let mut kept: Vec<AclGrant> = Vec::new();
        for (number, grant) in grants.into_iter().enumerate() {
            if number == MAX_GRANTS {
                return Err(TooManyGrants);
            }
            if !kept.contains(&grant) {
                kept.push(grant);
            }
        }
        Ok(Self(kept.into()))
    }

    pub fn as_slice(&self) -> &[AclGrant] {
        &self.0
    }
}

/// The ACL of a bucket or of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acl {
    /// The owner has FULL_CONTROL, and others what the canned ACL gives them.
    Canned(CannedAcl),
    Granted(AclGrants),
}

impl Default for Acl {
    fn default() -> Self {
        Self::Canned(CannedAcl::Private)
    }
}

impl From<CannedAcl> for Acl {
    fn from(canned: CannedAcl) -> Self {
        Self::Canned(canned)
    }
}

/// Whether grants to public groups count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicGrants {
    Count,
    Ignored,
}

impl Acl {
    /// Whether this is the default, which is not stored.
    pub fn is_private(&self) -> bool {
        *self == Self::default()
    }

    /// The explicit grants, or those of the canned ACL besides the owner's FULL_CONTROL.
    pub fn grants(&self) -> &[AclGrant] {
        match self {
            Self::Canned(canned) => canned.grants(),
            Self::Granted(grants) => grants.as_slice(),
        }
    }

    /// Whether the ACL grants a permission to an account. `None` is a sender without a signature.
    pub fn allows(&self, permission: AclPermission, account: Option<&str>, public: PublicGrants) -> bool {
        self.grants().iter().any(|grant| {
            let is_covered = grant.permission == permission || grant.permission == AclPermission::FullControl;
            let is_meant = match &grant.grantee {
                Grantee::Account(id) => account == Some(id.as_str()),
                Grantee::AllUsers => public == PublicGrants::Count,
                Grantee::AuthenticatedUsers => public == PublicGrants::Count && account.is_some(),
                Grantee::LogDelivery => false,
            };
            is_covered && is_meant
        })
    }

    /// Whether the ACL of an object grants a permission to the owner of the bucket, whoever that is.
    pub fn allows_bucket_owner(&self, permission: AclPermission) -> bool {
        let Self::Canned(canned) = self else { return false };
        let granted = canned.bucket_owner();
        granted == Some(permission) || granted == Some(AclPermission::FullControl)
    }

    /// Whether anything is granted to everybody, or to every authenticated user.
    pub fn is_public(&self) -> bool {
        self.grants().iter().any(AclGrant::is_public)
    }

    /// Whether the ACL gives FULL_CONTROL to the owner, and nothing to anybody else.
    pub fn is_owners_alone(&self, owner: &str) -> bool {
        match self {
            Self::Canned(canned) => canned.grants().is_empty(),
            Self::Granted(grants) => {
                let is_owners =
                    |grant: &AclGrant| matches!(&grant.grantee, Grantee::Account(id) if id.as_str() == owner);
                grants.as_slice().iter().all(is_owners)
                    && grants.as_slice().iter().any(|grant| grant.permission == AclPermission::FullControl)
            }
        }
    }

    /// Whether anybody but the owner is granted anything.
    pub fn gives_to_others_than(&self, owner: &str) -> bool {
        self.grants().iter().any(|grant| match &grant.grantee {
            Grantee::Account(id) => id.as_str() != owner,
            Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => true,
        })
    }

    /// About how many bytes the grants take in memory.
    pub fn footprint(&self) -> usize {
        const ID: usize = 96;
        match self {
            Self::Canned(_) => 0,
            Self::Granted(grants) => grants.as_slice().len() * (size_of::<AclGrant>() + ID),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::CanonicalId, *};

    fn account(id: &str) -> Grantee {
        Grantee::Account(CanonicalId::parse(id).expect("an id"))
    }

    fn granted(grants: &[(Grantee, AclPermission)]) -> Acl {
        let grants = grants.iter().cloned().map(|(grantee, permission)| AclGrant { grantee, permission });
        Acl::Granted(AclGrants::new(grants).expect("few grants"))
    }

    #[test]
    fn a_grant_allows_its_permission_to_its_grantee_and_full_control_allows_all() {
        use AclPermission::{FullControl, Read, Write};
        for given in AclPermission::ALL {
            let acl = granted(&[(account("bob"), given)]);
            for asked in AclPermission::ALL {
                let expected = given == asked || given == FullControl;
                let allows = |account| acl.allows(asked, account, PublicGrants::Ignored);
                assert_eq!(allows(Some("bob")), expected, "{given:?} {asked:?}");
                assert!(!allows(Some("eve")) && !allows(None), "{given:?} {asked:?}");
            }
        }
        let acl = granted(&[(Grantee::AllUsers, Read), (Grantee::AuthenticatedUsers, Write)]);
        let allows = |permission, account| acl.allows(permission, account, PublicGrants::Count);
        assert!(allows(Read, None) && allows(Read, Some("bob")));
        assert!(!allows(Write, None) && allows(Write, Some("bob")));
        assert!(!acl.allows(Read, Some("bob"), PublicGrants::Ignored));
        let logs = granted(&[(Grantee::LogDelivery, FullControl)]);
        assert!(!logs.allows(Read, Some("bob"), PublicGrants::Count) && !logs.is_public());
    }

    #[test]
    fn an_acl_is_the_owners_alone_if_only_the_owner_has_full_control() {
        use AclPermission::{FullControl, Read};
        let alone = granted(&[(account("a"), FullControl), (account("a"), Read)]);
        assert!(alone.is_owners_alone("a") && !alone.gives_to_others_than("a"));
        assert!(!alone.is_owners_alone("b") && alone.gives_to_others_than("b"));
        let nothing = granted(&[]);
        assert!(!nothing.is_owners_alone("a") && !nothing.gives_to_others_than("a"));
        assert!(Acl::default().is_owners_alone("a"));
        assert!(!Acl::from(CannedAcl::PublicRead).is_owners_alone("a"));
    }

    #[test]
    fn a_list_has_at_most_100_grants_and_none_twice() {
        let grant = |number: usize| AclGrant {
            grantee: account(&number.to_string()),
            permission: AclPermission::Read,
        };
        assert_eq!(AclGrants::new((0..MAX_GRANTS).map(grant)).expect("fits").as_slice().len(), MAX_GRANTS);
        assert_eq!(AclGrants::new((0..=MAX_GRANTS).map(grant)), Err(TooManyGrants));
        assert_eq!(AclGrants::new([grant(1), grant(1)]).expect("fits").as_slice(), [grant(1)]);
    }
}
