//! Running the engine of transfers between two ends, for a person or a job.
//!
//! Owns how events are heard while a run works, and which failure follows from its end. What a run does is
//! in `transfer`.

use crate::{
    ends::{Failure, FailureKind},
    model::Chain,
    transfer::{
        Check, Transfer, TransferError, TwoWay,
        check::CheckSummary,
        events::{Event, Reporter, Summary},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Number of events that wait to be heard.
const AHEAD: usize = 64;

/// Runs a transfer to its end.
pub async fn carry(
    mut transfer: Transfer,
    hear: impl FnMut(Event) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let (sender, events) = mpsc::channel(AHEAD);
    transfer.reporter = Reporter::new(sender);
    let cancel = transfer.cancel.clone();
    both(transfer.run(), events, hear, &cancel).await
}

/// Runs a two-way run to its end.
pub async fn two_way(
    mut run: TwoWay,
    hear: impl FnMut(Event) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    let (sender, events) = mpsc::channel(AHEAD);
    run.reporter = Reporter::new(sender);
    let cancel = run.cancel.clone();
    both(run.run(), events, hear, &cancel).await
}

/// Compares both ends.
pub async fn check(
    mut check: Check,
    hear: impl FnMut(Event) -> Result<(), Failure>,
) -> Result<CheckSummary, Failure> {
    let (sender, events) = mpsc::channel(AHEAD);
    check.reporter = Reporter::new(sender);
    let cancel = check.cancel.clone();
    both(check.run(), events, hear, &cancel).await
}

/// Who hears events may fail: the run is cancelled then.
async fn both<T>(
    run: impl Future<Output = Result<T, TransferError>>,
    mut events: mpsc::Receiver<Event>,
    mut hear: impl FnMut(Event) -> Result<(), Failure>,
    cancel: &CancellationToken,
) -> Result<T, Failure> {
    let heard = async {
        while let Some(event) = events.recv().await {
            if let Err(failure) = hear(event) {
                cancel.cancel();
                // A run waits for who hears: nobody does any more.
                drop(events);
                return Err(failure);
            }
        }
        Ok(())
    };
    let (done, heard) = tokio::join!(run, heard);
    heard?;
    done.map_err(|error| failure(&error))
}

fn failure(error: &TransferError) -> Failure {
    let kind = match error {
        TransferError::Options(_) => FailureKind::Senseless,
        TransferError::Cancelled => FailureKind::Stopped,
        _ => FailureKind::Failed,
    };
    let advice = match error {
        TransferError::DeletesTooMuch { .. } => ". --force does it, and --max-delete sets another limit",
        TransferError::EmptyEnd { .. } => ". Is it mounted, and written right? --force does it",
        TransferError::Conflicts { .. } => ". --conflict says what to do about them",
        TransferError::Pair { source: None, .. } => " (--resync)",
        _ => "",
    };
    Failure::new(kind, format!("{}{advice}", Chain(error)))
}
