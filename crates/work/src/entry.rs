//! The state of one job: its loop writes it, and operators read it.

use super::{Failure, JobKind, JobState, JobStatus};
use crate::{
    catalog::BucketId,
    model::{BucketName, Timestamp},
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The subject of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// All buckets.
    Server,
    Backend(Box<str>),
    Bucket {
        id: BucketId,
        name: BucketName,
    },
}

impl Subject {
    pub(crate) fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Bucket { name, .. } => Some(name),
            Self::Server | Self::Backend(_) => None,
        }
    }

    /// Returns the name of the turn of a job.
    pub(crate) fn turn(&self, kind: &JobKind) -> String {
        match self {
            Self::Server => kind.name.to_owned(),
            Self::Backend(name) => format!("{}/backend/{name}", kind.name),
            // The id of the bucket is used: a later bucket of the same name is another bucket.
            Self::Bucket { id, .. } => format!("{}/bucket/{}", kind.name, id.0),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: &'static JobKind,
    pub(crate) subject: Subject,
    counts: Box<[AtomicU64]>,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    phase: Phase,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    next: Option<Timestamp>,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Resting,
    Running,
    Elsewhere,
    Over,
}

impl Entry {
    pub(crate) fn new(kind: &'static JobKind, subject: Subject) -> Self {
        Self {
            kind,
            subject,
            counts: kind.counts.iter().map(|_| AtomicU64::new(0)).collect(),
            times: Mutex::default(),
        }
    }

    pub(crate) fn begins(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        let mut times = self.times();
        (times.phase, times.began, times.next) = (Phase::Running, Some(Timestamp::now()), None);
    }

    pub(crate) fn ends(&self, failure: Option<Failure>) {
        let mut times = self.times();
        (times.phase, times.ended, times.failure) = (Phase::Resting, Some(Timestamp::now()), failure);
    }

    /// The step could not begin: its turn could not be requested.
    pub(crate) fn fails(&self, failure: Failure) {
        let mut times = self.times();
        (times.phase, times.failure) = (Phase::Resting, Some(failure));
    }

    pub(crate) fn is_elsewhere(&self) {
        self.times().phase = Phase::Elsewhere;
    }

    pub(crate) fn rests(&self, rest: Duration) {
        let millis = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX);
        self.times().next = Some(Timestamp::from_millis(Timestamp::now().millis().saturating_add(millis)));
    }

    pub(crate) fn is_over(&self) {
        let mut times = self.times();
        (times.phase, times.next) = (Phase::Over, None);
    }

    pub(crate) fn count(&self, what: &str) -> Option<&AtomicU64> {
        let at = self.kind.counts.iter().position(|name| *name == what);
        debug_assert!(at.is_some(), "{} does not count {what}", self.kind.name);
        self.counts.get(at?)
    }

    pub(crate) fn state(&self) -> JobStatus {
        let times = self.times();
        match times.phase {
            Phase::Running => JobStatus::Running,
            Phase::Elsewhere => JobStatus::Elsewhere,
            Phase::Resting | Phase::Over if times.failure.is_some() => JobStatus::Failed,
            Phase::Resting => JobStatus::Waiting,
            Phase::Over => JobStatus::Done,
        }
    }

    pub(crate) fn shown(&self) -> JobState {
        let state = self.state();
        let progress = self
            .kind
            .counts
            .iter()
            .zip(&self.counts)
            .map(|(name, count)| ((*name).to_owned(), count.load(Ordering::Relaxed)));
        let times = self.times();
        JobState {
            job: self.kind.name.to_owned(),
            bucket: self.subject.bucket().map(ToString::to_string),
            backend: if let Subject::Backend(name) = &self.subject { Some(name.to_string()) } else { None },
            state,
            interruption: self.kind.interruption,
            began: times.began,
            ended: times.ended,
            next: times.next,
            progress: if times.began.is_some() { progress.collect() } else { Vec::new() },
            error: times.failure.as_ref().map(ToString::to_string),
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
