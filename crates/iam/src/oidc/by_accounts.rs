//! Issuers of the providers that accounts make: which of them the configuration allows, and the keys of those
//! that were asked for.
//!
//! The providers themselves are documents of their accounts. Accounts with the same issuer share its keys,
//! because whoever holds the issuer's name holds its keys.
//!
//! Invariant: keys are kept for issuers that some account has a provider of, and for no others.

use super::provider::{Fetch, Provider};
use crate::{
    model::{Issuer, IssuerPattern},
    state::State,
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Issuers that accounts may make providers of, and the way to their documents.
#[derive(Debug, Clone)]
pub struct AllowedIssuers {
    pub issuers: IssuerPattern,
    pub fetch: Arc<dyn Fetch>,
}

#[derive(Debug, Default)]
pub(super) struct ByAccounts {
    allowed: Vec<AllowedIssuers>,
    asked: RwLock<HashMap<String, Arc<Provider>>>,
}

impl ByAccounts {
    pub(super) fn new(allowed: Vec<AllowedIssuers>) -> Self {
        Self { allowed, asked: RwLock::default() }
    }

    pub(super) fn allows(&self, issuer: &Issuer) -> bool {
        self.row(issuer).is_some()
    }

    fn row(&self, issuer: &Issuer) -> Option<&AllowedIssuers> {
        self.allowed.iter().find(|allowed| allowed.issuers.matches(issuer))
    }

    /// The issuer with its keys, if it is allowed.
    pub(super) fn of(&self, issuer: &str, state: &State) -> Option<Arc<Provider>> {
        let known = self.asked.read().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned();
        if known.is_some() {
            return known;
        }
        let parsed = Issuer::parse(issuer)?;
        let fetch = self.row(&parsed)?.fetch.clone();
        let mut asked = self.asked.write().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|issuer, _| state.has_issuer(issuer));
        let new = || Arc::new(Provider::new(parsed, fetch));
        Some(asked.entry(issuer.to_owned()).or_insert_with(new).clone())
    }
}
