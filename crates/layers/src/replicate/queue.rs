//! The queue of repairs: the rows in the catalog that say that a replica has to catch up, or that a change is
//! pending.
//!
//! Does not own when the queue is processed (`worker`), nor the repair of one key (`repair`).

use super::{
    bucket::Bucket,
    repair::{self, Repaired},
};
use crate::{catalog::WhichObjects, store::Result};
use futures_util::{StreamExt, stream};
use std::sync::Arc;

const PAGE: usize = 256;
/// How many keys are repaired at once.
const AT_ONCE: usize = 8;

/// Repairs all keys in the queue once.
pub(super) async fn drain(bucket: &Arc<Bucket>, mut tell: impl FnMut(Repaired)) -> Result<Repaired> {
    let mut sum = Repaired::default();
    let mut after = None;
    let rounds: Vec<_> = bucket
        .members()
        .iter()
        .map(|member| (member.troubles.clone(), member.troubles.begin_round()))
        .collect();
    loop {
        let page =
            bucket.catalog.objects(bucket.record.id, after.take(), PAGE, WhichObjects::Unsettled).await?;
        let last = page.last().map(|row| row.key.clone());
        let is_last = page.len() < PAGE;
        let repairs = page.into_iter().map(|row| async move { repair::key(bucket, &row.key).await });
        let mut repairs = stream::iter(repairs).buffer_unordered(AT_ONCE);
        while let Some(repaired) = repairs.next().await {
            let Repaired { copied, removed, found, left } =
                repaired.unwrap_or(Repaired { left: 1, ..Default::default() });
            sum = Repaired {
                copied: sum.copied + copied,
                removed: sum.removed + removed,
                found: sum.found + found,
                left: sum.left + left,
            };
            tell(sum);
        }
        match last {
            Some(key) if !is_last => after = Some(key),
            _ => break,
        }
    }
    rounds.into_iter().for_each(|(troubles, round)| troubles.end_round(round));
    if sum.copied + sum.removed > 0 {
        let Repaired { copied, removed, left, .. } = sum;
        tracing::info!(bucket = %bucket.record.bucket.name, copied, removed, left, "replicas were repaired");
    }
    Ok(sum)
}
