//! The parts of every repair of a replica: its turn, the bytes from other replicas, and the record of what
//! the replica then has.

use super::{
    broadcast::Leg,
    bucket::Bucket,
    lanes::Turn,
    member::{Member, nothing},
    opening::open,
    record::{Copy, Record},
    relay::{Relay, Wanted},
};
use crate::{
    model::{ObjectKey, Span},
    store::{
        Result,
        payload::{Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use std::sync::Arc;

/// Takes a turn behind all earlier changes, if the record to be copied is still current.
pub(super) async fn turn(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    member: &Member,
    generation: u64,
    own: Option<&Arc<Leg>>,
) -> Result<Option<Turn>> {
    let guard = bucket.lock(key).await;
    let hold = bucket.hold(key, &guard).await?;
    let committed = hold
        .row()
        .committed
        .is_some_and(|record| record.change.generation == generation && !record.is_at(&member.name));
    Ok(committed.then(|| bucket.lanes.change(member.number, key, own)))
}

/// Records what a replica has now, if the record is still current.
pub(super) async fn confirm(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    generation: u64,
    member: &Member,
    copy: Copy,
) -> Result<()> {
    let guard = bucket.lock(key).await;
    let hold = bucket.hold(key, &guard).await?;
    let changed = hold.change(|row| {
        let Some(record) = row.committed_of(generation) else { return false };
        record.made_by(member.name.clone(), copy);
        bucket.settle(row);
        true
    });
    if changed { hold.save().await } else { Ok(()) }
}

/// Returns the bytes of a span, from the replicas that have them. If one fails, another replica continues.
pub(super) async fn bytes(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    record: &Arc<Record>,
    span: Span,
) -> Result<(Arc<Member>, Payload)> {
    let object = record.object().ok_or_else(nothing)?;
    let announced = object.announced(span);
    if span.is_empty() {
        let member = bucket.members().first().cloned().ok_or_else(nothing)?;
        return Ok((member, Payload::from_stream(futures_util::stream::empty(), announced)));
    }
    let opened = open(bucket, key, record, span, &[]).await?;
    let source = opened.member.clone();
    let body = Relay::begin(
        bucket.clone(),
        key.clone(),
        record.clone(),
        Wanted { span, member: opened.member, body: opened.body },
    );
    let frames = body.into_stream().map(|frame| {
        frame.map_err(|error| {
            tracing::debug!(%error, "reading a replica for repair failed");
            PayloadError::Source
        })
    });
    Ok((source, Payload::from_stream(frames, announced)))
}
