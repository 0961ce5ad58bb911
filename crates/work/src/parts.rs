//! The state of each bucket in a job that goes over all buckets.
//!
//! Invariant: for each kind, the buckets in progress are known, and at most [`KEPT`] buckets whose last work
//! failed. Nothing is kept for any other bucket.

use super::{Cursor, Failure, JobKind, JobState, JobStatus, turns::Turn};
use crate::{
    catalog::BucketId,
    model::{BucketName, Timestamp},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The maximum number of failed buckets that are remembered for each kind. An operator checks these first;
/// the total number of failures is a count of the job.
const KEPT: usize = 256;

type Key = (&'static str, BucketId);

#[derive(Debug, Default)]
pub(crate) struct Parts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    running: BTreeMap<Key, RunningPart>,
    failed: BTreeMap<Key, FailedPart>,
}

#[derive(Debug)]
struct RunningPart {
    kind: &'static JobKind,
    bucket: BucketName,
    began: Timestamp,
}

#[derive(Debug)]
struct FailedPart {
    kind: &'static JobKind,
    bucket: BucketName,
    began: Timestamp,
    ended: Timestamp,
    failure: Failure,
}

impl Parts {
    pub(crate) fn begin(
        self: &Arc<Self>,
        kind: &'static JobKind,
        id: BucketId,
        bucket: &BucketName,
        cursor: Cursor,
        turn: Turn,
    ) -> Part {
        let began = Timestamp::now();
        self.known().running.insert((kind.name, id), RunningPart { kind, bucket: bucket.clone(), began });
        Part { parts: self.clone(), kind, id, bucket: bucket.clone(), began, cursor, turn }
    }

    /// Reports that the job has gone over all buckets since `began`: a failed bucket that it did not reach no
    /// longer exists.
    pub(crate) fn went_over_all(&self, kind: &JobKind, began: Timestamp) {
        self.known().failed.retain(|(name, _), part| *name != kind.name || part.ended >= began);
    }

    /// Forgets a deleted bucket.
    pub(crate) fn forget(&self, bucket: BucketId) {
        self.known().failed.retain(|(_, id), _| *id != bucket);
    }

    pub(crate) fn shown(&self, is_wanted: impl Fn(&str, &BucketName) -> bool) -> Vec<JobState> {
        let known = self.known();
        let rests = |key: &Key| !known.running.contains_key(key);
        let failed =
            known.failed.iter().filter(|(key, part)| rests(key) && is_wanted(part.kind.name, &part.bucket));
        let failed = failed.map(|(_, part)| {
            let ended = (Some(part.ended), Some(part.failure.to_string()));
            shown(part.kind, &part.bucket, JobStatus::Failed, part.began, ended)
        });
        let running = known.running.values().filter(|part| is_wanted(part.kind.name, &part.bucket));
        let running =
            running.map(|part| shown(part.kind, &part.bucket, JobStatus::Running, part.began, (None, None)));
        failed.chain(running).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(
    kind: &JobKind,
    bucket: &BucketName,
    state: JobStatus,
    began: Timestamp,
    (ended, error): (Option<Timestamp>, Option<String>),
) -> JobState {
    JobState {
        job: kind.name.to_owned(),
        bucket: Some(bucket.to_string()),
        backend: None,
        state,
        interruption: kind.interruption,
        began: Some(began),
        ended,
        // No time of its own: the next step of the job works on the bucket.
        next: None,
        progress: Vec::new(),
        error,
    }
}

/// One bucket that a job works on now. If it is dropped before its end, its outcome is unknown.
#[derive(Debug)]
pub struct Part {
    parts: Arc<Parts>,
    kind: &'static JobKind,
    id: BucketId,
    bucket: BucketName,
    began: Timestamp,
    cursor: Cursor,
    turn: Turn,
}

impl Part {
    /// Returns the position of the job in the bucket.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Resolves when another process works on the bucket: the work has to end.
    pub async fn lost(&self) {
        self.turn.lost().await;
    }

    /// Remembers the outcome.
    pub fn end(self, failure: Option<Failure>) {
        let mut known = self.parts.known();
        let key = (self.kind.name, self.id);
        match failure {
            None => drop(known.failed.remove(&key)),
            Some(failure) => {
                let of_kind = |(kind, _): &&Key| *kind == self.kind.name;
                if known.failed.contains_key(&key) || known.failed.keys().filter(of_kind).count() < KEPT {
                    let (kind, bucket, began) = (self.kind, self.bucket.clone(), self.began);
                    known
                        .failed
                        .insert(key, FailedPart { kind, bucket, began, ended: Timestamp::now(), failure });
                }
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.parts.known().running.remove(&(self.kind.name, self.id));
    }
}
