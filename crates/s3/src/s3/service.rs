//! What the handlers of operations share: the buckets, the settings that S3 shows, and the copies in
//! progress.
//!
//! Owns nothing of a request: `dispatch` does.

use super::{crossing::Crossings, region::Settings, spool::Spool};
use crate::{buckets::Buckets, catalog::BucketId, model::ObjectKey};
use std::sync::Arc;

/// S3, over the buckets there are.
#[derive(Debug)]
pub struct Service {
    buckets: Arc<Buckets>,
    settings: Settings,
    copies: Arc<Crossings<(BucketId, ObjectKey)>>,
    spool: Spool,
}

impl Service {
    pub fn new(buckets: Arc<Buckets>, settings: Settings, spool: Spool) -> Self {
        Self { buckets, settings, copies: Arc::default(), spool }
    }

    pub(super) fn buckets(&self) -> &Arc<Buckets> {
        &self.buckets
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
