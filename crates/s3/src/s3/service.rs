//! What the handlers of operations share: the buckets, the settings that S3 shows, and the copies in
//! progress.
//!
//! Owns nothing of a request: `dispatch` does.

use super::{crossing::Crossings, region::Settings};
use crate::{
    access::{NoPrincipals, PrincipalIds},
    buckets::Buckets,
    catalog::BucketId,
    model::ObjectKey,
};
use std::sync::Arc;

/// S3, over the buckets there are.
#[derive(Debug)]
pub struct Service {
    buckets: Arc<Buckets>,
    settings: Settings,
    copies: Arc<Crossings<(BucketId, ObjectKey)>>,
    principals: Arc<dyn PrincipalIds>,
}

impl Service {
    pub fn new(buckets: Arc<Buckets>, settings: Settings) -> Self {
        Self { buckets, settings, copies: Arc::default(), principals: Arc::new(NoPrincipals) }
    }

    /// With the users and roles that policies may name. Without this there are none.
    #[must_use]
    pub fn with_principals(self, principals: Arc<dyn PrincipalIds>) -> Self {
        Self { principals, ..self }
    }

    pub(super) fn principals(&self) -> &dyn PrincipalIds {
        &*self.principals
    }

    pub(super) fn buckets(&self) -> &Arc<Buckets> {
        &self.buckets
    }

    /// The copies under way.
    pub(super) fn copies(&self) -> &Arc<Crossings<(BucketId, ObjectKey)>> {
        &self.copies
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}
