//! The identities of clients, by access key, and their secrets: accounts of the configuration, accounts that
//! were added, and the members of both, which `iam` keeps.
//!
//! Invariants: a secret is returned only to verify a signature; the id of an owner depends on the access key
//! alone, so that buckets keep their owner whatever else is configured. An access key that is disabled or has
//! expired signs nothing, and its account stays: it owns its buckets, and its members are in force.

mod account_ids;
mod account_settings;
mod added;
mod details;
mod in_force;
mod principal_ids;
mod root;

pub use crate::model::account_id;
use crate::{
    iam::{KeyInForce, LastUse, Refused},
    model::{
        AccessKey, Identity, Owner, ReplacedSecret, Role, Secret, Secrets, SignatureV2, Timestamp,
        canonical_id,
    },
};
pub use account_ids::{AccountIds, NoAccounts};
pub use added::{AddedIdentities, AddedIdentity, Addition, IdentityError};
pub use details::KeyChange;
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
    pub terms: KeyTerms,
}

/// On what terms an access key is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// From this time on, the key signs nothing.
    pub expires: Option<Timestamp>,
    pub is_disabled: bool,
    /// The secret that the current one replaces.
    pub previous: Option<ReplacedSecret>,
    /// Where signature version 2 is accepted. `None`: where the server accepts it.
    pub signature_v2: Option<SignatureV2>,
}

/// An access key of the configuration, or one that was added.
#[derive(Debug)]
struct Known {
    identity: Arc<Identity>,
    secrets: Secrets,
    expires: Option<Timestamp>,
    is_disabled: bool,
    last_use: Arc<LastUse>,
}

#[derive(Debug, Default)]
pub struct Credentials {
    identities: HashMap<Arc<str>, Known>,
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
        for Credential { access_key, secret_key, role, name, terms } in credentials {
            let owner = Owner {
                id: canonical_id(&access_key),
                display_name: name.map_or_else(|| access_key.0.clone(), Arc::from),
            };
            if steward.as_ref().is_none_or(|(other, _)| *other != Role::Admin && role == Role::Admin) {
                steward = Some((role, owner.clone()));
            }
            let KeyTerms { expires, is_disabled, previous, signature_v2 } = terms;
            let identity = Identity::account(access_key.clone(), role, owner);
            let identity = Arc::new(Identity { signature_v2, ..identity });
            all.accounts.insert(identity.owner.id.clone(), identity.clone());
            let secrets = Secrets { current: secret_key, previous };
            let known = Known { identity, secrets, expires, is_disabled, last_use: Arc::default() };
            all.identities.insert(access_key.0, known);
        }
        all.administrator =
            steward.as_ref().filter(|(role, _)| *role == Role::Admin).map(|(_, owner)| owner.clone());
        all.steward = steward.map(|(_, owner)| owner);
        all
    }

    /// The account that an access key belongs to, in force or not, and its current secret.
    pub fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        let known = self.identities.get(access_key)?;
        Some((known.identity.clone(), known.secrets.current.clone()))
    }

    /// What an access key opens. `None`: it is not one of these.
    fn open(&self, access_key: &str, now: Timestamp) -> Option<Result<KeyInForce, Refused>> {
        let known = self.identities.get(access_key)?;
        let has_expired = known.expires.is_some_and(|expires| expires <= now);
        if known.is_disabled || has_expired {
            return Some(Err(Refused::Unknown));
        }
        Some(Ok(KeyInForce {
            identity: known.identity.clone(),
            secrets: known.secrets.clone(),
            last_use: Some(known.last_use.clone()),
        }))
    }

    fn last_uses(&self) -> impl Iterator<Item = (&str, &Arc<LastUse>)> {
        self.identities.iter().map(|(access_key, known)| (&**access_key, &known.last_use))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(access_key: &str, role: Role, name: Option<&str>) -> Credential {
        let name = name.map(str::to_owned);
        let (access_key, secret_key) = (AccessKey(access_key.into()), Secret::new("s"));
        Credential { access_key, secret_key, role, name, terms: KeyTerms::default() }
    }

    #[test]
    fn a_key_that_is_disabled_or_has_expired_opens_nothing_and_its_account_stays() {
        let at = Timestamp::from_millis;
        let with = |terms| {
            let alice = Credential { terms, ..credential("alice", Role::ReadWrite, None) };
            Credentials::new([alice])
        };
        let opens =
            |credentials: &Credentials, now| credentials.open("alice", at(now)).expect("known").map(drop);
        let expiring = with(KeyTerms { expires: Some(at(5)), ..KeyTerms::default() });
        assert_eq!((opens(&expiring, 4), opens(&expiring, 5)), (Ok(()), Err(Refused::Unknown)));
        let disabled = with(KeyTerms { is_disabled: true, ..KeyTerms::default() });
        assert_eq!(opens(&disabled, 0), Err(Refused::Unknown));
        let id = disabled.find("alice").expect("known").0.owner.id.clone();
        assert!(disabled.account(&id).is_some());
        assert!(disabled.open("bob", at(0)).is_none());
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
