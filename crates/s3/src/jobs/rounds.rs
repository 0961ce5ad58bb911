//! What the jobs that go over all buckets share.

use crate::{
    buckets::{BucketError, Buckets},
    catalog::{BucketRecord, BucketsQuery},
    model::Timestamp,
    store::error::{StoreError, StoreErrorKind},
    work::{Failure, JobKind, Run, kind},
};

pub(super) const PAGE: usize = 1000;

/// The work that is done for every bucket in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    Upkeep,
    ChangeFeed,
}

impl Round {
    fn kind(self) -> &'static JobKind {
        match self {
            Self::Upkeep => &kind::UPKEEP,
            Self::ChangeFeed => &kind::CHANGE_FEED,
        }
    }
}

/// One round over all buckets. One that fails does not keep the others waiting.
pub(super) async fn each_bucket(buckets: &Buckets, round: Round, run: &Run) -> Result<(), BucketError> {
    let (mut after, began) = (None, Timestamp::now());
    loop {
        let page =
            buckets.list(BucketsQuery { after: after.take(), limit: PAGE, ..Default::default() }).await?;
        for record in &page.buckets {
            match one_bucket(buckets, record, round).await {
                Ok(()) => {}
                Err(error) => {
                    run.add("failed", 1);
                    log(buckets, record, round, &error);
                }
            }
            run.add("buckets", 1);
        }
        match page.buckets.last() {
            Some(last) if page.truncated => after = Some(last.bucket.name.to_string()),
            _ => break,
        }
    }
    buckets.workers().went_over_all(round.kind(), began);
    Ok(())
}

fn log(buckets: &Buckets, record: &BucketRecord, round: Round, error: &BucketError) {
    let name = &record.bucket.name;
    match error {
        // The log said so once, when the entry was met.
        BucketError::Store(error) if error.kind() == StoreErrorKind::AccessDenied => {
            tracing::debug!(bucket = %name, ?round, %error, "a bucket cannot be entered");
        }
        // So was this, when the storage was tried.
        error if is_lost(buckets, record) => {
            tracing::debug!(bucket = %name, ?round, %error, "upkeep of a bucket failed; it is tried again");
        }
        error => {
            tracing::error!(bucket = %name, ?round, %error, "upkeep of a bucket failed; it is tried again")
        }
    }
}

/// Whether the storage of a bucket cannot be reached at all.
pub(super) fn is_lost(buckets: &Buckets, record: &BucketRecord) -> bool {
    let backend = buckets.backend(&record.bucket.backend).ok();
    backend.and_then(|backend| backend.traffic()).is_some_and(|traffic| traffic.trouble.is_some())
}

/// The share of one bucket in a round. It is skipped while another process or task works on it.
pub(super) async fn one_bucket(
    buckets: &Buckets,
    record: &BucketRecord,
    round: Round,
) -> Result<(), BucketError> {
    let has_feed = || buckets.backend(&record.bucket.backend).map_or(true, |backend| backend.tells_changes());
    if round == Round::ChangeFeed && !has_feed() {
        return Ok(());
    }
    let part =
        buckets.workers().part(round.kind(), record.id, &record.bucket.name).await.map_err(|failure| {
            BucketError::Store(
                StoreError::new(StoreErrorKind::Unavailable, "taking the turn of a job failed")
                    .with_source(failure),
            )
        })?;
    let Some(part) = part else { return Ok(()) };
    let done = tokio::select! {
        biased;
        () = part.lost() => return Ok(()),
        done = work(buckets, record, round) => done,
    };
    part.end(done.as_ref().err().map(|error| Failure::of(error)));
    done
}

/// A bucket that was deleted meanwhile needs nothing any more.
async fn work(buckets: &Buckets, record: &BucketRecord, round: Round) -> Result<(), BucketError> {
    let bucket = match buckets.get(&record.bucket.name).await {
        Err(BucketError::NoSuchBucket) => return Ok(()),
        bucket => bucket?,
    };
    match round {
        Round::Upkeep => bucket.upkeep().maintain().await?,
        Round::ChangeFeed => bucket.upkeep().read_changes().await?,
    }
    Ok(())
}
