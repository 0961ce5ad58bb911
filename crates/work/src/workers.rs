//! All jobs of a process, and the state of each.

use super::{
    Cursor, Failure, JobKind, JobState, JobStatus, Part, ProcessTurns, Run, Subject, entry::Entry,
    parts::Parts, turns::Turns,
};
use crate::{
    catalog::{BucketId, Catalog},
    model::{BucketName, Timestamp},
};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// The maximum number of ended jobs, among those that operators requested, that are remembered.
const REMEMBERED: usize = 64;

/// A handle on the jobs; clones share them.
#[derive(Clone)]
pub struct Workers(Arc<Inner>);

struct Inner {
    catalog: Arc<dyn Catalog>,
    turns: Arc<dyn Turns>,
    jobs: Mutex<Jobs>,
    parts: Arc<Parts>,
}

#[derive(Default)]
struct Jobs {
    next: u64,
    all: BTreeMap<u64, Arc<Entry>>,
    /// Ended jobs, the newest last.
    ended: VecDeque<Arc<Entry>>,
}

/// Which jobs an operator wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only jobs of this kind.
    pub job: Option<String>,
    /// Only jobs of this bucket, and those that handle all buckets.
    pub bucket: Option<BucketName>,
}

/// Jobs in their current state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub jobs: Vec<JobState>,
    /// The number of jobs that are not listed.
    pub left_out: usize,
}

impl Workers {
    pub fn new(catalog: Arc<dyn Catalog>, turns: Arc<dyn Turns>) -> Self {
        Self(Arc::new(Inner { catalog, turns, jobs: Mutex::default(), parts: Arc::default() }))
    }

    /// Creates the jobs of a process that does not share its catalog.
    pub fn alone(catalog: Arc<dyn Catalog>) -> Self {
        Self::new(catalog, Arc::new(ProcessTurns::default()))
    }

    /// Begins work on one bucket, as part of a job over all buckets. `None` means that another process works
    /// on it.
    pub async fn part(
        &self,
        kind: &'static JobKind,
        id: BucketId,
        name: &BucketName,
    ) -> Result<Option<Part>, Failure> {
        let subject = Subject::Bucket { id, name: name.clone() };
        let turn = self.turns().take(&subject.turn(kind)).await?;
        Ok(turn.map(|turn| {
            self.0.parts.begin(kind, id, name, Cursor::new(self.0.catalog.clone(), id, kind), turn)
        }))
    }

    /// Reports that a job has gone over all buckets since `began`.
    pub fn went_over_all(&self, kind: &JobKind, began: Timestamp) {
        self.0.parts.went_over_all(kind, began);
    }

    /// Forgets what is remembered of a bucket that was deleted.
    pub fn forget(&self, bucket: BucketId) {
        self.0.parts.forget(bucket);
        self.jobs()
            .ended
            .retain(|entry| !matches!(&entry.subject, Subject::Bucket { id, .. } if *id == bucket));
    }

    /// Failed jobs come first, then those in progress; within that they are ordered by kind. Lists at most
    /// `limit`.
    pub fn list(&self, wanted: &Wanted, limit: usize) -> Listed {
        let is_kind = |kind: &str| wanted.job.as_deref().is_none_or(|job| job == kind);
        let of_bucket = |bucket: &BucketName| wanted.bucket.as_ref().is_none_or(|wanted| wanted == bucket);
        let is_wanted = |entry: &&Arc<Entry>| {
            let concerns = match &entry.subject {
                Subject::Server => true,
                Subject::Backend(_) => wanted.bucket.is_none(),
                Subject::Bucket { name, .. } => of_bucket(name),
            };
            concerns && is_kind(entry.kind.name)
        };
        let mut entries: Vec<Arc<Entry>> = {
            let jobs = self.jobs();
            jobs.all.values().chain(&jobs.ended).filter(is_wanted).cloned().collect()
        };
        let mut shown = self.0.parts.shown(|kind, bucket| is_kind(kind) && of_bucket(bucket));
        let all = entries.len() + shown.len();
        // Only the jobs that are shown are formatted.
        entries.sort_by_cached_key(|entry| entry.state());
        shown.extend(entries.iter().take(limit).map(|entry| entry.shown()));
        shown.sort_by_key(|job| job.state > JobStatus::Running);
        shown.truncate(limit);
        shown.sort_by(|one, other| {
            let key = |job: &JobState| {
                (job.state > JobStatus::Running, job.job.clone(), job.backend.clone(), job.bucket.clone())
            };
            key(one).cmp(&key(other))
        });
        Listed { left_out: all - shown.len(), jobs: shown }
    }

    pub(crate) fn turns(&self) -> &dyn Turns {
        &*self.0.turns
    }

    /// Shows a job until the row is dropped.
    pub(crate) fn show(&self, kind: &'static JobKind, subject: Subject) -> Row {
        let entry = Arc::new(Entry::new(kind, subject));
        let mut jobs = self.jobs();
        let number = jobs.next;
        jobs.next += 1;
        jobs.all.insert(number, entry.clone());
        Row { workers: self.clone(), number, entry, stays: false }
    }

    /// Makes what a step of a job receives.
    pub(crate) fn run(&self, entry: &Arc<Entry>, stop: CancellationToken) -> Run {
        let cursor = match &entry.subject {
            Subject::Bucket { id, .. } => Some(Cursor::new(self.0.catalog.clone(), *id, entry.kind)),
            Subject::Server | Subject::Backend(_) => None,
        };
        Run { entry: entry.clone(), cursor, stop }
    }

    /// Remembers a requested job, and replaces the earlier one of the same kind and subject.
    pub(crate) fn remember(&self, entry: &Arc<Entry>) {
        let mut jobs = self.jobs();
        jobs.ended.retain(|ended| ended.kind != entry.kind || ended.subject != entry.subject);
        if jobs.ended.len() == REMEMBERED {
            jobs.ended.pop_front();
        }
        jobs.ended.push_back(entry.clone());
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("turns", &self.0.turns).finish_non_exhaustive()
    }
}

/// A job that is shown until this is dropped.
pub(crate) struct Row {
    workers: Workers,
    number: u64,
    pub(crate) entry: Arc<Entry>,
    stays: bool,
}

impl Row {
    /// Shows the job permanently: there will be no further step, and the outcome of the last one matters to
    /// operators.
    pub(crate) fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !self.stays {
            self.workers.jobs().all.remove(&self.number);
        }
    }
}
