//! The contract of a job that works by itself, step by step, until the server stops.

use super::{Failure, Kind, Run, Subject};
use async_trait::async_trait;
use std::{fmt, time::Duration};

/// A job. `Workers::live` has it work: it takes the job's turn, does a step, rests, and so on.
///
/// What an implementation promises:
/// - a step may be dropped wherever it waits; what that means is said by its kind (`Interruption`);
/// - a step ends: it does as much as there is to do now, and leaves what cannot be done now to the next one;
/// - what it writes to the log is its own affair; its failure is shown to operators, too.
#[async_trait]
pub trait Worker: Send + fmt::Debug + 'static {
    fn kind(&self) -> &'static Kind;

    fn subject(&self) -> Subject {
        Subject::Server
    }

    /// How long it rests before its first step.
    fn first_rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Does what there is to do now.
    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure>;

    /// How long it rests now. `None`: there is nothing to be done any more.
    fn rest(&mut self, ended: &Ended) -> Option<Duration>;

    /// Waits for what ends a rest early. Dropping it must lose nothing.
    async fn called(&mut self) {
        std::future::pending().await
    }
}

/// What a step that did not fail has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// Nothing is left to do.
    Done,
    /// Something is left that cannot be done now.
    Left,
    /// What the job is about is no more: the job ends, and is not shown any more.
    Gone,
}

/// How a step ended, for its pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub outcome: Outcome,
    pub took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Left,
    Failed,
    /// Another process works on it.
    Elsewhere,
}
