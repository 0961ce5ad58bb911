//! Lets every backend do the upkeep of its buckets: it scans for changes made outside Causeway, and removes
//! remains of a crash or of a deleted bucket.

use super::rounds::{Round, each_bucket, one_bucket};
use crate::{
    buckets::Buckets,
    model::BucketName,
    work::{Ended, Every, Failure, JobKind, Run, Stepped, Worker, kind},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// A pass is followed by a rest of this many times its length, so that upkeep never takes more than a
/// twentieth.
const REST: u32 = 20;

#[derive(Debug)]
pub(super) struct Upkeep {
    buckets: Arc<Buckets>,
    /// `None`: one pass, and no more.
    pace: Option<Every>,
}

impl Upkeep {
    /// An interval of zero: one pass at the start, and no more.
    pub(super) fn new(buckets: Arc<Buckets>, interval: Duration) -> Self {
        Self { buckets, pace: (!interval.is_zero()).then_some(Every { interval, share: REST }) }
    }
}

#[async_trait]
impl Worker for Upkeep {
    fn kind(&self) -> &'static JobKind {
        &kind::UPKEEP
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        self.buckets.sweep();
        each_bucket(&self.buckets, Round::Upkeep, run).await.map_err(|error| {
            tracing::error!(%error, "upkeep failed; it is tried again");
            Failure::of(&error)
        })?;
        Ok(Stepped::Done)
    }

    fn rest(&mut self, ended: &Ended) -> Option<Duration> {
        self.pace.map(|pace| pace.after(ended.took))
    }
}

/// The upkeep of buckets that are new, one after the other.
pub(super) async fn maintain_new(buckets: Arc<Buckets>, names: Vec<BucketName>) {
    for name in names {
        let tended = match buckets.catalog().bucket(&name).await {
            Ok(Some(record)) => one_bucket(&buckets, &record, Round::Upkeep).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = tended {
            tracing::warn!(bucket = %name, %error, "a new bucket could not be tended yet; the next upkeep tries again");
        }
    }
}
