//! What the handlers of operations share: the buckets, the settings that S3 shows, and the copies in
//! progress.
//!
//! Owns nothing of a request: `dispatch` does.

use super::{
    crossing::Crossings,
    decisions::Decisions,
    error::{ErrorCode, S3Error},
    gateway::Gateway,
    region::Settings,
    spool::Spool,
};
use crate::{
    access::{AccountIds, NoAccounts, NoPrincipals, PrincipalIds},
    buckets::{BucketError, Buckets},
    catalog::BucketId,
    model::{Chain, CorsRules, ObjectKey, PublicAccess},
};
use std::sync::Arc;

/// S3, over the buckets there are.
#[derive(Debug)]
pub struct Service {
    buckets: Arc<Buckets>,
    settings: Settings,
    copies: Arc<Crossings<(BucketId, ObjectKey)>>,
    principals: Arc<dyn PrincipalIds>,
    accounts: Arc<dyn AccountIds>,
    spool: Spool,
    gateway: Arc<Gateway>,
}

impl Service {
    pub fn new(buckets: Arc<Buckets>, settings: Settings, spool: Spool) -> Self {
        let (principals, accounts) = (Arc::new(NoPrincipals), Arc::new(NoAccounts));
        let gateway = Arc::new(Gateway { region: settings.region.clone(), decisions: Arc::default() });
        Self { buckets, settings, copies: Arc::default(), principals, accounts, spool, gateway }
    }

    /// With the users and roles that policies may name. Without this there are none.
    #[must_use]
    pub fn with_principals(self, principals: Arc<dyn PrincipalIds>) -> Self {
        Self { principals, ..self }
    }

    /// With the accounts that ACLs may name. Without this there are none but the owners of buckets.
    #[must_use]
    pub fn with_accounts(self, accounts: Arc<dyn AccountIds>) -> Self {
        Self { accounts, ..self }
    }

    /// The decisions of the last minutes.
    pub fn decisions(&self) -> &Arc<Decisions> {
        &self.gateway.decisions
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(super) fn accounts(&self) -> &Arc<dyn AccountIds> {
        &self.accounts
    }

    pub(super) fn principals(&self) -> &dyn PrincipalIds {
        &*self.principals
    }

    /// The CORS rules for requests on a bucket, or on the service. Where they cannot be read, there are none.
    pub async fn cors(&self, bucket: Option<&str>) -> CorsRules {
        self.buckets.cors(bucket).await.unwrap_or_else(|error| {
            tracing::warn!(bucket, error = %Chain(&error), "the CORS rules of a bucket cannot be read: its replies have none");
            CorsRules::default()
        })
    }

    /// The same for a request that is refused for want of room: nothing is read for it.
    pub fn cors_at_once(&self, bucket: Option<&str>) -> CorsRules {
        self.buckets.cors_at_once(bucket)
    }

    pub(super) fn buckets(&self) -> &Arc<Buckets> {
        &self.buckets
    }

    /// Replaces the block of public access of an account.
    pub(super) async fn set_public_access_of(
        &self,
        owner: Arc<str>,
        access: Option<PublicAccess>,
    ) -> Result<(), S3Error> {
        let accounts = self.buckets.accounts().ok_or(ErrorCode::ServiceUnavailable)?.clone();
        Ok(accounts.set_public_access(owner, access).await.map_err(BucketError::from)?)
    }

    /// The copies under way.
    pub(super) fn copies(&self) -> &Arc<Crossings<(BucketId, ObjectKey)>> {
        &self.copies
    }

    /// Where bodies of unknown length wait.
    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}
