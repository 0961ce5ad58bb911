//! The identities in force, in one handle: those of the configuration, those that were added while the server
//! runs, and the members of all of them.
//!
//! Invariants:
//! - a caller sees all of one configuration or all of another, never some identities of each; the same is
//!   true of added identities;
//! - an access key of the configuration belongs to the configuration, whatever was added under the same key.

use super::Credentials;
use crate::{
    iam::{Accounts, Directory, KeyInForce, Refused},
    model::{Identity, Secret, Timestamp},
};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

#[derive(Debug)]
pub struct CredentialsInForce {
    configured: RwLock<Arc<Credentials>>,
    added: RwLock<Arc<Credentials>>,
    /// The members of accounts, once they are known.
    directory: OnceLock<Arc<Directory>>,
}

impl CredentialsInForce {
    pub fn new(configured: Arc<Credentials>) -> Self {
        Self { configured: RwLock::new(configured), added: RwLock::default(), directory: OnceLock::new() }
    }

    /// From the next request on, members of accounts are in force, too. The first directory counts.
    pub fn attach(&self, directory: Arc<Directory>) {
        drop(self.directory.set(directory));
        self.note_uses();
    }

    /// From now on, the last uses of all access keys are written. The configuration's keys come last, because
    /// they win.
    fn note_uses(&self) {
        let Some(directory) = self.directory.get() else { return };
        for all in [&self.added, &self.configured] {
            let all = all.read().unwrap_or_else(PoisonError::into_inner).clone();
            for (access_key, last_use) in all.last_uses() {
                directory.uses().adopt(access_key, last_use);
            }
        }
    }

    pub fn directory(&self) -> Option<&Arc<Directory>> {
        self.directory.get()
    }

    /// The first administrator of the configuration.
    pub fn administrator(&self) -> Option<Arc<Identity>> {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        configured.account(&configured.administrator()?.id)
    }

    /// Whether an access key belongs to a member of an account.
    pub(super) fn is_of_a_member(&self, access_key: &str) -> bool {
        self.directory.get().is_some_and(|directory| directory.has_key(access_key))
    }

    /// The identity of an access key, and the secrets that sign with it. Called once for each request: it
    /// copies nothing but what it finds.
    pub fn identify(
        &self,
        access_key: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<KeyInForce, Refused> {
        match (self.open(access_key, now), self.directory.get()) {
            // Only members have session tokens.
            (Some(_), _) if token.is_some() => Err(Refused::InvalidToken),
            (Some(opened), _) => opened,
            (None, Some(directory)) => directory.find(access_key, token, now, self),
            (None, None) => Err(Refused::Unknown),
        }
    }

    /// What the own access key of an account opens.
    fn open(&self, access_key: &str, now: Timestamp) -> Option<Result<KeyInForce, Refused>> {
        let open = |all: &RwLock<Arc<Credentials>>| {
            all.read().unwrap_or_else(PoisonError::into_inner).open(access_key, now)
        };
        open(&self.configured).or_else(|| open(&self.added))
    }

    /// An account by its own access key, whether the key is in force or not, and its current secret.
    pub fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        let find = |all: &RwLock<Arc<Credentials>>| {
            all.read().unwrap_or_else(PoisonError::into_inner).find(access_key)
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
        self.note_uses();
    }

    /// Replaces the added identities, from the next request on.
    pub(super) fn replace_added(&self, added: Arc<Credentials>) {
        *self.added.write().unwrap_or_else(PoisonError::into_inner) = added;
        self.note_uses();
    }
}

impl Accounts for CredentialsInForce {
    fn account(&self, canonical_id: &str) -> Option<Arc<Identity>> {
        let account = |all: &RwLock<Arc<Credentials>>| {
            all.read().unwrap_or_else(PoisonError::into_inner).account(canonical_id)
        };
        account(&self.configured).or_else(|| account(&self.added))
    }

    fn account_of_key(&self, access_key: &str, now: Timestamp) -> Option<Arc<Identity>> {
        self.open(access_key, now)?.ok().map(|key| key.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Credential, *};
    use crate::model::{AccessKey, Role};

    fn only(access_key: &str, secret: &str) -> Arc<Credentials> {
        let (access_key, secret_key) = (AccessKey(access_key.into()), Secret::new(secret));
        let (role, name, terms) = (Role::ReadWrite, None, Default::default());
        Arc::new(Credentials::new([Credential { access_key, secret_key, role, name, terms }]))
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
        assert_eq!(in_force.find("bob").expect("bob").1.expose(), "added");
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
