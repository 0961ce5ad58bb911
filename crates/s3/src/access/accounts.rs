//! The accounts that ACLs name.
//!
//! Does not own identities: whoever keeps them implements [`Accounts`].

use super::CredentialsInForce;
use crate::model::Owner;
use std::fmt;

/// The accounts that exist now.
pub trait Accounts: Send + Sync + fmt::Debug {
    /// The account with a canonical id.
    fn account(&self, canonical_id: &str) -> Option<Owner>;
}

impl Accounts for CredentialsInForce {
    fn account(&self, canonical_id: &str) -> Option<Owner> {
        self.owner(canonical_id)
    }
}

/// For a gateway that nobody signs requests to.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAccounts;

impl Accounts for NoAccounts {
    fn account(&self, _canonical_id: &str) -> Option<Owner> {
        None
    }
}
