//! Asks storage that could not be reached whether it can be reached now. Health must not depend on requests,
//! because they go elsewhere while this server is not ready.

use super::rounds::{PAGE, is_lost};
use crate::{
    buckets::{BucketError, Buckets},
    catalog::{BucketRecord, BucketsQuery},
    model::ObjectKey,
    work::{Ended, Failure, JobKind, Run, Stepped, Worker, kind},
};
use async_trait::async_trait;
use std::{collections::HashSet, sync::Arc, time::Duration};

const INTERVAL: Duration = Duration::from_secs(5);
/// A key that hardly any bucket has, so no index and no cache answers for the storage.
const ASKED: &str = "causeway-probe";

#[derive(Debug)]
pub(super) struct Contact(pub(super) Arc<Buckets>);

#[async_trait]
impl Worker for Contact {
    fn kind(&self) -> &'static JobKind {
        &kind::CONTACT
    }

    fn first_rest(&self) -> Duration {
        INTERVAL
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        round(&self.0, run).await.map_err(|error| {
            tracing::debug!(%error, "storages that cannot be reached were not asked; they are soon");
            Failure::of(&error)
        })?;
        Ok(Stepped::Done)
    }

    fn rest(&mut self, _ended: &Ended) -> Option<Duration> {
        Some(INTERVAL)
    }
}

/// Asks each such backend once, through its first bucket.
async fn round(buckets: &Buckets, run: &Run) -> Result<(), BucketError> {
    if !buckets
        .backends()
        .iter()
        .any(|(_, backend)| backend.traffic().is_some_and(|traffic| traffic.trouble.is_some()))
    {
        return Ok(());
    }
    let (mut after, mut asked) = (None, HashSet::new());
    loop {
        let page =
            buckets.list(BucketsQuery { after: after.take(), limit: PAGE, ..Default::default() }).await?;
        for record in &page.buckets {
            if is_lost(buckets, record) && asked.insert(record.bucket.backend.clone()) {
                ask(buckets, record).await?;
                run.add("asked", 1);
            }
        }
        match page.buckets.last() {
            Some(last) if page.truncated => after = Some(last.bucket.name.to_string()),
            _ => return Ok(()),
        }
    }
}

/// The driver notes the result.
async fn ask(buckets: &Buckets, record: &BucketRecord) -> Result<(), BucketError> {
    let bucket = buckets.get(&record.bucket.name).await?;
    if let Ok(key) = ObjectKey::new(ASKED) {
        let _ = bucket.uncached().head(key.current(), &Default::default()).await;
    }
    Ok(())
}
