//! The contract of a job that works by itself, step by step, until the server stops.

use super::{Failure, JobKind, Run, Subject};
use async_trait::async_trait;
use std::{fmt, time::Duration};

/// A job. `Workers::live` runs it: it takes the job's turn, does a step, rests, and repeats this.
///
/// An implementation guarantees:
/// - a step may be dropped wherever it waits; its kind says what that means (`Interruption`);
/// - a step ends: it does as much as there is to do now, and leaves what cannot be done now to the next step;
/// - it decides itself what it logs; its failure is also shown to operators.
#[async_trait]
pub trait Worker: Send + fmt::Debug + 'static {
    fn kind(&self) -> &'static JobKind;

    fn subject(&self) -> Subject {
        Subject::Server
    }

    /// Returns how long the job rests before its first step.
    fn first_rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Does the work that there is now.
    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure>;

    /// Returns how long the job rests now. `None` means that there is no more work.
    fn rest(&mut self, ended: &Ended) -> Option<Duration>;

    /// Waits for an event that ends a rest early. Dropping the future must lose nothing.
    async fn called(&mut self) {
        std::future::pending().await
    }
}

/// The result of a step that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// No work is left.
    Done,
    /// Work is left that cannot be done now.
    Left,
    /// The subject of the job no longer exists: the job ends, and is not shown any more.
    Gone,
}

/// How a step ended; the pace depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub outcome: TurnOutcome,
    pub took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOutcome {
    Done,
    Left,
    Failed,
    /// Another process works on it.
    Elsewhere,
}
