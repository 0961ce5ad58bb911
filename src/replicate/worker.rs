//! Drains the queue of repairs of a bucket: when something was left behind, when a backend comes back, and now and then.
//!
//! The queue is the catalog's: rows that say that a replica has to catch up, or that a change was begun.

use super::{
    bucket::Bucket,
    repair::{self, Repaired},
    survey::{self, Depth, Strangers},
};
use crate::{catalog::WhichObjects, store::Result};
use futures_util::{StreamExt, stream};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::sleep;

const PAGE: usize = 256;
/// Keys at once.
const AT_ONCE: usize = 8;
/// Between two looks at what could not be repaired: at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Until the bucket is no more, or is told to stop.
pub(super) async fn run(bucket: Weak<Bucket>) {
    let Some(own) = bucket.upgrade() else { return };
    let (stop, wake, mut recovered) = (own.stop.clone(), own.wake.clone(), own.recovered.clone());
    drop(own);
    let mut rest = RESTS.0;
    loop {
        let Some(own) = bucket.upgrade() else { return };
        let is_done = tokio::select! {
            biased;
            is_done = round(&own) => is_done,
            () = stop.cancelled() => return,
        };
        // What is left grows old: it is looked at less often, unless something happens.
        drop(own);
        rest = if is_done { RESTS.1 } else { (rest * 2).min(RESTS.1) };
        tokio::select! {
            biased;
            () = wake.notified() => rest = rest.min(RESTS.0 * 4),
            changed = recovered.changed() => match changed {
                Ok(()) => rest = RESTS.0,
                Err(_) => return,
            },
            () = sleep(rest) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Looks through replicas that were not, and drains the queue. Whether nothing is left.
async fn round(bucket: &Arc<Bucket>) -> bool {
    let name = &bucket.record.bucket.name;
    let mut is_done = true;
    for member in bucket.members().iter().filter(|member| !member.is_seeded() && member.health.is_up()) {
        match survey::survey(bucket, member, Depth::Listing, Strangers::Adopted, |_| ()).await {
            Ok(seen) => is_done &= seen.failed == 0,
            Err(error) => {
                is_done = false;
                tracing::warn!(bucket = %name, backend = member.name, %error, "a replica could not be looked through; it is tried again");
            }
        }
    }
    match drain(bucket, |_| ()).await {
        Ok(drained) => is_done && drained.left == 0,
        Err(error) => {
            tracing::warn!(bucket = %name, %error, "repairing failed; it is tried again");
            false
        }
    }
}

/// One round over the queue.
pub(super) async fn drain(bucket: &Arc<Bucket>, mut tell: impl FnMut(Repaired)) -> Result<Repaired> {
    let mut sum = Repaired::default();
    let mut after = None;
    loop {
        let page = bucket.catalog.objects(bucket.record.id, after.take(), PAGE, WhichObjects::Unsettled).await?;
        let last = page.last().map(|row| row.key.clone());
        let is_last = page.len() < PAGE;
        let repairs = page.into_iter().map(|row| async move { repair::key(bucket, &row.key).await });
        let mut repairs = stream::iter(repairs).buffer_unordered(AT_ONCE);
        while let Some(repaired) = repairs.next().await {
            let Repaired { copied, removed, found, left } = repaired.unwrap_or(Repaired { left: 1, ..Default::default() });
            sum = Repaired { copied: sum.copied + copied, removed: sum.removed + removed, found: sum.found + found, left: sum.left + left };
            tell(sum);
        }
        match last {
            Some(key) if !is_last => after = Some(key),
            _ => break,
        }
    }
    if sum.copied + sum.removed > 0 {
        let Repaired { copied, removed, left, .. } = sum;
        tracing::info!(bucket = %bucket.record.bucket.name, copied, removed, left, "replicas were repaired");
    }
    Ok(sum)
}
