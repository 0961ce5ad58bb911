//! Jobs that an operator requests, once each. They are shown while they are in progress; afterwards the
//! newest of them are shown.

use super::{Failure, JobKind, Run, Subject, Workers, turns::Turn, workers::Row};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A job in progress. If it is dropped before its end, it counts as interrupted.
pub struct RequestedJob {
    workers: Workers,
    row: Row,
    run: Run,
    turn: Turn,
    ended: bool,
}

impl Workers {
    /// Begins a job. `None` means that another task or process still works on it after the waiting time.
    pub async fn begin(
        &self,
        kind: &'static JobKind,
        subject: Subject,
        patience: Duration,
    ) -> Result<Option<RequestedJob>, Failure> {
        let name = subject.turn(kind);
        let turn = if patience.is_zero() {
            self.turns().take(&name).await?
        } else {
            self.turns().wait(&name, patience).await?
        };
        Ok(turn.map(|turn| {
            let row = self.show(kind, subject);
            row.entry.begins();
            let run = self.run(&row.entry, CancellationToken::new());
            RequestedJob { workers: self.clone(), row, run, turn, ended: false }
        }))
    }
}

impl RequestedJob {
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Resolves when another process has the job: the work has to end.
    pub async fn lost(&self) {
        self.turn.lost().await;
    }

    pub fn end(mut self, failure: Option<Failure>) {
        self.row.entry.ends(failure);
        self.ended = true;
    }
}

impl Drop for RequestedJob {
    fn drop(&mut self) {
        if !self.ended {
            self.row.entry.ends(Some(Failure::new("it was interrupted before its end")));
        }
        self.row.entry.is_over();
        self.workers.remember(&self.row.entry);
    }
}
