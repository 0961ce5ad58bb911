//! The rights of an identity in a bucket: they follow from its role, from whether it owns the bucket, and
//! from the grants that it has there.
//!
//! Invariants: each right includes those before it; a read-only identity never has more than reading,
//! whatever it owns or is granted.

use super::{Identity, Owner, Role};
use std::{collections::BTreeMap, sync::Arc};

/// The rights, in increasing order. ACLs are not part of this: they give rights to everybody, or to every
/// identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    Nothing,
    /// The right to read objects, listings and settings, including the names of owners, and tags.
    Read,
    /// The right to write and delete objects and their tags, too.
    Write,
    /// The right to change who may do what, and to delete the bucket.
    Own,
}

/// Rights in one bucket, by the id of the identity that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Arc<str>, Right>);

impl Grants {
    /// Grants never make an identity the owner of a bucket.
    pub fn new(grants: impl IntoIterator<Item = (Owner, Right)>) -> Self {
        Self(grants.into_iter().map(|(owner, right)| (owner.id, right.min(Right::Write))).collect())
    }

    pub fn names(&self, owner: &Owner) -> bool {
        self.0.contains_key(&owner.id)
    }
}

impl Identity {
    /// Returns the right of this identity in a bucket that has this owner and these grants.
    pub fn right(&self, owner: &Owner, grants: &Grants) -> Right {
        let most = match self.role {
            Role::Admin => return Right::Own,
            Role::ReadWrite => Right::Own,
            Role::ReadOnly => Right::Read,
        };
        let given = match grants.0.get(&self.owner.id) {
            _ if self.owner.id == owner.id => Right::Own,
            Some(right) => *right,
            None => Right::Nothing,
        };
        given.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::AccessKey, *};

    fn owner(name: &str) -> Owner {
        Owner { id: name.into(), display_name: name.into() }
    }

    fn right(role: Role, who: &str, grants: &[(&str, Right)]) -> Right {
        let identity = Identity::account(AccessKey(who.into()), role, owner(who));
        identity
            .right(&owner("alice"), &Grants::new(grants.iter().map(|(name, right)| (owner(name), *right))))
    }

    #[test]
    fn role_ownership_and_grants_decide_together() {
        let grants = [("bob", Right::Read), ("carol", Right::Write), ("dave", Right::Own)];
        for (role, who, expected) in [
            (Role::Admin, "root", Right::Own),
            (Role::Admin, "bob", Right::Own),
            (Role::ReadWrite, "alice", Right::Own),
            (Role::ReadWrite, "bob", Right::Read),
            (Role::ReadWrite, "carol", Right::Write),
            (Role::ReadWrite, "dave", Right::Write),
            (Role::ReadWrite, "erin", Right::Nothing),
            (Role::ReadOnly, "alice", Right::Read),
            (Role::ReadOnly, "bob", Right::Read),
            (Role::ReadOnly, "carol", Right::Read),
            (Role::ReadOnly, "erin", Right::Nothing),
        ] {
            assert_eq!(right(role, who, &grants), expected, "{role:?} {who}");
        }
    }
}
