//! The locations of a bucket's replicas: created with the bucket, removed with it, and created again if they
//! were removed outside the gateway.
//!
//! Invariants:
//! - every step on a member is a task of its own with a deadline: once enough members have answered, a member
//!   that hangs blocks neither the client nor the others;
//! - what was begun is completed: the worker creates a location that could not be created; a location that
//!   could not be removed is written down first and removed later (`left`); and a location removed for a
//!   bucket that stays is created again;
//! - a member whose location is gone counts as new from then on, but unknown objects found there are old and
//!   are not adopted.

use super::{
    bucket::{Bucket, interrupted},
    left::LeftLocations,
    member::{Member, timely, too_few},
};
use crate::{
    backend::Found,
    catalog::{BucketRecord, Catalog, Expected, ReplicaChange},
    store::{
        ListRequest, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{
    StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// Maximum time for one step on a location.
const STEP: Duration = Duration::from_secs(20);
/// How long the caller waits for the other members after enough members have answered.
const LAG: Duration = Duration::from_secs(2);

/// The result of one step on every member.
struct Round<T> {
    ended: Vec<(Arc<Member>, Result<T>)>,
    /// The members that were no longer waited for. Their steps continue until their deadline.
    late: Vec<Arc<Member>>,
}

/// Runs a step on all members at once. Members that are out are not waited for once `enough` others have
/// answered.
async fn on_all<T: Send + 'static>(
    members: &[Arc<Member>],
    enough: impl Fn(&[(Arc<Member>, Result<T>)]) -> bool,
    step: impl Fn(Arc<Member>) -> BoxFuture<'static, Result<T>>,
) -> Round<T> {
    let mut running: FuturesUnordered<_> = members
        .iter()
        .map(|member| {
            let (member, task) = (member.clone(), tokio::spawn(timely(STEP, step(member.clone()))));
            async move { (member, task.await.unwrap_or_else(|error| Err(interrupted(error)))) }
        })
        .collect();
    let mut late: Vec<_> = members.to_vec();
    let mut ended = Vec::new();
    let mut waits_until: Option<Instant> = None;
    loop {
        if enough(&ended) {
            if !late.iter().any(|member| member.health.is_up()) {
                break;
            }
            waits_until.get_or_insert_with(|| Instant::now() + LAG);
        }
        tokio::select! {
            biased;
            next = running.next() => {
                let Some((member, outcome)) = next else { break };
                member.judge(&outcome);
                late.retain(|waiting| waiting.number != member.number);
                ended.push((member, outcome));
            }
            () = sleep_until(waits_until.unwrap_or_else(Instant::now)), if waits_until.is_some() => break,
        }
    }
    for member in late.iter().filter(|member| member.health.is_up()) {
        member.take_out("it did not answer in time when the location of a bucket was made or removed");
    }
    Round { ended, late }
}

/// The state of a location when its bucket was created.
#[derive(Debug, Clone, Copy)]
struct Made {
    was_there: bool,
    is_empty: bool,
}

/// Returns what exists at the locations for the replicas of a new bucket: the strongest answer of the members
/// that reply. An empty location that a deleted bucket has left counts as free.
pub(super) async fn found(left: &LeftLocations, members: &[Arc<Member>], needed: usize) -> Result<Found> {
    let enough = |ended: &[(Arc<Member>, Result<Found>)]| {
        ended.iter().filter(|(_, found)| found.is_ok()).count() >= needed
    };
    let step = |member: Arc<Member>| -> BoxFuture<'static, Result<Found>> {
        Box::pin(async move { member.backend.found(&member.record).await })
    };
    let round = on_all(members, enough, step).await;
    let mut most = Found::Nothing;
    for (member, found) in round.ended {
        let found = found.unwrap_or(Found::Nothing);
        let is_left =
            found == Found::Empty && left.was_left(&member.name, &member.record.bucket.location).await?;
        most = most.max(if is_left { Found::Nothing } else { found });
    }
    Ok(most)
}

/// Creates the locations of a new bucket; in empty locations there are no unknown objects. If too few can be
/// created, every location that did not exist before is removed again.
pub(super) async fn make(
    catalog: &Arc<dyn Catalog>,
    left: &Arc<LeftLocations>,
    bucket: &BucketRecord,
    members: &[Arc<Member>],
    needed: usize,
) -> Result<()> {
    let (mut turns, mut ready) = (Vec::new(), Vec::new());
    for member in members {
        let turn = left.reclaim(&member.name, &member.record.bucket.location).await?;
        // Recorded durably before anything is created: until the location is created, anything found there is
        // foreign, or was left by a deleted bucket.
        catalog.update_replica(member.record.id, Expected::Any, ReplicaChange::Unmade).await?;
        // If a task is about to remove the old location, the worker creates the new one afterwards.
        if let Some(turn) = turn {
            turns.push(turn);
            ready.push(member.clone());
        }
    }
    let made =
        |ended: &[(Arc<Member>, Result<Made>)]| ended.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let round = on_all(&ready, |ended| made(ended) >= needed, |member| Box::pin(make_one(member))).await;
    for (member, outcome) in &round.ended {
        match outcome {
            Ok(made) if made.is_empty => {
                catalog.update_replica(member.record.id, Expected::Any, ReplicaChange::Seeded).await?;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(bucket = %bucket.bucket.name, backend = member.name, %error, "a replica of a new bucket could not be made; it is tried again");
            }
        }
    }
    if made(&round.ended) >= needed {
        return Ok(());
    }
    let is_ours = |outcome: &Result<Made>| match outcome {
        Ok(made) => !made.was_there,
        Err(error) => error.is_temporary(),
    };
    let undo = round.ended.iter().filter(|(_, outcome)| is_ours(outcome)).map(|(member, _)| member);
    left.leave(bucket, undo.chain(&round.late).cloned()).await?;
    left.wake();
    let had = made(&round.ended);
    let error = round.ended.into_iter().find_map(|(_, outcome)| outcome.err());
    Err(error.unwrap_or_else(|| too_few(had, needed)))
}

async fn make_one(member: Arc<Member>) -> Result<Made> {
    let was_there = member.has_location().await?;
    if was_there && member.backend.found(&member.record).await? == Found::Something {
        return Err(StoreError::new(StoreErrorKind::Conflict, OCCUPIED));
    }
    member.backend.create(&member.record).await?;
    let page = member.store().await?.list(ListRequest { limit: 1, ..Default::default() }).await?;
    Ok(Made { was_there, is_empty: page.entries.is_empty() })
}

/// Removes the locations of an emptied bucket from all members. `Ok(false)` means that one still contains
/// something, and the bucket stays. Once as many members as are `needed` have removed theirs, those that do
/// not answer are written down.
pub(super) async fn remove(left: &Arc<LeftLocations>, bucket: &Arc<Bucket>, needed: usize) -> Result<bool> {
    let members = bucket.members();
    let gone = |ended: &[(Arc<Member>, Result<bool>)]| {
        ended.iter().filter(|(_, outcome)| matches!(outcome, Ok(true))).count()
    };
    let refused =
        |ended: &[(Arc<Member>, Result<bool>)]| ended.iter().any(|(_, outcome)| matches!(outcome, Ok(false)));
    let step = |member: Arc<Member>| -> BoxFuture<'static, Result<bool>> {
        Box::pin(async move {
            let _placing = member.placing.lock().await;
            member.backend.remove(&member.record).await
        })
    };
    // From here on, no upkeep creates a location again that was just removed.
    bucket.set_being_removed(true);
    let round = on_all(&members, |ended| refused(ended) || gone(ended) >= needed, step).await;
    if !refused(&round.ended) && gone(&round.ended) >= needed {
        let failed =
            round.ended.iter().filter(|(_, outcome)| outcome.is_err()).map(|(member, _)| member.clone());
        left.leave(&bucket.record, failed.chain(round.late.iter().cloned())).await?;
        left.wake();
        return Ok(true);
    }
    bucket.set_being_removed(false);
    let removed = round
        .ended
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Ok(true)))
        .map(|(member, _)| member.clone());
    join_all(removed.map(|member| give_back(bucket.clone(), member))).await;
    // A late member may still remove its location: the worker checks.
    bucket.call_for_look();
    if refused(&round.ended) {
        return Ok(false);
    }
    let (had, error) = (gone(&round.ended), round.ended.into_iter().find_map(|(_, outcome)| outcome.err()));
    Err(error.unwrap_or_else(|| too_few(had, needed)))
}

/// Creates the location of a member again: it was removed, but the bucket stays.
async fn give_back(bucket: Arc<Bucket>, member: Arc<Member>) {
    if let Err(error) = renew(&bucket, &member).await {
        let name = &bucket.record.bucket.name;
        tracing::warn!(bucket = %name, backend = member.name, %error, "a replica is gone of a bucket that was not deleted; it is made again");
    }
}

/// Checks whether the locations of all members exist. A member whose location is gone starts again as a new
/// replica. Nothing is done if all are gone: an operator may bring them back, and then their content must not
/// count as old.
pub(super) async fn look(bucket: &Arc<Bucket>) {
    if bucket.is_being_removed() {
        return;
    }
    let members = bucket.members();
    let looks = join_all(members.iter().cloned().map(look_at)).await;
    let gone: Vec<_> =
        looks.into_iter().filter_map(|(member, is_there)| (!is_there).then_some(member)).collect();
    let name = &bucket.record.bucket.name;
    if gone.len() == members.len() {
        if !gone.is_empty() && bucket.tells_once("all gone") {
            tracing::error!(bucket = %name, "the locations of all replicas are gone: bring one back, or delete the bucket");
        }
        return;
    }
    for member in &gone {
        if let Err(error) = renew(bucket, member).await {
            tracing::warn!(bucket = %name, backend = member.name, %error, "a replica whose location is gone could not be begun anew; it is tried again");
        }
    }
}

/// Returns whether the location of the member exists, as far as that is known.
async fn look_at(member: Arc<Member>) -> (Arc<Member>, bool) {
    // A member that is being filled may have no location yet.
    if !member.is_seeded() || !member.health.is_up() {
        return (member, true);
    }
    let there = timely(STEP, member.has_location()).await;
    member.judge(&there);
    (member, there.unwrap_or(true))
}

async fn renew(bucket: &Arc<Bucket>, member: &Arc<Member>) -> Result<()> {
    tracing::warn!(
        bucket = %bucket.record.bucket.name, backend = member.name, location = member.record.bucket.location,
        "the location of a replica is gone: it is made again, and filled from the others"
    );
    let replica = bucket.catalog.renew_replica(member.record.id, Expected::Any).await?;
    let fresh = member.renewed(&bucket.record, replica);
    // This is done before anything is sent there. If it fails, the fill tries again.
    let prepared = prepare(bucket, &fresh).await;
    bucket.replace(member, fresh);
    prepared
}

/// Creates the location of a replica that is to be filled, if it does not exist.
pub(super) async fn prepare(bucket: &Bucket, member: &Arc<Member>) -> Result<()> {
    let prepared = timely(STEP, async {
        let _placing = member.placing.lock().await;
        if bucket.is_being_removed() {
            return Err(StoreError::new(StoreErrorKind::Busy, "the bucket is being deleted"));
        }
        if member.is_unmade() {
            if member.backend.found(&member.record).await? == Found::Something {
                return Err(occupied());
            }
            // From now on the content belongs to this bucket, and unknown objects are old.
            bucket.catalog.update_replica(member.record.id, Expected::Any, ReplicaChange::Refilled).await?;
            member.set_made();
        }
        if !member.has_location().await? {
            member.backend.create(&member.record).await?;
        }
        Ok(())
    });
    let outcome = prepared.await;
    member.judge(&outcome);
    outcome
}

const OCCUPIED: &str = "something that was there before lies in the location of the replica";

/// Returns the error for a location that other data occupies. It does not count against the backend: other
/// buckets may work there.
fn occupied() -> StoreError {
    let words = format!("{OCCUPIED}: move it away, or take the replica off with 'causeway replicate remove'");
    StoreError::new(StoreErrorKind::Busy, words)
}

/// Returns the error for a bucket that may not be removed: a member that still has a deleted object does not
/// answer.
pub(super) fn still_has_deleted() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "a replica still has objects that were deleted, and does not answer: try again when it does",
    )
}
