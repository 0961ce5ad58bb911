//! What the handlers of operations share: the buckets, the settings that S3 shows, and the copies in
//! progress.
//!
//! Owns nothing of a request: `dispatch` does.

use super::{crossing::Crossings, region::Settings};
use crate::{buckets::Buckets, catalog::BucketId, model::ObjectKey};
use std::sync::Arc;

/// S3, over the buckets there are.
#[derive(Debug)]
pub struct Service {
    buckets: Arc<Buckets>,
    settings: Settings,
    copies: Arc<Crossings<(BucketId, ObjectKey)>>,
}

impl Service {
    pub fn new(buckets: Arc<Buckets>, settings: Settings) -> Self {
        Self { buckets, settings, copies: Arc::default() }
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
