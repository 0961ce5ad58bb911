//! Lets every backend tend its buckets: scanning for what others changed, sweeping what a crash or a deleted bucket left.

use super::{Round, each_bucket};
use crate::buckets::Buckets;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// A pass is followed by a rest of this many times its length, so that upkeep never takes more than a twentieth.
const REST: u32 = 20;

pub(super) async fn run(buckets: Arc<Buckets>, interval: Duration) {
    loop {
        let begun = Instant::now();
        buckets.sweep();
        if let Err(error) = each_bucket(&buckets, Round::Tend).await {
            tracing::error!(%error, "upkeep failed; it is tried again");
        }
        if interval.is_zero() {
            return;
        }
        tokio::time::sleep(interval.max(begun.elapsed() * REST)).await;
    }
}
