//! Scrubbing: all replicas of a bucket are compared with its records, and differences are repaired.
//!
//! Invariants:
//! - the storage itself is compared, not the gateway's index of it: such an index is updated first;
//! - a replica that does not answer is counted, and does not prevent the scrub of the others.

use super::{
    bucket::Bucket,
    locations,
    member::Member,
    queue,
    survey::{self, Depth, Pace, StrayObjects, Surveyed},
};
use crate::{
    backend::{self, Progress},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

pub(super) async fn all(
    bucket: &Arc<Bucket>,
    depth: Depth,
    pace: Pace,
    mut tell: impl FnMut(Surveyed),
) -> Result<Surveyed> {
    locations::look(bucket).await;
    let mut sum = Surveyed::default();
    let mut last = None;
    let members = bucket.members();
    for member in members.iter() {
        let before = sum;
        let seen = one(bucket, member, depth, pace, |seen| {
            let mut so_far = before;
            so_far += seen;
            tell(so_far);
        });
        match seen.await {
            Ok(seen) => sum += seen,
            Err(error) => {
                tracing::warn!(bucket = %bucket.record.bucket.name, backend = member.name, %error, "a replica could not be scrubbed");
                sum.unreachable += 1;
                last = Some(error);
            }
        }
        tell(sum);
    }
    if let Some(error) = last.filter(|_| sum.unreachable == members.len() as u64) {
        return Err(error);
    }
    // An object found in one replica may be missing in others that were scanned before.
    let drained = queue::drain(bucket, |_| ()).await?;
    sum.copied += drained.copied;
    sum.failed += drained.left;
    Ok(sum)
}

/// Scrubs one replica. Unknown objects in it are left alone, unless it was never scanned.
pub(super) async fn one(
    bucket: &Arc<Bucket>,
    member: &Arc<Member>,
    depth: Depth,
    pace: Pace,
    tell: impl FnMut(Surveyed),
) -> Result<Surveyed> {
    if let Some((_, why)) = member.health.down() {
        return Err(StoreError::new(StoreErrorKind::Unavailable, format!("the replica is out: {why}")));
    }
    if member.is_seeded() {
        let walked =
            member.opened().await?.upkeep.scan(backend::Depth::Everything, &Progress::default()).await;
        member.judge(&walked);
        walked?;
    }
    survey::survey(bucket, member, depth, StrayObjects::LeftAlone, pace, tell).await
}
