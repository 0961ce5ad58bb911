//! One run between two ends: its journal, the signals that stop it, and its report.

use super::{Access, events::Events, out::Out, pace};
use crate::{
    assembly::signals,
    ends::{self, Failure, FailureKind, Opener, Place},
    model::{Chain, Timestamp},
    transfer::{End, Journal, Options, Transfer},
    verbs,
};
use std::{path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(super) struct Going {
    /// Keep the journal in this file, and go on with the run that it is of [default: a file in
    /// $XDG_STATE_HOME/causeway/runs, by ends and options].
    #[arg(long, value_name = "FILE", conflicts_with = "no_resume")]
    resume: Option<PathBuf>,
    /// Keep no journal: a run that is killed begins anew.
    #[arg(long)]
    no_resume: bool,
    #[command(flatten)]
    pub(super) pace: pace::Pace,
    #[command(flatten)]
    pub(super) access: Access,
}

/// Between two reports of the progress.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// The two places of a run.
pub(super) struct Pair<'p> {
    pub(super) source: &'p Place,
    pub(super) destination: &'p Place,
    /// Which of several things that are at the source is meant: the name of a snapshot.
    pub(super) part: &'p str,
}

impl Pair<'_> {
    /// Fails if one end lies in the other one: a run would read what it has written.
    pub(super) fn refuse_overlap(&self) -> Result<(), Failure> {
        let (source, destination) = (self.source, self.destination);
        if source.overlaps(destination) {
            let (from, to) = (&source.label, &destination.label);
            return Err(Failure::senseless(format!("'{from}' and '{to}' overlap: one lies in the other")));
        }
        Ok(())
    }
}

impl Going {
    /// Returns whether something was said about the journal.
    pub(super) fn names_a_journal(&self) -> bool {
        self.no_resume || self.resume.is_some()
    }

    /// Runs to the end. `alone` is what the object is called, if both ends are one object.
    pub(super) async fn run(
        &self,
        opener: &Opener<'_>,
        out: &mut Out,
        pair: &Pair<'_>,
        (source, destination): (End, End),
        options: Options,
        alone: Option<String>,
    ) -> Result<(), Failure> {
        let file = self.journal_file(opener, pair, &destination, &options)?;
        let journal = match &file {
            Some(file) => {
                let opened = Journal::open(file, source.label(), destination.label(), &options);
                opened.map_err(|error| Failure::failed(Chain(&error).to_string()))?
            }
            None => Journal::default(),
        };
        let mut transfer = Transfer::new(source, destination, options, Timestamp::now());
        transfer.tuning = self.pace.tuning()?;
        transfer.journal = journal;
        transfer.clock = pace::clock();
        transfer.progress_every = Some(EVERY);
        let cancel = transfer.cancel.clone();
        let mut events = Events::new(out, alone, false);
        let run = verbs::carry(transfer, |event| events.hear(event));
        let summary = until_stopped(run, &cancel).await?;
        events.end(&summary, file.is_some())
    }

    fn journal_file(
        &self,
        opener: &Opener<'_>,
        pair: &Pair<'_>,
        destination: &End,
        options: &Options,
    ) -> Result<Option<PathBuf>, Failure> {
        if self.no_resume || options.dry_run {
            return Ok(None);
        }
        if self.resume.is_some() {
            return Ok(self.resume.clone());
        }
        let (from, to) =
            (pair.source.whole(), format!("{}/{}", pair.destination.address, destination.prefix()));
        let from = format!("{from}{}", pair.part);
        let options = serde_json::to_string(options).map_err(|error| Failure::failed(error.to_string()))?;
        ends::journal(&opener.environment, &format!("{from}\n{to}\n{options}"))
    }
}

/// Runs until the end, or until a signal cancels the run. A second signal does not wait for that.
pub(super) async fn until_stopped<T>(
    run: impl Future<Output = Result<T, Failure>>,
    cancel: &CancellationToken,
) -> Result<T, Failure> {
    let (mut stopping, mut hang_up) = signals::install().map_err(|error| Failure::of_start(&error))?;
    let stopped = async {
        tokio::select! {
            () = stopping.wait() => {}
            _ = hang_up.recv() => {}
        }
        cancel.cancel();
        stopping.wait().await;
    };
    tokio::select! {
        done = run => done,
        () = stopped => Err(Failure::new(FailureKind::Stopped, "stopped at once")),
    }
}
