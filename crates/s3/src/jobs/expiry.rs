//! Ends uploads that will not be completed, and forgets how finished ones ended once no client will ask
//! again.

use crate::{
    buckets::{BucketError, Buckets},
    catalog::{BucketId, BucketsQuery},
    model::{BucketName, Timestamp},
    store::error::StoreErrorKind,
    work::{Ended, Failure, JobKind, Run, Stepped, Worker, kind},
};
use async_trait::async_trait;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The shortest and the longest time between two passes: an upload ends by so much later than its expiry says.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// A Complete may be repeated this long after it succeeded.
const REPLAY: Duration = Duration::from_secs(24 * 3600);
const BATCH: usize = 100;

#[derive(Debug)]
pub(super) struct Expiry {
    pub(super) buckets: Arc<Buckets>,
    /// Uploads begun longer ago are aborted.
    pub(super) expiry: Duration,
}

#[async_trait]
impl Worker for Expiry {
    fn kind(&self) -> &'static JobKind {
        &kind::UPLOAD_EXPIRY
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        pass(&self.buckets, self.expiry, Timestamp::now(), run).await.map_err(|error| {
            tracing::error!(%error, "expiring uploads failed; it is tried again");
            Failure::of(&error)
        })
    }

    fn rest(&mut self, _ended: &Ended) -> Option<Duration> {
        Some(self.expiry.clamp(INTERVALS.0, INTERVALS.1))
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
}

/// One pass. Uploads that cannot be aborted now are left to the next one.
async fn pass(
    buckets: &Buckets,
    expiry: Duration,
    now: Timestamp,
    run: &Run,
) -> Result<Stepped, BucketError> {
    let catalog = buckets.catalog();
    catalog.forget_completed(before(now, REPLAY)).await?;
    let mut known = None;
    loop {
        let stale = catalog.stale_uploads(before(now, expiry), BATCH).await?;
        if stale.is_empty() {
            return Ok(Stepped::Done);
        }
        let names = match &mut known {
            Some(names) => names,
            none => none.insert(names(buckets).await?),
        };
        let (mut ended, mut failed) = (0, 0);
        for upload in stale {
            let Some(name) = names.get(&upload.bucket) else { continue };
            match buckets.get(name).await?.store().abort_upload(&upload.key, &upload.upload).await {
                Ok(()) => {
                    ended += 1;
                    run.add("aborted", 1);
                    tracing::info!(bucket = %name, key = %upload.key, upload = %upload.upload, "aborted a stale upload");
                }
                Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => ended += 1,
                Err(error) => {
                    failed += 1;
                    tracing::warn!(bucket = %name, key = %upload.key, %error, "a stale upload could not be aborted");
                }
            }
        }
        run.set("failed", failed);
        // The remaining uploads cannot be aborted now; the next round tries again.
        if ended == 0 {
            return Ok(Stepped::Left);
        }
    }
}

async fn names(buckets: &Buckets) -> Result<HashMap<BucketId, BucketName>, BucketError> {
    let page = buckets.list(BucketsQuery { limit: usize::MAX, ..Default::default() }).await?;
    Ok(page.buckets.into_iter().map(|record| (record.id, record.bucket.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::sqlite::SqliteCatalog, store::Durability, work::TurnOutcome};

    #[test]
    fn passes_are_as_frequent_as_the_expiry_asks_within_bounds() {
        let directory = tempfile::tempdir().expect("a directory");
        let catalog = SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("a catalog");
        let buckets = Arc::new(Buckets::new(Arc::new(catalog), HashMap::new(), None));
        let ended = Ended { outcome: TurnOutcome::Done, took: Duration::ZERO };
        for (expiry, rest) in [(0, 1), (60, 60), (3600, 3600), (7 * 24 * 3600, 3600)] {
            let mut job = Expiry { buckets: buckets.clone(), expiry: Duration::from_secs(expiry) };
            assert_eq!(job.rest(&ended), Some(Duration::from_secs(rest)), "{expiry}");
        }
    }
}
