//! The background work of a migration: it copies, compares, brings what is marked, and ends the migration.
//!
//! Invariant: `Verified` is entered only after a pass that compared everything, found no difference, and began
//! when no request had the bucket without the layer.

use super::{
    moving::Moving,
    parts,
    walk::{self, Walked},
};
use crate::{
    backend::{
        Depth, Progress,
        migration::{Ending, MigrationCounts, Side, Stage},
    },
    catalog::BucketId,
    model::BucketName,
    store::error::StoreError,
    work::{Ended, Failure, JobKind, Run, Stepped, Subject, TurnOutcome, Worker, kind},
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// The longest rest: marks that a request has left are brought after it.
const REST: Duration = Duration::from_secs(5);
/// The rest after a step that has failed.
const AGAIN: Duration = Duration::from_secs(2);
/// Marked keys that are brought at once.
const AT_ONCE: usize = 8;
/// Requests that a killed process sent to a storage of another machine are assumed to take effect within this
/// time: marks that it left stay until then.
const LATE: Duration = Duration::from_secs(10);

/// A pass over all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pass {
    Copy,
    Verify,
}

/// How far the passes are. It is the cursor of the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    /// `None`: no pass is under way.
    pub(super) pass: Option<Pass>,
    pub(super) after: Option<String>,
    /// The pass began when no request had the bucket without the layer.
    #[serde(default)]
    alone: bool,
    pub(super) counts: MigrationCounts,
}

impl Position {
    fn new() -> Self {
        Self { pass: Some(Pass::Copy), after: None, alone: false, counts: MigrationCounts::default() }
    }

    /// Begins a comparison of everything.
    pub(super) fn verify(&mut self) {
        (self.pass, self.after, self.alone) = (Some(Pass::Verify), None, false);
        (self.counts.differing, self.counts.failed) = (0, 0);
    }
}

/// What the worker and the operator's requests share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    position: Mutex<Option<Position>>,
    wants_verification: Mutex<bool>,
}

impl Shared {
    pub(super) fn position(&self) -> Option<Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, position: &Position) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position.clone());
    }

    pub(super) fn verify(&self) {
        *self.wants_verification.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn takes_verification(&self) -> bool {
        std::mem::take(&mut *self.wants_verification.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// By whom the last step is done.
pub(super) type EndedBy = Arc<OnceLock<Arc<dyn Ending>>>;

#[derive(Debug)]
pub(super) struct MigrationWorker {
    moving: Weak<Moving>,
    shared: Arc<Shared>,
    ending: EndedBy,
    id: BucketId,
    name: BucketName,
    opened: Instant,
    has_cleaned: bool,
    /// How long the next rest is at least, for the rate.
    owed: Duration,
    is_idle: bool,
}

impl MigrationWorker {
    pub(super) fn new(moving: &Arc<Moving>, shared: Arc<Shared>, ending: EndedBy) -> Self {
        Self {
            moving: Arc::downgrade(moving),
            shared,
            ending,
            id: moving.bucket.id,
            name: moving.bucket.bucket.name.clone(),
            opened: Instant::now(),
            has_cleaned: false,
            owed: Duration::ZERO,
            is_idle: false,
        }
    }

    async fn work(&mut self, moving: &Arc<Moving>, run: &Run) -> Result<Stepped, Failure> {
        let of = |error: StoreError| Failure::of(&error);
        if !self.has_cleaned {
            for side in [Side::Old, Side::New] {
                parts::abandon(moving.place(side)).await.map_err(of)?;
            }
            self.has_cleaned = true;
        }
        let stage = moving.stage();
        if !stage.mirrors() {
            return self.leave(moving).await;
        }
        let left = self.bring_marked(moving).await.map_err(of)?;
        let cursor = run.cursor().ok_or_else(|| Failure::new("the job has no cursor"))?;
        let mut position = match self.shared.position() {
            Some(position) => position,
            None => {
                let stored = cursor.load().await?;
                stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(Position::new)
            }
        };
        if self.shared.takes_verification() {
            position.verify();
        }
        // The cursor may be lost with the index.
        if position.pass.is_none() && stage == Stage::Copying {
            position.verify();
        }
        self.shared.set(&position);
        let Some(pass) = position.pass.filter(|_| !moving.migration().paused) else {
            self.is_idle = true;
            return Ok(if left == 0 { Stepped::Done } else { Stepped::Left });
        };
        self.step_of(pass, moving, run, position).await
    }

    /// Does a page of a pass.
    async fn step_of(
        &mut self,
        pass: Pass,
        moving: &Arc<Moving>,
        run: &Run,
        mut position: Position,
    ) -> Result<Stepped, Failure> {
        let of = |error: StoreError| Failure::of(&error);
        let began = Instant::now();
        if position.after.is_none() {
            position.alone = moving.is_alone();
            // Listings of files come from an index, which may not know yet what is there.
            for place in [moving.truth(), moving.other()] {
                let progress = Progress::default();
                place.opened.upkeep.scan(Depth::Changed, &progress).await.map_err(of)?;
            }
        }
        let Walked { counts, after, trouble } =
            walk::page(moving, position.after.take(), pass == Pass::Verify).await.map_err(of)?;
        let sum = &mut position.counts;
        sum.objects += counts.objects;
        sum.copied += counts.copied;
        sum.bytes += counts.bytes;
        sum.removed += counts.removed;
        sum.differing += counts.differing;
        sum.failed += counts.failed;
        for (what, count) in [
            ("objects", counts.objects),
            ("copied", counts.copied),
            ("bytes", counts.bytes),
            ("failed", counts.failed),
        ] {
            run.add(what, count);
        }
        if let Some(rate) = moving.migration().rate.filter(|rate| *rate > 0) {
            let due = Duration::from_secs_f64(counts.bytes as f64 / rate as f64);
            self.owed = due.saturating_sub(began.elapsed());
        }
        let is_over = after.is_none();
        position.after = after;
        let MigrationCounts { differing, failed, .. } = position.counts;
        if let Some(trouble) = trouble {
            moving.set_trouble(Some(trouble));
        }
        if is_over {
            let is_equal = pass == Pass::Verify && differing == 0 && failed == 0 && position.alone;
            if is_equal {
                position.pass = None;
                moving.set_trouble(None);
                self.verified(moving).await.map_err(of)?;
            } else {
                position.verify();
            }
        }
        self.shared.set(&position);
        let cursor = run.cursor().ok_or_else(|| Failure::new("the job has no cursor"))?;
        cursor.store(serde_json::to_string(&position).ok()).await?;
        // What failed, or is not alone yet, is not tried in circles.
        self.is_idle = false;
        let is_left = is_over && pass == Pass::Verify && position.pass.is_some();
        Ok(if is_left { Stepped::Left } else { Stepped::Done })
    }

    async fn verified(&self, moving: &Moving) -> Result<(), StoreError> {
        if moving.stage() != Stage::Copying {
            return Ok(());
        }
        tracing::info!(bucket = %self.name, "both places of a bucket that migrates are equal: it can be cut over");
        moving
            .change(|migration| {
                if migration.stage == Stage::Copying {
                    migration.stage = Stage::Verified;
                }
                Ok(())
            })
            .await
    }

    /// Brings what is marked and nobody works on. Returns how many keys are left.
    async fn bring_marked(&self, moving: &Arc<Moving>) -> Result<u64, StoreError> {
        if !moving.truth().store().capabilities().late_conditions && self.opened.elapsed() < LATE {
            return Ok(0);
        }
        let (mut after, mut left) = (None, 0);
        loop {
            let (keys, next) = moving.marks.waiting(after).await?;
            let done = stream::iter(keys.into_iter().map(|key| async move {
                moving.reconcile_in_turn(&key).await.map_err(|error| (key, error))
            }));
            let done: Vec<_> = done.buffer_unordered(AT_ONCE).collect().await;
            for (key, error) in done.into_iter().filter_map(Result::err) {
                left += 1;
                moving.set_trouble(Some(format!("{:?}: {error}", key.as_str())));
            }
            after = next;
            if after.is_none() {
                if left == 0 && self.shared.position().is_none_or(|position| position.counts.failed == 0) {
                    moving.set_trouble(None);
                }
                return Ok(left);
            }
        }
    }

    /// Leaves a place once nothing is under way there.
    async fn leave(&mut self, moving: &Arc<Moving>) -> Result<Stepped, Failure> {
        let side = moving.stage().truth().other();
        self.is_idle = true;
        if moving.rooted(side) > 0 || !moving.is_alone() {
            return Ok(Stepped::Left);
        }
        if parts::has_uploads(moving.place(side)).await.map_err(|error| Failure::of(&error))? {
            return Ok(Stepped::Left);
        }
        let Some(ending) = self.ending.get() else { return Ok(Stepped::Left) };
        ending.end(&self.name).await.map_err(|error| Failure::of(&error))?;
        Ok(Stepped::Gone)
    }
}

#[async_trait]
impl Worker for MigrationWorker {
    fn kind(&self) -> &'static JobKind {
        &kind::MIGRATION
    }

    fn subject(&self) -> Subject {
        Subject::Bucket { id: self.id, name: self.name.clone() }
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        let Some(moving) = self.moving.upgrade() else { return Ok(Stepped::Gone) };
        self.owed = Duration::ZERO;
        let done = self.work(&moving, run).await;
        if let Err(failure) = &done {
            moving.set_trouble(Some(failure.to_string()));
        }
        done
    }

    fn rest(&mut self, ended: &Ended) -> Option<Duration> {
        Some(match ended.outcome {
            TurnOutcome::Failed | TurnOutcome::Elsewhere | TurnOutcome::Left => AGAIN,
            TurnOutcome::Done if self.is_idle => REST,
            TurnOutcome::Done => self.owed,
        })
    }

    async fn called(&mut self) {
        match self.moving.upgrade() {
            // A rest that the rate asks for is not ended early.
            Some(moving) if self.owed.is_zero() => moving.wake.notified().await,
            _ => std::future::pending().await,
        }
    }
}
