//! Ends uploads that nobody will complete, and forgets how finished ones ended once no client will ask again.

use crate::{
    buckets::{BucketError, Buckets},
    catalog::{BucketId, BucketsQuery},
    model::{BucketName, Timestamp},
    store::error::StoreErrorKind,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

const INTERVAL: Duration = Duration::from_secs(3600);
/// A Complete may be repeated this long after it succeeded.
const REPLAY: Duration = Duration::from_secs(24 * 3600);
const BATCH: usize = 100;

pub(super) async fn run(buckets: Arc<Buckets>, expiry: Duration) {
    loop {
        if let Err(error) = pass(&buckets, expiry, Timestamp::now()).await {
            tracing::error!(%error, "expiring uploads failed; it is tried again");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
}

async fn pass(buckets: &Buckets, expiry: Duration, now: Timestamp) -> Result<(), BucketError> {
    let catalog = buckets.catalog();
    catalog.forget_completed(before(now, REPLAY)).await?;
    loop {
        let stale = catalog.stale_uploads(before(now, expiry), BATCH).await?;
        let names = if stale.is_empty() { return Ok(()) } else { names(buckets).await? };
        let mut ended = 0;
        for upload in stale {
            let Some(name) = names.get(&upload.bucket) else { continue };
            match buckets.get(name).await?.store().abort_upload(&upload.key, &upload.upload).await {
                Ok(()) => {
                    ended += 1;
                    tracing::info!(bucket = %name, key = %upload.key, upload = %upload.upload, "aborted a stale upload");
                }
                Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => ended += 1,
                Err(error) => tracing::warn!(bucket = %name, key = %upload.key, %error, "a stale upload could not be aborted"),
            }
        }
        // Those that are left cannot be aborted now; the next round tries again.
        if ended == 0 {
            return Ok(());
        }
    }
}

async fn names(buckets: &Buckets) -> Result<HashMap<BucketId, BucketName>, BucketError> {
    let page = buckets.list(BucketsQuery { limit: usize::MAX, ..Default::default() }).await?;
    Ok(page.buckets.into_iter().map(|record| (record.id, record.bucket.name)).collect())
}
