//! A replica that does not hold what the record says: this is noted, and the replica is repaired.
//!
//! Does not own the result for an object that no replica holds any more (`resolve`).

use super::{bucket::Bucket, member::Member, record::Wrong, resolve};
use crate::{model::ObjectKey, store::Result};
use std::sync::Arc;

/// Notes that a replica does not have what the record says.
pub(super) async fn distrust(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    generation: u64,
    member: &Member,
    wrong: Wrong,
) -> Result<()> {
    let guard = bucket.lock(key).await;
    let hold = bucket.hold(key, &guard).await?;
    let committed = hold.row().committed.filter(|record| record.change.generation == generation);
    let Some(record) = committed.filter(|record| record.copies.contains_key(&member.name)) else {
        return Ok(());
    };
    if record.copies.len() == 1 {
        // This was the last replica that had it: all others are asked before the object is given up.
        return resolve::lost(bucket, key, &hold).await;
    }
    tracing::warn!(%key, backend = member.name, "a replica does not have what it had: it is repaired");
    if member.missed() {
        bucket.call_for_look();
    }
    hold.change(|row| {
        if let Some(record) = row.committed_of(generation) {
            record.lost_by(&member.name);
            if wrong == Wrong::Bytes {
                record.corrupt.insert(member.name.clone());
            }
        }
        row.wants_repair = true;
    });
    hold.save().await?;
    bucket.call_for_repair();
    Ok(())
}

/// Does the same in the background for replicas that hold another object, or none: the client that met them
/// does not wait.
pub(super) fn distrust_later(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    generation: u64,
    wrong: Vec<Arc<Member>>,
) {
    if wrong.is_empty() {
        return;
    }
    let (own, key) = (bucket.clone(), key.clone());
    bucket.spawn(async move {
        for member in wrong {
            if let Err(error) = distrust(&own, &key, generation, &member, Wrong::Object).await {
                tracing::warn!(%key, backend = member.name, %error, "a replica that is not as it should be was not noted; a scrub will find it");
            }
        }
    });
}
