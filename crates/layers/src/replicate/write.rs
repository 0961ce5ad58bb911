//! PUT, DELETE and changes of tags and ACLs, on every replica.

use super::{
    bodies::Sight,
    broadcast::{Broadcast, Leg, SMALL},
    bucket::{Bucket, Writer},
    lanes::{Lanes, Turn},
    member::{Guarded, Member, in_time, nothing},
    publish::{self, Body, Bound, ChangeOutcome, Go, Plan, Step, given_up},
    record::{Copy, Known, Row},
    together::Together,
    untaken::{self, is_surprise},
};
use crate::{
    model::{Attributes, ObjectKey, UploadId},
    store::{
        Change, CompletePart, CompleteUpload, Deleted, Keeping, PutRequest, Removal, Result, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        payload::{Payload, PayloadError},
        record::ObjectRecord,
    },
};
use futures_util::future::BoxFuture;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// How often a change is tried again when a replica turns out to hold another state.
const TRIES: usize = 3;

pub(super) async fn put(bucket: &Arc<Bucket>, key: &ObjectKey, request: PutRequest) -> Result<Written> {
    let PutRequest { attributes, conditions, payload } = request;
    let is_short = payload.length().is_some_and(|length| length <= SMALL);
    // The body is registered before anything about the key is read.
    let underway = (!is_short).then(|| bucket.bodies.begin(key));
    let writers = bucket.writers()?;
    let broadcast = Broadcast::new(&payload, writers.iter().map(|(member, _)| member.pace.clone()), None);
    // A short body is sent once the state that it replaces is known. The end of a long body is, too, but not
    // every storage accepts conditions then.
    let checks_early = |writer: &Writer| !writer.0.capabilities().late_conditions;
    let before =
        if is_short || !writers.iter().any(checks_early) { None } else { bucket.glance(key).await? };
    let step = |(writer, leg): (Writer, &Arc<Leg>)| {
        let known = before.as_ref().map_or(Known::Unknown, |row| writer.0.known(row.committed.as_deref()));
        put_step(&bucket.lanes, writer, known, key, &attributes, leg, broadcast.payload(leg))
    };
    let legs = broadcast.legs.clone();
    let steps = writers.into_iter().zip(&legs).map(step).collect();
    let ended = match broadcast.send(payload, bucket.needed()).await {
        // Too few replicas took the body.
        Err(error) if error.kind() == StoreErrorKind::Unavailable => {
            return Err(untaken::reason(bucket, key, &conditions, (steps, before)).await);
        }
        ended => ended?,
    };
    let verified = &ended.verified;
    let object = ObjectRecord::of_body(verified, attributes);
    let overwritten = object.written();
    let make = Box::new(move |_: &Row| Ok(ChangeOutcome::Becomes(Some(Box::new(object)))));
    let body = Some(Body { ended, underway });
    let record =
        publish::publish(bucket, key, Plan { conditions, sight: Sight::Blind, make, steps, body }).await?;
    Ok(record.as_ref().and_then(|record| record.object()).map_or(overwritten, ObjectRecord::written))
}

/// Creates the step of a PUT. A body replaces only the state that it expects: a body that arrives late, after
/// others, finds another state and does nothing. A short body waits until its turn has come. A long body is
/// sent before that; it has no effect without its end, which waits for the turn. The expected state is sent
/// with the end. Storage that needs it earlier gets what is `known` when the body begins.
pub(super) fn put_step(
    lanes: &Lanes,
    (member, slot): Writer,
    known: Known,
    key: &ObjectKey,
    attributes: &Attributes,
    leg: &Arc<Leg>,
    payload: Payload,
) -> Step {
    let (own, key, attributes, leg) = (member.clone(), key.clone(), member.keeps(attributes), leg.clone());
    let checks_late = member.capabilities().late_conditions;
    let is_bound = !checks_late && member.may_check_puts();
    let lanes = is_bound.then(|| lanes.clone());
    let bound = is_bound.then(|| Bound { known: known.clone(), leg: leg.clone() });
    Step::new(member, bound, move |mut going| {
        Box::pin(async move {
            let _slot = slot;
            tokio::select! {
                // A long body may have ended before this is first polled, but part of it was already sent.
                biased;
                _ = leg.begun() => {
                    let early = lanes.map(|lanes| lanes.before_turn(own.number, &key, &leg));
                    let length = payload.length();
                    let put = async {
                        if let Some(early) = &early
                            && !early.may_begin().await
                        {
                            return Err(given_up());
                        }
                        let conditions = if checks_late { WriteConditions::default() } else { expect(&own, &key, known).await? };
                        let sent = send(&own, &key, PutRequest { attributes, conditions, payload }).await;
                        // The replica gets the object by repair. From now on it is sent no conditions.
                        sent.inspect_err(|error| if error.kind() == StoreErrorKind::NotImplemented { own.checks_not(Guarded::Put) })
                    };
                    let passing = pass(going, &own, &key, &leg);
                    tokio::pin!(put, passing);
                    // A client may take as long as it likes: the time limit for the storage starts when it
                    // has the whole body.
                    let (early, passed) = tokio::select! {
                        biased;
                        passed = &mut passing => (None, passed),
                        early = &mut put => (Some(early), passing.await),
                    };
                    let put = match early {
                        Some(early) => early,
                        None => in_time(length, put).await,
                    };
                    match (put, passed) {
                        // The storage's own error explains better why it took no more.
                        (Err(error), _) if error.kind() != StoreErrorKind::Payload => Err(error),
                        (_, Err(error)) => Err(error),
                        (copy, Ok(_turn)) => copy,
                    }
                }
                go = &mut going => {
                    let Ok(Go { mut turn, known, ended: Some(ended) }) = go else { return Err(given_up()) };
                    turn.come().await;
                    over(&own, &key, Guarded::Put, known, |_, conditions| {
                        let request = PutRequest { attributes: attributes.clone(), conditions, payload: ended.payload() };
                        let (own, key) = (own.clone(), key.clone());
                        Box::pin(async move { in_time(request.payload.length(), send(&own, &key, request)).await })
                    })
                    .await
                }
            }
        })
    })
}

/// Changes what a replica holds, based on what it is known to hold. If the replica turns out to hold
/// something else, the change is made over that: the other state arrived late or was made outside the
/// gateway, and is older than the new one.
pub(super) async fn over(
    member: &Member,
    key: &ObjectKey,
    guarded: Guarded,
    known: Known,
    mut change: impl FnMut(Known, WriteConditions) -> BoxFuture<'static, Result<Copy>> + Send,
) -> Result<Copy> {
    let mut known = member.find(key, known).await?;
    for tries in 1.. {
        let conditions = member.guard(guarded, &known).await?;
        let is_guarded = !conditions.is_empty();
        match change(known.clone(), conditions).await {
            Err(error) if is_guarded && error.kind() == StoreErrorKind::NotImplemented => {
                member.checks_not(guarded)
            }
            Err(error) if is_surprise(&error) && tries < TRIES => {
                known = member.find(key, Known::Unknown).await?
            }
            done => return done,
        }
    }
    Err(nothing())
}

/// Returns conditions under which a PUT finds the state that it expects.
async fn expect(member: &Member, key: &ObjectKey, known: Known) -> Result<WriteConditions> {
    let known = member.find(key, known).await?;
    member.guard(Guarded::Put, &known).await
}

/// Releases the end of a body in progress when its turn has come, over the state that is current then.
async fn pass(going: oneshot::Receiver<Go>, member: &Member, key: &ObjectKey, leg: &Leg) -> Result<Turn> {
    let Ok(Go { mut turn, known, ended: Some(ended) }) = going.await else {
        leg.fail(PayloadError::Disconnected);
        return Err(given_up());
    };
    turn.come().await;
    let conditions = if member.capabilities().late_conditions {
        match expect(member, key, known).await {
            Ok(conditions) => Some(conditions),
            Err(error) => {
                leg.fail(PayloadError::Source);
                return Err(error);
            }
        }
    } else {
        None
    };
    leg.release(&ended, conditions);
    Ok(turn)
}

async fn send(member: &Member, key: &ObjectKey, request: PutRequest) -> Result<Copy> {
    let written = member.store().await?.put(key, request).await?;
    Ok(Copy { etag: Some(written.etag) })
}

pub(super) async fn delete(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: &WriteConditions,
    together: Option<&Arc<Together>>,
) -> Result<Deleted> {
    let step = |writer| {
        let together = together.cloned();
        Step::act(writer, key.clone(), |member, key, known| async move {
            remove(&member, &key, known, together.as_ref()).await
        })
    };
    let steps = bucket.writers()?.into_iter().map(step).collect();
    let removal = Arc::new(OnceLock::new());
    let decided = removal.clone();
    let make = Box::new(move |row: &Row| {
        let (removal, outcome) = match (row.object(), &row.pending) {
            // A write with an unknown outcome may have left something, or may still leave it.
            (_, Some(_)) => (Removal::Unknown, ChangeOutcome::Becomes(None)),
            (Some(_), None) => (Removal::Removed, ChangeOutcome::Becomes(None)),
            (None, None) => (Removal::Absent, ChangeOutcome::Stays),
        };
        decided.get_or_init(|| removal);
        Ok(outcome)
    });
    publish::publish(
        bucket,
        key,
        Plan { conditions: conditions.clone(), sight: Sight::Blind, make, steps, body: None },
    )
    .await?;
    Ok(removal.get().copied().unwrap_or_default().into())
}

/// Removes what a replica holds.
pub(super) async fn remove(
    member: &Arc<Member>,
    key: &ObjectKey,
    known: Known,
    together: Option<&Arc<Together>>,
) -> Result<Copy> {
    over(member, key, Guarded::Delete, known, |known, conditions| {
        let (member, key, together) = (member.clone(), key.clone(), together.cloned());
        Box::pin(async move {
            match together {
                _ if known == Known::Absent => {}
                Some(together) => drop(together.delete(&member, key, conditions).await?),
                None => {
                    let delete = async { member.store().await?.delete(key.current(), &conditions).await };
                    in_time(None, delete).await?;
                }
            }
            Ok(Copy::default())
        })
    })
    .await
}

/// Completes a replica's own upload into an object of `size`.
pub(super) async fn complete(
    member: &Arc<Member>,
    key: &ObjectKey,
    known: Known,
    (upload, parts, size): (UploadId, Vec<CompletePart>, u64),
) -> Result<Copy> {
    over(member, key, Guarded::Complete, known, |_, conditions| {
        let request = CompleteUpload { parts: parts.clone(), conditions, checksum: None, size: Some(size) };
        let (member, key, upload) = (member.clone(), key.clone(), upload.clone());
        Box::pin(async move {
            let complete = async { member.store().await?.complete_upload(&key, &upload, request).await };
            Ok(Copy { etag: Some(in_time(Some(size), complete).await?.etag) })
        })
    })
    .await
}

/// Changes tags or the ACL: in the record, and on replicas that keep such data.
pub(super) async fn update(bucket: &Arc<Bucket>, key: &ObjectKey, change: Change) -> Result<()> {
    let step = |writer: Writer| {
        let change = change.clone();
        Step::act(writer, key.clone(), |member, key, known| async move {
            alter(&member, &key, known, change).await
        })
    };
    let steps = bucket.writers()?.into_iter().map(step).collect();
    let make = Box::new(move |row: &Row| {
        let mut object = row.object().cloned().ok_or(StoreErrorKind::NoSuchKey)?;
        match change {
            Change::Tags(tags) => object.attributes.tags = tags,
            Change::Acl(acl) => object.attributes.acl = acl,
        }
        Ok(ChangeOutcome::Becomes(Some(Box::new(object))))
    });
    let conditions = WriteConditions::default();
    publish::publish(bucket, key, Plan { conditions, sight: Sight::Looked, make, steps, body: None }).await?;
    Ok(())
}

async fn alter(member: &Member, key: &ObjectKey, known: Known, change: Change) -> Result<Copy> {
    let Known::Held(etag) = known else {
        // The replica may have an older object: it gets the whole object by repair.
        return Err(StoreError::new(StoreErrorKind::NoSuchKey, "the replica does not have the object"));
    };
    let capabilities = member.capabilities();
    let keeps = match &change {
        Change::Tags(_) => capabilities.tags,
        Change::Acl(_) => capabilities.object_acls,
    };
    if keeps == Keeping::Kept {
        in_time(None, member.store().await?.update(key.current(), change)).await?;
    }
    Ok(Copy { etag: Some(etag) })
}

#[cfg(test)]
mod tests {
    use super::{super::health::Health, *};
    use crate::{
        backend::{Backend, memory::MemoryBackend},
        catalog::{BucketId, BucketRecord, NewBucket, ReplicaRecord},
        model::{BucketName, Owner, Timestamp},
    };
    use bytes::Bytes;

    async fn member() -> Arc<Member> {
        let backend = Arc::new(MemoryBackend::new());
        let name = BucketName::parse("bucket").expect("a name");
        let owner = Owner { id: "owner".into(), display_name: "owner".into() };
        let (location, created) = (backend.location_for(&name), Timestamp::now());
        let bucket = NewBucket {
            name,
            owner,
            created,
            tenant: Default::default(),
            backend: "safe".into(),
            location: location.clone(),
        };
        let record = BucketRecord::new(BucketId(1), bucket);
        backend.open(&record).await.expect("a place");
        let replica = ReplicaRecord {
            id: BucketId(2),
            backend: "memory".into(),
            location,
            rank: 0,
            seeded: true,
            refilled: false,
            unmade: false,
            revision: Default::default(),
        };
        Member::new(&record, replica, backend, Arc::new(Health::new(Default::default())), Default::default())
    }

    #[tokio::test]
    async fn a_long_body_that_has_ended_before_its_step_first_runs_is_sent_whole() {
        let (member, key) = (member().await, ObjectKey::new("key").expect("a key"));
        let frames = futures_util::stream::iter([50_000, 20_000].map(|size| Ok(Bytes::from(vec![7; size]))));
        let body = Payload::from_stream(frames, Default::default());
        let broadcast = Broadcast::new(&body, [member.pace.clone()].into_iter(), None);
        let leg = broadcast.legs[0].clone();
        let payload = broadcast.payload(&leg);
        let ended = broadcast.send(body, 1).await.expect("arrives");
        let writer = (member.clone(), member.slot().expect("a slot"));
        let step =
            put_step(&Lanes::default(), writer, Known::Absent, &key, &Attributes::default(), &leg, payload);
        let turn = Lanes::default().join(member.number, &key);
        assert!(step.go.send(Go { turn, known: Known::Absent, ended: Some(ended) }).is_ok(), "it waits");
        step.outcome.await.expect("ends").expect("is written");
        assert_eq!(member.look(&key).await.expect("answers").map(|info| info.size), Some(70_000));
    }
}
