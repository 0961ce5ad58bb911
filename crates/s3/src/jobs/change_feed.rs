//! Reads the change feed of storage that has one: changes made outside Causeway are listed much sooner than a
//! scan would find them.

use super::rounds::{Round, each_bucket};
use crate::{
    buckets::Buckets,
    work::{Ended, Every, Failure, JobKind, Run, Stepped, Worker, kind},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// One request of a bucket.
const INTERVAL: Duration = Duration::from_secs(30);
/// Not more than a twentieth of the time.
const REST: u32 = 20;

#[derive(Debug)]
pub(super) struct ChangeFeed {
    buckets: Arc<Buckets>,
    pace: Every,
}

impl ChangeFeed {
    pub(super) fn new(buckets: Arc<Buckets>, scan_interval: Duration) -> Self {
        Self { buckets, pace: Every { interval: INTERVAL.min(scan_interval), share: REST } }
    }
}

#[async_trait]
impl Worker for ChangeFeed {
    fn kind(&self) -> &'static JobKind {
        &kind::CHANGE_FEED
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        each_bucket(&self.buckets, Round::ChangeFeed, run).await.map_err(|error| {
            tracing::error!(%error, "following what others change failed; it is tried again");
            Failure::of(&error)
        })?;
        Ok(Stepped::Done)
    }

    fn rest(&mut self, ended: &Ended) -> Option<Duration> {
        Some(self.pace.after(ended.took))
    }
}
