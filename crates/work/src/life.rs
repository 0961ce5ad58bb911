//! The life of a worker: turn, step, rest, until the server stops or there is no more work.

use super::{Ended, Failure, Stepped, Subject, TurnOutcome, Worker, Workers, entry::Entry};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// What follows a step.
enum Next {
    Rest(Duration),
    /// There is no more work.
    Over,
    /// The subject of the job no longer exists, or the server stops.
    Gone,
}

impl Workers {
    /// Runs a worker until `stop`, and shows it meanwhile. The caller spawns this and waits for its end.
    pub async fn live(self, mut worker: Box<dyn Worker>, stop: CancellationToken) {
        let row = self.show(worker.kind(), worker.subject());
        let entry = row.entry.clone();
        let mut next = Next::Rest(worker.first_rest());
        loop {
            match next {
                // No timer is set: work that is due at once begins at once.
                Next::Rest(rest) if rest.is_zero() => {}
                Next::Rest(rest) => {
                    entry.rests(rest);
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        () = worker.called() => {}
                        () = sleep(rest) => {}
                    }
                }
                Next::Over => {
                    entry.is_over();
                    // Jobs of a bucket or a backend are removed with it: otherwise they would be shown for
                    // ever.
                    if entry.subject == Subject::Server {
                        row.stay();
                    }
                    return;
                }
                Next::Gone => return,
            }
            // The step is boxed, so that a resting job does not take the memory of a step.
            let step = Box::pin(self.step(&entry, &mut *worker, &stop));
            next = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = step => next,
            };
        }
    }

    async fn step(&self, entry: &Arc<Entry>, worker: &mut dyn Worker, stop: &CancellationToken) -> Next {
        let began = Instant::now();
        let outcome = match self.turns().take(&entry.subject.turn(entry.kind)).await {
            Ok(Some(turn)) => {
                entry.begins();
                let run = self.run(entry, stop.clone());
                let stepped = tokio::select! {
                    biased;
                    () = turn.lost() => Err(Failure::new("another process took the job over")),
                    stepped = worker.step(&run) => stepped,
                };
                entry.ends(stepped.as_ref().err().cloned());
                match stepped {
                    Ok(Stepped::Gone) => return Next::Gone,
                    Ok(Stepped::Done) => TurnOutcome::Done,
                    Ok(Stepped::Left) => TurnOutcome::Left,
                    Err(_) => TurnOutcome::Failed,
                }
            }
            Ok(None) => {
                entry.is_elsewhere();
                TurnOutcome::Elsewhere
            }
            Err(failure) => {
                tracing::warn!(job = entry.kind.name, %failure, "the turn of a job could not be taken; it is tried again");
                entry.fails(failure);
                TurnOutcome::Failed
            }
        };
        worker.rest(&Ended { outcome, took: began.elapsed() }).map_or(Next::Over, Next::Rest)
    }
}
