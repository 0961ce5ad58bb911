//! Lets every backend tend its buckets: scanning for what others changed, sweeping what a crash left.

use crate::{
    buckets::{BucketError, Buckets},
    catalog::BucketsQuery,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// A pass is followed by a rest of this many times its length, so that upkeep never takes more than a twentieth.
const REST: u32 = 20;
const PAGE: usize = 1000;

pub(super) async fn run(buckets: Arc<Buckets>, interval: Duration) {
    loop {
        let begun = Instant::now();
        if let Err(error) = pass(&buckets).await {
            tracing::error!(%error, "upkeep failed; it is tried again");
        }
        if interval.is_zero() {
            return;
        }
        tokio::time::sleep(interval.max(begun.elapsed() * REST)).await;
    }
}

/// One round over all buckets. One that fails does not keep the others waiting.
async fn pass(buckets: &Buckets) -> Result<(), BucketError> {
    let mut after = None;
    loop {
        let page = buckets.list(BucketsQuery { after: after.take(), limit: PAGE, ..Default::default() }).await?;
        for record in &page.buckets {
            let name = &record.bucket.name;
            let tended = async {
                let bucket = buckets.get(name).await?;
                Ok::<_, BucketError>(buckets.backend(&record.bucket.backend)?.tend(bucket.record(), bucket.store()).await?)
            };
            match tended.await {
                Ok(()) | Err(BucketError::NoSuchBucket) => {}
                Err(error) => tracing::error!(bucket = %name, %error, "tending a bucket failed; it is tried again"),
            }
        }
        match page.buckets.last() {
            Some(last) if page.truncated => after = Some(last.bucket.name.to_string()),
            _ => return Ok(()),
        }
    }
}
