//! The identities in force: one handle for all who ask, whose content is replaced as a whole when the configuration is read again.
//!
//! Invariant: whoever asks sees all of one configuration or all of another, never some identities of each.

use super::Credentials;
use crate::model::{Identity, Secret};
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub struct CredentialsInForce(RwLock<Arc<Credentials>>);

impl CredentialsInForce {
    pub fn new(credentials: Arc<Credentials>) -> Self {
        Self(RwLock::new(credentials))
    }

    /// Once for each request: nothing is copied but what was found.
    pub fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).find(access_key)
    }

    /// From the next request on. Requests in work keep the identity that they began with.
    pub fn replace(&self, credentials: Arc<Credentials>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = credentials;
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
}
