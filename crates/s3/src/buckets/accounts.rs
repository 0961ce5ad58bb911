//! What an account has set for all of its buckets.
//!
//! Does not own accounts: whoever keeps them implements [`AccountSettings`]. Invariant: before that is
//! attached, no account has set anything, so a server attaches it before it serves requests.

use super::Buckets;
use crate::{catalog::CatalogError, model::PublicAccess};
use futures_util::future::BoxFuture;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The settings of accounts, by canonical id.
pub trait AccountSettings: Send + Sync + fmt::Debug {
    fn public_access(&self, canonical_id: &str) -> Option<PublicAccess>;

    /// In force when this returns. `None` removes the block.
    fn set_public_access(
        self: Arc<Self>,
        canonical_id: Arc<str>,
        access: Option<PublicAccess>,
    ) -> BoxFuture<'static, Result<(), CatalogError>>;
}

/// Shared by all buckets.
#[derive(Debug, Clone, Default)]
pub(super) struct AccountsInForce(Arc<OnceLock<Arc<dyn AccountSettings>>>);

impl AccountsInForce {
    pub(super) fn public_access(&self, canonical_id: &str) -> PublicAccess {
        self.0.get().and_then(|accounts| accounts.public_access(canonical_id)).unwrap_or_default()
    }
}

impl Buckets {
    /// From now on, what accounts have set counts. The first call decides.
    pub fn attach(&self, accounts: Arc<dyn AccountSettings>) {
        drop(self.accounts.0.set(accounts));
    }

    /// The settings of accounts, if there are any.
    pub fn accounts(&self) -> Option<&Arc<dyn AccountSettings>> {
        self.accounts.0.get()
    }

    /// The block of public access that an account has set for all of its buckets.
    pub fn public_access_of(&self, canonical_id: &str) -> PublicAccess {
        self.accounts.public_access(canonical_id)
    }
}
