//! Brings the replicas of one key up to date with its record.
//!
//! Invariants:
//! - a replica gets the state that is current when the write is released, or nothing: no newer change has
//!   begun by then;
//! - copied bytes are verified against the record's digests on the way, so that corrupt bytes in one replica
//!   do not spread to another;
//! - a replica that already has the object is not sent it again.

use super::{
    broadcast::Broadcast,
    bucket::{Bucket, Writer, interrupted},
    distrust::distrust,
    large,
    member::{Member, nothing},
    publish::{Go, Step},
    record::{Copy, Known, Record, Wrong},
    repair_steps::{bytes, confirm, turn},
    write,
};
use crate::{
    model::{ObjectKey, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        payload::PayloadError,
        record::ObjectRecord,
    },
};
use std::sync::Arc;

/// Objects above this size are copied in parts.
pub(super) const LARGE: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Repaired {
    pub(super) copied: u64,
    pub(super) removed: u64,
    /// Replicas that turned out to have the object already.
    pub(super) found: u64,
    /// Replicas that still lack the object.
    pub(super) left: u64,
}

pub(super) async fn key(bucket: &Arc<Bucket>, key: &ObjectKey) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    let Some(record) = bucket.see(key).await?.committed else { return Ok(repaired) };
    let mut last = None;
    for member in bucket.members().iter().filter(|member| !record.is_at(&member.name)) {
        let outcome = if member.health.is_up() { one(bucket, key, member).await } else { Ok(Done::Later) };
        match outcome {
            Ok(Done::Copied) => repaired.copied += 1,
            Ok(Done::Removed) => repaired.removed += 1,
            Ok(Done::Found) => repaired.found += 1,
            Ok(Done::Overtaken) => {}
            Ok(Done::Later) => {
                repaired.left += 1;
                // The repair is not tried, so the noted failure stays the last one.
                member.troubles.keep(key);
                continue;
            }
            Err(error) => {
                repaired.left += 1;
                failed(bucket, key, member, &error);
                last = Some(error);
                continue;
            }
        }
        member.troubles.forget(key);
    }
    if repaired == Repaired::default() {
        // No replica lacks the object any more; only the row does not say so yet.
        let guard = bucket.lock(key).await;
        let hold = bucket.hold(key, &guard).await?;
        let before = hold.row();
        hold.change(|row| bucket.settle(row));
        if hold.row() != before {
            hold.save().await?;
        }
    }
    match last {
        Some(error) if repaired.copied + repaired.removed + repaired.found == 0 => Err(error),
        _ => Ok(repaired),
    }
}

/// Logs a cause for the first key that has it.
fn failed(bucket: &Bucket, key: &ObjectKey, member: &Member, error: &StoreError) {
    match member.troubles.note(key, error) {
        Some(why) => {
            let name = &bucket.record.bucket.name;
            tracing::warn!(bucket = %name, backend = member.name, why, example = %key, "objects are not brought to a replica; it is tried again");
        }
        None => {
            tracing::debug!(%key, backend = member.name, %error, "a replica was not repaired; it is tried again")
        }
    }
}

enum Done {
    Copied,
    Removed,
    Found,
    /// The key has changed: the new state is repaired by itself.
    Overtaken,
    Later,
}

async fn one(bucket: &Arc<Bucket>, key: &ObjectKey, member: &Arc<Member>) -> Result<Done> {
    // The queue, a fill and a scrub may reach the same key at once, and would all copy it.
    let _repairing = bucket.repairing.lock(&(member.number, key.clone())).await;
    // A change that is on its way to the replica may already do what is needed here.
    bucket.lanes.join(member.number, key).come().await;
    let row = bucket.see(key).await?;
    let was_left = row.was_left;
    let Some(record) = row.committed.filter(|record| !record.is_at(&member.name)) else {
        return Ok(Done::Overtaken);
    };
    let generation = record.change.generation;
    let outcome = match record.object() {
        // The replica has nothing now, but a late request may still arrive.
        None if was_left && bucket.is_early() => return Ok(Done::Later),
        None => match turn(bucket, key, member, generation, None).await? {
            None => return Ok(Done::Overtaken),
            Some(mut turn) => {
                turn.come().await;
                write::remove(member, key, Known::Unknown, None).await.map(|copy| (copy, Done::Removed))
            }
        },
        Some(object) => match look(member, key, &record, object).await {
            Ok(Held::It(copy)) => Ok((copy, Done::Found)),
            Ok(Held::Else(_)) if object.size > LARGE => {
                return large::copy(bucket, key, member, &record).await.map(done);
            }
            Ok(Held::Else(known)) => match copy(bucket, key, member, &record, known).await {
                Ok(None) => return Ok(Done::Overtaken),
                Ok(Some(copy)) => Ok((copy, Done::Copied)),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
    };
    member.judge(&outcome);
    let (copy, done) = outcome?;
    confirm(bucket, key, generation, member, copy).await?;
    Ok(done)
}

fn done(copied: bool) -> Done {
    if copied { Done::Copied } else { Done::Overtaken }
}

/// What a replica that should have an object really has.
enum Held {
    /// The right object: only the success of the write was not reported.
    It(Copy),
    Else(Known),
}

async fn look(member: &Member, key: &ObjectKey, record: &Record, object: &ObjectRecord) -> Result<Held> {
    let Some(info) = member.look(key).await? else { return Ok(Held::Else(Known::Absent)) };
    // The replica had the object, and its copy was unconfirmed since then.
    if let Some(copy) = record.copies.get(&member.name)
        && copy.etag.as_ref() == Some(&info.etag)
        && info.size == object.size
    {
        return Ok(Held::It(copy.clone()));
    }
    let may_be_it =
        !record.corrupt.contains(&member.name) && info.size == object.size && info.etag == object.etag;
    if !may_be_it || !info.etag.tells_bytes() {
        return Ok(Held::Else(Known::Held(info.etag)));
    }
    let described = member.describe(key).await?;
    let same = described
        .is_some_and(|found| found.etag == info.etag && found.attributes == member.keeps(&object.attributes));
    Ok(if same { Held::It(Copy { etag: Some(info.etag) }) } else { Held::Else(Known::Held(info.etag)) })
}

/// Copies the object over what the replica is known to hold. `None` means that the key has changed by now.
async fn copy(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    member: &Arc<Member>,
    record: &Arc<Record>,
    known: Known,
) -> Result<Option<Copy>> {
    let object = record.object().ok_or_else(nothing)?;
    let (source, payload) = bytes(bucket, key, record, Span::whole(object.size)).await?;
    let Some(slot) = member.slot() else { return Err(StoreErrorKind::Busy.into()) };
    let broadcast = Broadcast::new(
        &payload,
        [member.pace.clone()].into_iter(),
        object.checksum.as_ref().map(|sum| sum.algorithm()),
    );
    let leg = broadcast.legs[0].clone();
    let writer: Writer = (member.clone(), slot);
    let Step { go, outcome, .. } = write::put_step(
        &bucket.lanes,
        writer,
        known.clone(),
        key,
        &object.attributes,
        &leg,
        broadcast.payload(&leg),
    );
    let ended = match broadcast.send(payload, 1).await {
        Ok(ended) => ended,
        Err(error) => {
            suspect(bucket, key, record, &source, &error).await;
            drop(go);
            // The member's own error explains better why it took no more.
            return match outcome.await {
                Ok(Err(own)) if own.payload().is_none() && own.kind() != StoreErrorKind::Payload => Err(own),
                _ => Err(StoreError::new(StoreErrorKind::Unavailable, "copying from another replica failed")
                    .with_source(error)),
            };
        }
    };
    let Some(turn) = turn(bucket, key, member, record.change.generation, Some(&leg)).await? else {
        return Ok(None);
    };
    let _ = go.send(Go { turn, known, ended: Some(ended) });
    outcome.await.unwrap_or_else(|error| Err(interrupted(error))).map(Some)
}

/// Handles a replica that returns other bytes than were written: it has lost the object, whatever its ETag
/// is.
async fn suspect(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    record: &Record,
    source: &Member,
    error: &StoreError,
) {
    let corrupt =
        matches!(error.payload(), Some(PayloadError::Md5Mismatch { .. } | PayloadError::ChecksumMismatch(_)));
    if corrupt && record.copies.len() > 1 {
        tracing::error!(%key, backend = source.name, "a replica has other bytes than were written");
        if let Err(error) = distrust(bucket, key, record.change.generation, source, Wrong::Bytes).await {
            tracing::warn!(%key, backend = source.name, %error, "a replica with other bytes was not noted");
        }
    }
}
