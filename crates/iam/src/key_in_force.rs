//! What an access key opens: an identity, with the secrets that sign for it.

use crate::{
    model::{Identity, Secrets, Timestamp},
    uses::LastUse,
};
use std::sync::Arc;

/// An access key that is in force.
#[derive(Debug, Clone)]
pub struct KeyInForce {
    pub identity: Arc<Identity>,
    pub secrets: Secrets,
    /// `None`: uses are not noted, as those of temporary credentials.
    pub last_use: Option<Arc<LastUse>>,
}

impl KeyInForce {
    /// Called once a signature was found to be right.
    pub fn used(&self, now: Timestamp, service: &str) {
        if let Some(last_use) = &self.last_use {
            last_use.note(now, service);
        }
    }
}
