//! Learns what others change from storage that tells it, much sooner than a walk would.

use super::{Round, each_bucket};
use crate::buckets::Buckets;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// One request of a bucket.
const INTERVAL: Duration = Duration::from_secs(30);
/// Not more than a twentieth of the time.
const REST: u32 = 20;

pub(super) async fn run(buckets: Arc<Buckets>, scan_interval: Duration) {
    if scan_interval.is_zero() {
        return;
    }
    loop {
        let begun = Instant::now();
        if let Err(error) = each_bucket(&buckets, Round::Follow).await {
            tracing::error!(%error, "following what others change failed; it is tried again");
        }
        tokio::time::sleep(INTERVAL.min(scan_interval).max(begun.elapsed() * REST)).await;
    }
}
