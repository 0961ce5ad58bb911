//! The moment at which a change takes effect, on every replica.
//!
//! Under the key's lock, the conditions are checked against the record, the change is written to the catalog,
//! and all replicas are released at once. The change is acknowledged when it is durable in the catalog and as
//! many replicas have it as the policy requires; slower replicas continue after that (`tail`), in the order
//! of the lanes.
//!
//! Invariants:
//! - an acknowledged change is in the catalog, at least as pending: after a crash `resolve` determines its
//!   outcome from the replicas;
//! - a change that reached any replica is committed, whether or not its client got the reply, unless it is
//!   superseded before its outcome was determined: the earlier state may be gone;
//! - some order of all changes explains all answers: a change that is not decided here is refused, or its
//!   position is directly before a decided change that would have been the same whatever was there;
//! - nothing here ends with the client's request: it runs in a task of its own.

use super::{
    WritePolicy,
    bodies::{Sight, Underway},
    broadcast::{Ended, Leg},
    bucket::{Bucket, interrupted},
    lanes::Turn,
    member::{Member, too_few},
    record::{Copy, Known, Record, Row},
    records::Hold,
};
use crate::{
    backend::changes::Changing,
    catalog::Commit,
    model::ObjectKey,
    store::{
        Result,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::JoinHandle,
    time::sleep,
};

/// A replica that is this much slower than those that a change needed gets a strike.
const LAG: Duration = Duration::from_secs(2);

/// One replica's share of a change: a task that waits for its `go`, and ends without effect if there is none.
pub(super) struct Step {
    pub(super) member: Arc<Member>,
    pub(super) go: oneshot::Sender<Go>,
    pub(super) outcome: JoinHandle<Result<Copy>>,
    /// Set for a long body on a storage that cannot receive the conditions at the end of the body.
    early: Option<Bound>,
}

/// The state that a long body was sent to replace.
pub(super) struct Bound {
    pub(super) known: Known,
    pub(super) leg: Arc<Leg>,
}

/// What a step receives when its change is decided: its turn, and the state to change.
pub(super) struct Go {
    pub(super) turn: Turn,
    /// What the replica holds now, as far as that is known.
    pub(super) known: Known,
    /// Set for a change with a body.
    pub(super) ended: Option<Ended>,
}

type Make = Box<dyn FnOnce(&Row) -> Result<ChangeOutcome> + Send>;

/// The change to be made to a key.
pub(super) struct Plan {
    pub(super) conditions: WriteConditions,
    /// What the change depends on besides its conditions.
    pub(super) sight: Sight,
    /// Makes the new state from the current one.
    pub(super) make: Make,
    pub(super) steps: Vec<Step>,
    pub(super) body: Option<Body>,
}

/// A body that was received completely.
pub(super) struct Body {
    pub(super) ended: Ended,
    /// Set for a body that may be sent before it was received completely.
    pub(super) underway: Option<Underway>,
}

impl Plan {
    fn sight(&self) -> Sight {
        if self.conditions.is_empty() { self.sight } else { Sight::Looked }
    }
}

pub(super) enum ChangeOutcome {
    Becomes(Option<Box<ObjectRecord>>),
    /// There is nothing to do.
    Stays,
}

impl Step {
    pub(super) fn new(
        member: Arc<Member>,
        early: Option<Bound>,
        run: impl FnOnce(oneshot::Receiver<Go>) -> BoxFuture<'static, Result<Copy>>,
    ) -> Self {
        let (go, going) = oneshot::channel();
        Self { member, go, outcome: tokio::spawn(run(going)), early }
    }

    /// Returns whether the step can be done on what the replica holds now. If that is not known, its storage
    /// decides.
    fn fits(&self, now: &Known) -> bool {
        let fits = |known: &Known| known == now || *known == Known::Unknown || *now == Known::Unknown;
        self.early.as_ref().is_none_or(|bound| !bound.leg.has_given_way() && fits(&bound.known))
    }

    /// Creates the step of a change without a body. `act` receives what the replica holds, as far as the
    /// record knows.
    pub(super) fn act<F>(
        (member, slot): (Arc<Member>, OwnedSemaphorePermit),
        key: ObjectKey,
        act: impl FnOnce(Arc<Member>, ObjectKey, Known) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Copy>> + Send + 'static,
    {
        let own = member.clone();
        Self::new(member, None, |going| {
            Box::pin(async move {
                let _slot = slot;
                let Ok(mut go) = going.await else { return Err(given_up()) };
                go.turn.come().await;
                act(own, key, go.known).await
            })
        })
    }
}

pub(super) fn given_up() -> StoreError {
    StoreError::new(StoreErrorKind::Payload, "the change was given up")
}

/// The steps of a change that have not ended.
#[derive(Default)]
pub(super) struct Running {
    outcomes: FuturesUnordered<BoxFuture<'static, (Arc<Member>, Result<Copy>)>>,
    members: Vec<Arc<Member>>,
}

impl Running {
    pub(super) fn push(&mut self, member: Arc<Member>, outcome: JoinHandle<Result<Copy>>) {
        self.members.push(member.clone());
        self.outcomes.push(Box::pin(async move {
            (member, outcome.await.unwrap_or_else(|error| Err(interrupted(error))))
        }));
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns the next step that ends; never resolves if there is none.
    pub(super) async fn next(&mut self) -> (Arc<Member>, Result<Copy>) {
        let Some((member, outcome)) = self.outcomes.next().await else { return std::future::pending().await };
        self.members.retain(|waiting| waiting.number != member.number);
        member.judge(&outcome);
        (member, outcome)
    }
}

/// Makes a change, and returns the record that is committed. `None` means that there was nothing to do, or
/// that the change was overwritten at once.
pub(super) async fn publish(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    plan: Plan,
) -> Result<Option<Arc<Record>>> {
    let (own, key) = (bucket.clone(), key.clone());
    let (tell, told) = oneshot::channel();
    // This is a task of the bucket, so that it completes in order when the server stops.
    bucket.spawn(async move {
        let _ = tell.send(run(own, key, plan).await);
    });
    told.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Internal, "a change was interrupted")))
}

async fn run(bucket: Arc<Bucket>, key: ObjectKey, plan: Plan) -> Result<Option<Arc<Record>>> {
    let sight = plan.sight();
    let Plan { conditions, make, mut steps, body, .. } = plan;
    let guard = bucket.lock(&key).await;
    let hold = match sight {
        Sight::Blind => bucket.hold_blindly(&key, &guard).await?,
        Sight::Looked => bucket.hold(&key, &guard).await?,
    };
    let row = hold.row();
    row.check(&conditions)?;
    // It is not known which replicas a superseded change has reached.
    let is_unsure = row.pending.is_some();
    let known =
        |member: &Member| if is_unsure { Known::Unknown } else { member.known(row.committed.as_deref()) };
    if let Some(Body { ended, underway }) = &body
        && ended.is_under_way()
    {
        let had = steps.len();
        // Replicas that were sent conditions that no longer fit are left out, and repaired from the others.
        steps.retain(|step| step.fits(&known(&step.member)));
        if steps.len() < had && steps.len() < bucket.needed() {
            return match underway.as_ref().and_then(Underway::first) {
                _ if !conditions.is_empty() => Err(StoreErrorKind::Conflict.into()),
                Some(Sight::Blind) => Ok(None),
                _ => Err(overtaken()),
            };
        }
    }
    let change = match make(&row)? {
        ChangeOutcome::Becomes(object) => row.next(object),
        ChangeOutcome::Stays => return Ok(None),
    };
    let mut record = Record::after(row.committed.as_deref(), change.decided());
    let is_unsettled = hold.is_unsettled();
    hold.begin(change);
    if is_unsettled && let Err(error) = hold.save().await {
        hold.leave();
        return Err(error);
    }
    let mut running = Running::default();
    for step in steps {
        let Step { member, go, outcome, early } = step;
        let turn = bucket.lanes.change(member.number, &key, early.as_ref().map(|bound| &bound.leg));
        let known = known(&member);
        // A step that has already failed is reported below.
        let _ = go.send(Go { turn, known, ended: body.as_ref().map(|body| body.ended.clone()) });
        running.push(member, outcome);
    }
    let Round { running, saved, errors } = gather(&bucket, &hold, running, &mut record).await;
    let record = Arc::new(record);
    let enough = record.copies.len() >= bucket.needed();
    let outcome = match saved {
        Ok(()) if enough => Ok(Some(record.clone())),
        Ok(()) => Err(telling(errors, record.copies.len(), bucket.needed())),
        Err(error) => Err(error),
    };
    let indexed = if record.copies.is_empty() {
        hold.leave();
        None
    } else {
        let changing = bucket.changes.begin(&key);
        bucket.bodies.decided(&key, sight);
        hold.decide(record.clone());
        let (tell, told) = oneshot::channel();
        Some((Listing { indexed: bucket.index(&key, &record), changing, tell }, told))
    };
    drop(guard);
    let generation = record.change.generation;
    let (listing, told) = indexed.unzip();
    bucket.spawn(tail(bucket.clone(), key, (hold, generation), running, listing));
    if let Some(told) = told {
        told.await.unwrap_or_else(|_| {
            Err(StoreError::new(StoreErrorKind::Internal, "listing a change was interrupted"))
        })?;
    }
    outcome
}

/// A change that listings do not show yet.
struct Listing {
    indexed: Commit,
    changing: Changing,
    tell: oneshot::Sender<Result<()>>,
}

impl Listing {
    /// Waits until listings show the change, and wakes its waiters.
    async fn shown(self) -> bool {
        let shown = self.indexed.await;
        drop(self.changing);
        let is_shown = shown.is_ok();
        let _ = self.tell.send(shown.map_err(Into::into));
        is_shown
    }
}

/// Returns the error for a body for which too many replicas were sent conditions that no longer hold.
pub(super) fn overtaken() -> StoreError {
    let why = "the key was changed while this body was on its way to storage that cannot be told of it any more: send it again";
    StoreError::new(StoreErrorKind::Busy, why)
}

struct Round {
    /// The steps that have not ended yet.
    running: Running,
    saved: Result<()>,
    errors: Vec<StoreError>,
}

/// Waits until enough replicas have the change, or until it is clear that too few will.
async fn gather(bucket: &Bucket, hold: &Hold, mut running: Running, record: &mut Record) -> Round {
    let needed = bucket.needed();
    let (mut saved, mut errors) = (None, Vec::new());
    let saving = hold.save();
    tokio::pin!(saving);
    let waits_for_all = bucket.write == WritePolicy::BestEffort;
    let late = sleep(LAG);
    tokio::pin!(late);
    loop {
        let is_enough =
            record.copies.len() >= needed && (!waits_for_all || running.len() == 0 || late.is_elapsed());
        let is_hopeless = record.copies.len() + running.len() < needed;
        if saved.is_some() && (is_enough || is_hopeless) {
            return Round { running, saved: saved.unwrap_or(Ok(())), errors };
        }
        tokio::select! {
            biased;
            done = &mut saving, if saved.is_none() => saved = Some(done),
            (member, outcome) = running.next(), if running.len() > 0 => match outcome {
                Ok(copy) => record.made_by(member.name.clone(), copy),
                Err(error) => errors.push(error),
            },
            () = &mut late, if waits_for_all && !late.is_elapsed() => {}
        }
    }
}

/// Returns the error for the client: an error that a retry cannot help has precedence over unavailability.
pub(super) fn telling(mut errors: Vec<StoreError>, had: usize, needed: usize) -> StoreError {
    let firm = |error: &StoreError| {
        !error.is_temporary()
            && !matches!(
                error.kind(),
                StoreErrorKind::Internal
                    | StoreErrorKind::NoConnection
                    | StoreErrorKind::Broken
                    | StoreErrorKind::PreconditionFailed
                    | StoreErrorKind::NoSuchKey
                    | StoreErrorKind::Conflict
                    | StoreErrorKind::Payload
            )
    };
    // Replicas that were left behind or had to withdraw can be reached: the same change may succeed a little
    // later.
    let left_behind = errors.iter().filter(|error| error.kind() == StoreErrorKind::Payload).count();
    match errors.iter().position(firm) {
        Some(at) => errors.swap_remove(at),
        None => {
            let error =
                if had + left_behind >= needed { left_behind_too_many() } else { too_few(had, needed) };
            match errors.pop() {
                Some(last) => error.with_source(last),
                None => error,
            }
        }
    }
}

fn left_behind_too_many() -> StoreError {
    let why = "too few replicas took this body in time, before another change of the key: send it again";
    StoreError::new(StoreErrorKind::Busy, why)
}

/// Waits for the remaining steps, and records how they ended.
async fn tail(
    bucket: Arc<Bucket>,
    key: ObjectKey,
    (hold, generation): (Hold, u64),
    mut running: Running,
    listing: Option<Listing>,
) {
    // The running steps are tasks of their own, and continue meanwhile.
    if let Some(listing) = listing
        && listing.shown().await
    {
        hold.shown(generation);
    }
    let late = sleep(LAG);
    tokio::pin!(late);
    let mut ended = Vec::new();
    while running.len() > 0 {
        tokio::select! {
            biased;
            (member, outcome) = running.next() => match outcome {
                Ok(copy) => ended.push((member.name.clone(), copy)),
                Err(error) => tracing::debug!(%key, backend = member.name, %error, "a replica has to catch up"),
            },
            () = &mut late, if !late.is_elapsed() => {
                running.members.iter().for_each(Member::lagged);
                // What is known so far is recorded now: the other replicas may never answer.
                write_down(&bucket, &key, &hold, std::mem::take(&mut ended), generation).await;
            }
        }
    }
    write_down(&bucket, &key, &hold, ended, generation).await;
}

async fn write_down(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    hold: &Hold,
    mut ended: Vec<(String, Copy)>,
    generation: u64,
) {
    let guard = bucket.lock(key).await;
    let wants_repair = hold.change(|row| {
        // If a newer change is committed, this copy is out of date.
        if let Some(record) = row.committed_of(generation) {
            // A copy in the record is from a repair, which reached the replica after this change.
            ended.retain(|(name, _)| !record.copies.contains_key(name));
            ended.into_iter().for_each(|(name, copy)| record.made_by(name, copy));
        }
        bucket.settle(row);
        row.wants_repair || row.pending.is_some()
    });
    if let Err(error) = hold.save().await {
        tracing::error!(%key, %error, "the record of a change was not saved; it is found out when it is needed");
    }
    drop(guard);
    if wants_repair {
        bucket.call_for_repair();
    }
}
