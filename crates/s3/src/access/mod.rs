//! The identities of clients, by access key, and their secrets: accounts of the configuration, accounts that
//! were added, and the members of both, which `iam` keeps.
//!
//! Invariants: a secret is returned only by [`Credentials::find`], to verify a signature; the id of an owner
//! depends on the access key alone, so that buckets keep their owner whatever else is configured.

mod account_ids;
mod account_settings;
mod added;
mod in_force;
mod principal_ids;
mod root;

pub use crate::model::account_id;
use crate::model::{AccessKey, Identity, Owner, Role, Secret};
pub use account_ids::{AccountIds, NoAccounts};
pub use added::{AddedIdentities, AddedIdentity, Addition, IdentityError};
pub use in_force::CredentialsInForce;
pub use principal_ids::{NoPrincipals, PrincipalIds};
pub use root::{RootCredentials, generated_root};
use std::{collections::HashMap, sync::Arc};

/// An identity before it has an owner's id.
#[derive(Debug, Clone)]
pub struct Credential {
    pub access_key: AccessKey,
    pub secret_key: Secret,
    pub role: Role,
    /// The name shown as owner. `None`: the access key is shown.
    pub name: Option<String>,
}

#[derive(Debug, Default)]
pub struct Credentials {
    identities: HashMap<Arc<str>, (Arc<Identity>, Secret)>,
    /// By canonical id.
    accounts: HashMap<Arc<str>, Arc<Identity>>,
    /// The owner of what the configuration names.
    steward: Option<Owner>,
    /// The owner of what existed before.
    administrator: Option<Owner>,
}

impl Credentials {
    /// Access keys differ: the configuration was validated.
    pub fn new(credentials: impl IntoIterator<Item = Credential>) -> Self {
        let mut all = Self::default();
        let mut steward: Option<(Role, Owner)> = None;
        for Credential { access_key, secret_key, role, name } in credentials {
            let owner = Owner {
                id: owner_id(&access_key),
                display_name: name.map_or_else(|| access_key.0.clone(), Arc::from),
            };
            if steward.as_ref().is_none_or(|(other, _)| *other != Role::Admin && role == Role::Admin) {
                steward = Some((role, owner.clone()));
            }
            let identity = Arc::new(Identity::account(access_key.clone(), role, owner));
            all.accounts.insert(identity.owner.id.clone(), identity.clone());
            all.identities.insert(access_key.0, (identity, secret_key));
        }
        all.administrator =
            steward.as_ref().filter(|(role, _)| *role == Role::Admin).map(|(_, owner)| owner.clone());
        all.steward = steward.map(|(_, owner)| owner);
        all
    }

    pub fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        self.identities.get(access_key).cloned()
    }

    /// The account with a canonical id.
    pub fn account(&self, canonical_id: &str) -> Option<Arc<Identity>> {
        self.accounts.get(canonical_id).cloned()
    }

    /// The first administrator.
    pub fn administrator(&self) -> Option<&Owner> {
        self.administrator.as_ref()
    }

    /// The first administrator, or else the first identity.
    pub fn steward(&self) -> Option<&Owner> {
        self.steward.as_ref()
    }
}

/// 64 hexadecimal digits, as S3's canonical user ids are.
fn owner_id(access_key: &AccessKey) -> Arc<str> {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    // Never change these words: stored buckets name their owner by the result.
    hash.update(b"causeway canonical user id\0");
    hash.update(access_key.as_str().as_bytes());
    hex::encode(hash.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(access_key: &str, role: Role, name: Option<&str>) -> Credential {
        let name = name.map(str::to_owned);
        Credential { access_key: AccessKey(access_key.into()), secret_key: Secret::new("s"), role, name }
    }

    #[test]
    fn the_owner_id_of_an_access_key_never_changes() {
        let credentials = Credentials::new([credential("alice", Role::ReadWrite, Some("Alice"))]);
        let (identity, secret) = credentials.find("alice").expect("alice");
        assert_eq!(&*identity.owner.id, "42b070121c479390d10922510347b0e7717760e241dc91d47a3947183cfb3a8c");
        assert_eq!((&*identity.owner.display_name, secret.expose()), ("Alice", "s"));
        assert!(credentials.find("Alice").is_none());
    }

    #[test]
    fn the_steward_is_the_first_administrator_or_else_the_first_identity() {
        let steward = |list: &[Credential]| {
            Credentials::new(list.to_vec()).steward().map(|owner| owner.display_name.to_string())
        };
        let (a, b, c) = (
            credential("a", Role::ReadOnly, None),
            credential("b", Role::Admin, None),
            credential("c", Role::Admin, None),
        );
        assert_eq!(steward(&[a.clone(), b.clone(), c]).as_deref(), Some("b"));
        assert_eq!(steward(std::slice::from_ref(&a)).as_deref(), Some("a"));
        assert_eq!(steward(&[]), None);
        assert_eq!(Credentials::new([a.clone()]).administrator(), None);
        assert_eq!(Credentials::new([a, b]).administrator().map(|owner| &*owner.display_name), Some("b"));
    }
}
