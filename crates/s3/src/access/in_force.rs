//! The identities in force, in one handle: those of the configuration, and those that were added while the
//! server runs.
//!
//! Invariants:
//! - a caller sees all of one configuration or all of another, never some identities of each; the same is
//!   true of added identities;
//! - an access key of the configuration belongs to the configuration, whatever was added under the same key.

use super::Credentials;
use crate::model::{Identity, Owner, Secret};
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub struct CredentialsInForce {
    configured: RwLock<Arc<Credentials>>,
    added: RwLock<Arc<Credentials>>,
}

impl CredentialsInForce {
    pub fn new(configured: Arc<Credentials>) -> Self {
        Self { configured: RwLock::new(configured), added: RwLock::default() }
    }

    /// Called once for each request: it copies nothing but the identity that it finds.
    pub fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        let find = |all: &RwLock<Arc<Credentials>>| {
            all.read().unwrap_or_else(PoisonError::into_inner).find(access_key)
        };
        find(&self.configured).or_else(|| find(&self.added))
    }

    /// The account with a canonical id.
    pub fn owner(&self, canonical_id: &str) -> Option<Owner> {
        let find = |all: &RwLock<Arc<Credentials>>| {
            all.read().unwrap_or_else(PoisonError::into_inner).owner(canonical_id).cloned()
        };
        find(&self.configured).or_else(|| find(&self.added))
    }

    pub fn is_configured(&self, access_key: &str) -> bool {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).find(access_key).is_some()
    }

    /// Replaces the identities of the configuration from the next request on. Requests in progress keep the
    /// identity that they began with.
    pub fn replace(&self, configured: Arc<Credentials>) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
    }

    /// Replaces the added identities, from the next request on.
    pub(super) fn replace_added(&self, added: Arc<Credentials>) {
        *self.added.write().unwrap_or_else(PoisonError::into_inner) = added;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Credential, *};
    use crate::model::{AccessKey, Role};

    fn only(access_key: &str, secret: &str) -> Arc<Credentials> {
        let (access_key, secret_key) = (AccessKey(access_key.into()), Secret::new(secret));
        Arc::new(Credentials::new([Credential { access_key, secret_key, role: Role::ReadWrite, name: None }]))
    }

    #[test]
    fn who_was_taken_out_is_unknown_at_once_and_another_secret_counts_at_once() {
        let in_force = CredentialsInForce::new(only("alice", "first"));
        let (held, _) = in_force.find("alice").expect("alice");
        in_force.replace(only("alice", "second"));
        assert_eq!(in_force.find("alice").expect("alice").1.expose(), "second");
        in_force.replace(only("bob", "b"));
        assert!(in_force.find("alice").is_none() && in_force.find("bob").is_some());
        assert_eq!(held.access_key.as_str(), "alice", "a request in work keeps who sent it");
    }

    #[test]
    fn those_who_were_added_are_in_force_beside_the_configuration_which_wins() {
        let in_force = CredentialsInForce::new(only("alice", "configured"));
        in_force.replace_added(only("bob", "added"));
        let (bob, secret) = in_force.find("bob").expect("bob");
        assert_eq!(secret.expose(), "added");
        assert_eq!(in_force.owner(&bob.owner.id), Some(bob.owner.clone()));
        assert_eq!(in_force.owner("bob"), None, "an access key is no canonical id");
        in_force.replace(only("bob", "configured"));
        assert_eq!(in_force.find("bob").expect("bob").1.expose(), "configured");
        in_force.replace(only("alice", "configured"));
        assert_eq!(
            in_force.find("bob").expect("bob").1.expose(),
            "added",
            "and what was added is there again"
        );
        assert!(in_force.is_configured("alice") && !in_force.is_configured("bob"));
    }
}
