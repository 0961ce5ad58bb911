//! Which replica is asked for bytes, and which one next if it fails or is slow.

use super::{
    ReadPolicy,
    bucket::Bucket,
    distrust::{distrust, distrust_later},
    member::{ANSWER, Member, one, timely},
    record::{Record, Wrong},
};
use crate::{
    model::{ByteRange, ETag, ObjectKey, Span},
    store::{
        GetReply, GetRequest, ObjectBody, Result, Selection,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// The time after which the next replica is asked, too: without measurements, and at most.
const PATIENCE: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(5);
/// An ordered read waits this many times as long as nearly all answers take.
const ORDERED: u32 = 4;
const ORDERED_SHORTEST: Duration = Duration::from_millis(250);

/// A replica that answered.
pub(super) struct Opened {
    pub(super) member: Arc<Member>,
    pub(super) body: ObjectBody,
}

type Asking = BoxFuture<'static, (Arc<Member>, Instant, Result<GetReply>)>;
type Doubt = BoxFuture<'static, Result<bool>>;

/// Opens the bytes of `span` from a replica that has them. `Conflict` means that the replicas that answered
/// have something else, and that the record was corrected or had changed by then.
///
/// A replica may hold a lock of its driver until it has answered, and a writer that holds the key's lock may
/// wait for that lock: so the requests already sent are polled while this waits for anything else.
pub(super) async fn open(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    record: &Record,
    span: Span,
    without: &[usize],
) -> Result<Opened> {
    let size = record.object().map(|object| object.size).unwrap_or_default();
    let mut next = order(bucket, record, without).into_iter().peekable();
    let mut asked: FuturesUnordered<Asking> = FuturesUnordered::new();
    let (mut slow, mut wrong, mut failure) = (Vec::new(), Vec::new(), None);
    let mut waits = Duration::ZERO;
    let (mut doubt, mut is_dispelled): (Option<Doubt>, bool) = (None, false);
    loop {
        if doubt.is_none() && (asked.is_empty() || waits.is_zero()) {
            // Checked before waiting for a replica that may not answer: perhaps the replicas that answered
            // have a change newer than the record.
            let is_unconfirmed = next.peek().is_none_or(|(member, _)| !member.health.is_up());
            if is_unconfirmed && !wrong.is_empty() && !std::mem::take(&mut is_dispelled) {
                doubt = Some(Box::pin(is_replaced(bucket.clone(), key.clone(), record.change.generation)));
            } else {
                match next.next() {
                    Some((member, etag)) => {
                        waits = patience(bucket.read, &member);
                        slow.push((member.clone(), Instant::now()));
                        asked.push(ask(member, key.clone(), etag, span, size));
                    }
                    None if asked.is_empty() => break,
                    None => waits = Duration::MAX,
                }
            }
        }
        tokio::select! {
            // An answer that arrives at the last moment is used before another replica is asked.
            biased;
            Some(replaced) = maybe(&mut doubt), if doubt.is_some() => {
                if replaced? {
                    return Err(StoreErrorKind::Conflict.into());
                }
                (doubt, is_dispelled, waits) = (None, true, Duration::ZERO);
            }
            Some((member, begun, reply)) = asked.next(), if !asked.is_empty() => {
                slow.retain(|(waiting, _): &(Arc<Member>, Instant)| waiting.number != member.number);
                match reply {
                    Ok(reply) => {
                        member.health.answered(Some(begun.elapsed()));
                        hear_out(bucket, asked, slow);
                        distrust_later(bucket, key, record.change.generation, wrong);
                        return Ok(Opened { member, body: reply.body });
                    }
                    Err(error) if matches!(error.kind(), StoreErrorKind::NoSuchKey | StoreErrorKind::PreconditionFailed) => {
                        member.health.answered(None);
                        wrong.push(member);
                    }
                    Err(error) => {
                        member.judge::<()>(&Err(StoreError::new(error.kind(), error.message())));
                        failure = Some(error);
                    }
                }
                waits = Duration::ZERO;
            }
            () = sleep(waits), if doubt.is_none() && waits < Duration::MAX => waits = Duration::ZERO,
        }
    }
    if wrong.is_empty() {
        return Err(unavailable(failure));
    }
    for member in wrong {
        distrust(bucket, key, record.change.generation, &member, Wrong::Object).await?;
    }
    match failure {
        // Other replicas may have it.
        Some(failure) => Err(unavailable(Some(failure))),
        None => Err(StoreErrorKind::Conflict.into()),
    }
}

async fn maybe(doubt: &mut Option<Doubt>) -> Option<Result<bool>> {
    match doubt {
        Some(doubt) => Some(doubt.await),
        None => None,
    }
}

/// Returns whether the record was replaced. It checks under the key's lock, so it waits for a change that is
/// taking effect and that replicas may show already.
async fn is_replaced(bucket: Arc<Bucket>, key: ObjectKey, generation: u64) -> Result<bool> {
    let guard = bucket.lock(&key).await;
    let committed = bucket.hold(&key, &guard).await?.row().committed;
    Ok(committed.is_none_or(|now| now.change.generation != generation))
}

/// Waits in the background for replicas that were asked first but were overtaken. Their remaining time shows
/// how fast they are, or that they do not answer.
fn hear_out(bucket: &Bucket, mut asked: FuturesUnordered<Asking>, slow: Vec<(Arc<Member>, Instant)>) {
    let (late, mut slow): (Vec<_>, Vec<_>) =
        slow.into_iter().partition(|(member, since)| since.elapsed() >= overdue(member));
    late.iter().for_each(|(member, _)| member.lagged());
    let Some(end) = slow.iter().map(|(member, since)| *since + overdue(member)).max() else { return };
    bucket.spawn(async move {
        let answers = async {
            while let Some((member, begun, reply)) = asked.next().await {
                // If the replica is not in the list, its answer came too late.
                if let Some(at) = slow.iter().position(|(waiting, _)| waiting.number == member.number) {
                    slow.swap_remove(at);
                    match reply {
                        Ok(_) => member.health.answered(Some(begun.elapsed())),
                        failed => member.judge(&failed),
                    }
                }
            }
        };
        if timeout_at(end, answers).await.is_err() {
            slow.iter().for_each(|(member, _)| member.lagged());
        }
    });
}

fn unavailable(failure: Option<StoreError>) -> StoreError {
    let kind = match &failure {
        Some(error) if error.kind() == StoreErrorKind::Busy => StoreErrorKind::Busy,
        _ => StoreErrorKind::Unavailable,
    };
    let error = StoreError::new(kind, "no replica that has the object answers");
    match failure {
        Some(failure) => error.with_source(failure),
        None => error,
    }
}

/// Returns the replicas that have the object, in the order of the policy. Replicas over their budget come
/// behind the others, and replicas that do not answer come last.
fn order(bucket: &Bucket, record: &Record, without: &[usize]) -> Vec<(Arc<Member>, ETag)> {
    let mut holders: Vec<_> = bucket
        .members()
        .iter()
        .filter(|member| !without.contains(&member.number))
        .filter_map(|member| Some((member.clone(), record.copies.get(&member.name)?.etag.clone()?)))
        .collect();
    holders.sort_by_key(|(member, _)| {
        let time = match bucket.read {
            ReadPolicy::Ordered => Duration::ZERO,
            ReadPolicy::Fastest | ReadPolicy::Hedged => member.health.p95().unwrap_or_default(),
        };
        (!member.health.is_up(), record.unconfirmed.contains(&member.name), member.backend.avoid(), time)
    });
    holders
}

fn patience(policy: ReadPolicy, member: &Member) -> Duration {
    match (policy, member.health.p95()) {
        (ReadPolicy::Hedged, Some(p95)) => p95.clamp(SHORTEST, PATIENCE),
        _ => overdue(member),
    }
}

/// Returns the time after which an answer counts as too late for a healthy replica.
fn overdue(member: &Member) -> Duration {
    member.health.p95().map_or(PATIENCE, |p95| (p95 * ORDERED).clamp(ORDERED_SHORTEST, PATIENCE))
}

fn ask(member: Arc<Member>, key: ObjectKey, etag: ETag, span: Span, size: u64) -> Asking {
    let selection = if span == Span::whole(size) {
        Selection::Whole
    } else {
        Selection::Range(ByteRange::FromTo(span.start, span.end - 1))
    };
    let conditions = ReadConditions { if_match: Some(one(&etag)), ..Default::default() };
    Box::pin(async move {
        let begun = Instant::now();
        let reply = async {
            let reply =
                member.store().await?.get(key.current(), GetRequest { conditions, selection }).await?;
            // The storage may have no such conditions, or may not have applied them.
            let is_it = reply.info.etag == etag && reply.info.size == size && reply.span == span;
            if is_it { Ok(reply) } else { Err(StoreErrorKind::PreconditionFailed.into()) }
        };
        let reply = timely(ANSWER, reply).await;
        (member, begun, reply)
    })
}
