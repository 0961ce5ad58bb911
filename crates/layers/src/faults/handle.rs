//! The handle on the faults of one backend: the plan in force, the fate of each call, and the record of past
//! faults.
//!
//! A call gets a number when it arrives; its number and the seed decide its fate. Calls that come one after
//! another, with a clock that is held still, get the same fates again.

use super::{
    plan::{Draws, FaultKind, LATENESS, Plan},
    record::{Counts, Done, Record},
};
use crate::store::{
    Capabilities, Guarantee, Result,
    condition::WriteConditions,
    error::{StoreError, StoreErrorKind},
    operation::Operation,
};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// The handle is shared: the code that drives a test has it, and the stores that fail.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    seed: u64,
    calls: AtomicU64,
    plan: Mutex<InForce>,
    /// Notifies that another plan is in force. Waiters are woken in the order of waiting; `watch` would wake
    /// them in random order.
    changed: Notify,
    /// The number of writes that were answered and have not happened yet.
    late: watch::Sender<usize>,
    record: Mutex<Record>,
    recorded: Notify,
}

#[derive(Debug)]
struct InForce {
    plan: Plan,
    since: Instant,
}

impl InForce {
    fn of(plan: Plan) -> Self {
        Self { plan, since: Instant::now() }
    }

    fn is_down(&self, operation: Operation) -> bool {
        self.plan.is_down(operation, self.since.elapsed())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.0.seed)
            .field("plan", &self.plan().plan)
            .finish_non_exhaustive()
    }
}

impl Faults {
    pub fn new(seed: u64, plan: Plan) -> Self {
        Self(Arc::new(Inner {
            seed,
            calls: AtomicU64::new(0),
            plan: Mutex::new(InForce::of(plan)),
            changed: Notify::new(),
            late: watch::Sender::new(0),
            record: Mutex::default(),
            recorded: Notify::new(),
        }))
    }

    /// Sets the plan from now on. Calls that hang continue when the new plan has no hanging.
    pub fn set(&self, plan: Plan) {
        *self.plan() = InForce::of(plan);
        self.0.changed.notify_waiters();
    }

    /// Ends all faults; calls that hang continue. Late writes still happen at their time: see `settled`.
    pub fn heal(&self) {
        self.set(Plan::default());
    }

    /// Refuses conditions that the simulated storage does not know.
    pub(super) fn refuse_condition(&self, operation: Operation, conditions: &WriteConditions) -> Result<()> {
        if conditions.is_empty() || !self.plan().plan.lacks.contains(operation) {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::NotImplemented,
            format!("the storage knows no conditions of {operation}"),
        ))
    }

    /// Removes the capabilities that a probe would find missing.
    pub(super) fn without_lacks(&self, below: Capabilities) -> Capabilities {
        let plan = self.plan().plan.clone();
        let is_lacking = |operation| plan.lacks.contains(operation) && !plan.hides_lacks;
        let kept = |operation, guarantee| if is_lacking(operation) { Guarantee::Refused } else { guarantee };
        Capabilities {
            conditional_writes: kept(Operation::Put, below.conditional_writes),
            conditional_completes: kept(Operation::CompleteUpload, below.conditional_completes),
            conditional_deletes: kept(Operation::Delete, below.conditional_deletes),
            ..below
        }
    }

    pub fn counts(&self) -> Counts {
        self.record().counts.clone()
    }

    /// Returns the record of faults, oldest first. If there were many, it has the latest ones only.
    pub fn journal(&self) -> Vec<Done> {
        self.record().journal.iter().cloned().collect()
    }

    /// Waits until the counts are as `wanted`.
    pub async fn seen(&self, wanted: impl Fn(&Counts) -> bool) {
        loop {
            let mut recorded = std::pin::pin!(self.0.recorded.notified());
            recorded.as_mut().enable();
            if wanted(&self.record().counts) {
                return;
            }
            recorded.await;
        }
    }

    /// Waits until no write is late any more.
    pub async fn settled(&self) {
        // `self` holds the sender, so this cannot fail.
        let _ = self.0.late.subscribe().wait_for(|late| *late == 0).await;
    }

    /// Returns whether both are the same handle.
    pub(super) fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn plan(&self) -> MutexGuard<'_, InForce> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides the fate of a call. When this returns, everything that happens before the call reaches the
    /// storage is over.
    pub(super) async fn meet(&self, operation: Operation, subject: &str) -> Result<Fate> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let draws = Draws { seed: self.0.seed, call };
        let (kind, wait, late_by) = {
            let now = self.plan();
            if now.is_down(operation) {
                (Some(FaultKind::Down), Default::default(), now.plan.late_by)
            } else {
                let (kind, wait) = now.plan.fate(operation, draws);
                (kind, wait, now.plan.late_by)
            }
        };
        self.record().note(Done { call, operation, subject: subject.to_owned(), kind });
        self.0.recorded.notify_waiters();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match kind {
            Some(FaultKind::Down) => Err(down()),
            Some(FaultKind::Unavailable) => Err(unavailable("a fault: unavailable")),
            Some(FaultKind::Throttled) => Err(StoreError::new(StoreErrorKind::Busy, "a fault: throttled")),
            Some(FaultKind::Hang) => {
                self.released(|plan| !plan.hangs()).await;
                Ok(Fate { kind: None, operation, draws, late_by, faults: self.clone() })
            }
            kind => Ok(Fate { kind, operation, draws, late_by, faults: self.clone() }),
        }
    }

    async fn released(&self, free: impl Fn(&Plan) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if free(&self.plan().plan) {
                return;
            }
            changed.await;
        }
    }

    /// Returns whether a body in progress may continue; `None` means not yet.
    pub(super) fn lets_pass(&self, operation: Operation) -> Option<Result<()>> {
        let now = self.plan();
        if now.is_down(operation) {
            return Some(Err(down()));
        }
        (!now.plan.stands_still(operation)).then_some(Ok(()))
    }

    /// Like `lets_pass`, but waits until the answer is known.
    pub(super) async fn pass(&self, operation: Operation) -> Result<()> {
        loop {
            if let Some(passed) = self.lets_pass(operation) {
                return passed;
            }
            self.released(|plan| !plan.stands_still(operation)).await;
        }
    }
}

/// The fate of one call that reaches the storage.
#[derive(Debug)]
pub(super) struct Fate {
    kind: Option<FaultKind>,
    pub(super) operation: Operation,
    draws: Draws,
    late_by: std::time::Duration,
    pub(super) faults: Faults,
}

impl Fate {
    pub(super) fn is(&self, kind: FaultKind) -> bool {
        self.kind == Some(kind)
    }

    /// Returns whether nothing happens to the call.
    pub(super) fn spares(&self) -> bool {
        self.kind.is_none()
    }

    /// Returns where a body of `len` bytes is torn, if it is.
    pub(super) fn tear(&self, len: u64) -> Option<u64> {
        self.is(FaultKind::TornBody).then(|| self.draws.cut(len))
    }

    /// Awaits a request to the store below. Dropping the future cancels the request.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = question.await;
        if self.is(FaultKind::LostReply) { Err(unavailable("a fault: the reply was lost")) } else { answer }
    }

    /// Makes a change in the store below: now, or after the answer.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        deed: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if !self.is(FaultKind::Late) {
            return self.ask(deed).await;
        }
        let waits = self.late_by + self.draws.part_of(self.late_by, LATENESS);
        let (outstanding, operation) = (Outstanding::begin(&self.faults), self.operation);
        tokio::spawn(async move {
            tokio::time::sleep(waits).await;
            if let Err(error) = deed.await {
                tracing::debug!(%operation, %error, "what was late came to nothing");
            }
            drop(outstanding);
        });
        Err(unavailable("a fault: no reply in time"))
    }
}

/// A late write, which is counted until it has happened.
struct Outstanding(Faults);

impl Outstanding {
    fn begin(faults: &Faults) -> Self {
        faults.0.late.send_modify(|late| *late += 1);
        Self(faults.clone())
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.0.late.send_modify(|late| *late -= 1);
    }
}

fn down() -> StoreError {
    unavailable("a fault: the storage is down")
}

pub(super) fn unavailable(words: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, words)
}
