//! A run: copy, sync or move, from both listings to the summary.
//!
//! One task reads pairs and decides, with some HEADs under way at once; each object is brought by a task of
//! its own. Whatever is full makes the one before it wait, so memory does not grow with the number of
//! objects.
//!
//! Invariants: dropping the run's future stops its tasks. Nothing is deleted by a listing that failed. After
//! a failure nothing is deleted, unless it is deleted before or during the transfers.

use crate::{
    context::Context,
    end::End,
    error::TransferError,
    events::{Deed, Event, Reporter, Summary},
    filter::{Filter, Scope},
    journal::Journal,
    listing::Listing,
    model::Timestamp,
    options::{DeleteWhen, Options, Tuning, Verb},
    pace::{Pace, WeekClock},
    pairs::Pairs,
    parts,
    plan::{Step, decide},
    progress::Progress,
    retry::Retry,
    steps::{actions, perform},
    store::error::StoreError,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A run that is not begun yet.
pub struct Transfer {
    pub source: End,
    pub destination: End,
    pub options: Options,
    pub tuning: Tuning,
    /// A run without a file cannot go on after it was killed.
    pub journal: Journal,
    pub reporter: Reporter,
    pub progress: Arc<Progress>,
    /// How often `Event::Progress` is sent.
    pub progress_every: Option<Duration>,
    /// Ends the run early, and leaves its journal.
    pub cancel: CancellationToken,
    /// The time from which ages count.
    pub now: Timestamp,
    /// The clock of the bandwidth's timetable.
    pub clock: WeekClock,
}

impl Transfer {
    pub fn new(source: End, destination: End, options: Options, now: Timestamp) -> Self {
        Self {
            source,
            destination,
            options,
            tuning: Tuning::default(),
            journal: Journal::default(),
            reporter: Reporter::default(),
            progress: Arc::default(),
            progress_every: None,
            cancel: CancellationToken::new(),
            now,
            clock: Arc::new(|| 0),
        }
    }

    /// Runs to the end. The summary has the failures of single objects.
    pub async fn run(self) -> Result<Summary, TransferError> {
        let (cancel, every) = (self.cancel.clone(), self.progress_every);
        let context = Arc::new(self.context().await?);
        let passes: &[Pass] = match (context.options.verb, context.options.delete) {
            (Verb::Sync, DeleteWhen::Before) => &[Pass::DELETE, Pass::SEND],
            (Verb::Sync, DeleteWhen::During) => &[Pass::BOTH],
            (Verb::Sync, DeleteWhen::After) => &[Pass::SEND, Pass::DELETE],
            (Verb::Copy | Verb::Move, _) => &[Pass::SEND],
        };
        let mut summary = Summary::default();
        let mut deletions = Deletions::default();
        for (at, pass) in passes.iter().enumerate() {
            if at > 0 && pass.deletes {
                if deletions.left == 0 {
                    break;
                }
                if context.progress.snapshot().failed > 0 {
                    summary.deletions_left_out = true;
                    break;
                }
            }
            let runner =
                Runner { context: &context, pass: *pass, deletions: &mut deletions, cancel: &cancel };
            if !runner.run(every).await? {
                summary.cancelled = true;
                break;
            }
        }
        summary.counts = context.progress.snapshot();
        summary.failures =
            std::mem::take(&mut *context.failures.lock().unwrap_or_else(PoisonError::into_inner));
        if summary.is_success() && !context.options.dry_run {
            parts::clear(&context).await?;
            context.journal.finish()?;
        }
        Ok(summary)
    }

    async fn context(self) -> Result<Context, TransferError> {
        let Self {
            source, destination, mut options, tuning, journal, reporter, progress, now, clock, ..
        } = self;
        refuse_overlap(&source, &destination)?;
        if options.dry_run && journal.lasts() {
            return Err(TransferError::Options(
                "a dry run has no journal: there is nothing to go on with".into(),
            ));
        }
        let mut filter_options = options.filter.clone();
        if let Some(trash) = &mut options.trash {
            if !trash.ends_with('/') {
                trash.push('/');
            }
            match destination.name(trash) {
                Some("") => {
                    let why = "the trash is the destination itself: name a folder in it, or elsewhere";
                    return Err(TransferError::Options(why.to_owned()));
                }
                Some(name) => filter_options.reserved.push(name.to_owned()),
                None if destination.prefix().starts_with(trash.as_str()) => {
                    return Err(TransferError::Options("the destination is in the trash".to_owned()));
                }
                None => {}
            }
        }
        let filter =
            Filter::new(&filter_options, now).map_err(|error| TransferError::Options(error.to_string()))?;
        let retry = Arc::new(Retry::new(tuning.retry, tuning.seed));
        let unknown = |end: &End, error: StoreError| TransferError::Listing {
            end: end.label().to_owned(),
            source: error.into(),
        };
        let capabilities = match options.dry_run {
            // To try them out, a driver may write.
            true => Ok(destination.store.capabilities()),
            false => retry.run(|| destination.store.tried_capabilities()).await,
        };
        Ok(Context {
            capabilities: capabilities.map_err(|error| unknown(&destination, error))?,
            source_capabilities: source.store.capabilities(),
            filter: Arc::new(filter),
            retry,
            pace: Arc::new(Pace::new(tuning.bandwidth.clone(), clock)),
            failures: Mutex::default(),
            source,
            destination,
            options,
            tuning,
            progress,
            reporter,
            journal,
        })
    }
}

/// A run that reads what it has just written would not end.
pub(crate) fn refuse_overlap(source: &End, destination: &End) -> Result<(), TransferError> {
    if source.overlaps(destination) {
        let why = format!("{} and {} overlap: one lies in the other", source.label(), destination.label());
        return Err(TransferError::Options(why));
    }
    Ok(())
}

/// What one pass over both listings does.
#[derive(Debug, Clone, Copy)]
struct Pass {
    sends: bool,
    deletes: bool,
}

impl Pass {
    const SEND: Self = Self { sends: true, deletes: false };
    const DELETE: Self = Self { sends: false, deletes: true };
    const BOTH: Self = Self { sends: true, deletes: true };
}

#[derive(Debug, Default)]
struct Deletions {
    /// What this pass has left for a later one.
    left: u64,
    begun: u64,
}

struct Runner<'r> {
    context: &'r Arc<Context>,
    pass: Pass,
    deletions: &'r mut Deletions,
    cancel: &'r CancellationToken,
}

type Decided = (String, Result<Step, StoreError>);

impl Runner<'_> {
    /// Returns whether the pass came to its end; otherwise it was cancelled.
    async fn run(mut self, every: Option<Duration>) -> Result<bool, TransferError> {
        let context = self.context;
        let mut pairs = self.pairs();
        let mut checks = FuturesUnordered::new();
        let mut waiting: VecDeque<Step> = VecDeque::new();
        let mut tasks: JoinSet<Result<(), TransferError>> = JoinSet::new();
        let (transfers, checkers) = (context.tuning.transfers.max(1), context.tuning.checkers.max(1));
        let mut ticks = every.map(tokio::time::interval);
        let sends = self.pass.sends;
        let mut ended = false;
        let mut failure = None;
        loop {
            while failure.is_none() && tasks.len() < transfers {
                let Some(step) = waiting.pop_front() else { break };
                let context = context.clone();
                tasks.spawn(async move { perform(&context, step).await });
            }
            let is_idle = checks.is_empty() && waiting.is_empty();
            if tasks.is_empty() && (failure.is_some() || ended && is_idle) {
                return failure.map_or(Ok(true), Err);
            }
            let reads = failure.is_none() && !ended && checks.len() < checkers && waiting.len() < transfers;
            tokio::select! {
                () = self.cancel.cancelled() => {
                    tasks.shutdown().await;
                    return Ok(false);
                }
                _ = async { ticks.as_mut().expect("it ticks").tick().await }, if ticks.is_some() => {
                    context.reporter.send(Event::Progress(context.progress.snapshot())).await;
                }
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    let done = done.map_err(TransferError::Task).flatten();
                    failure = failure.or(done.err());
                }
                Some(decided) = checks.next(), if failure.is_none() && !checks.is_empty() => {
                    match self.take(decided).await {
                        Ok(step) => waiting.extend(step),
                        Err(error) => failure = Some(error),
                    }
                }
                pair = pairs.next(), if reads => match pair {
                    Ok(Some(pair)) => checks.push(async move {
                        let name = pair.name().to_owned();
                        (name, decide(context, pair, sends).await)
                    }),
                    Ok(None) => ended = true,
                    Err(error) => failure = Some(error),
                },
            }
        }
    }

    fn pairs(&self) -> Pairs {
        let context = self.context;
        let scope = || Scope::new(context.filter.clone(), &context.source, &context.retry);
        let of_destination = match context.options.delete_excluded {
            true => Scope::open(context.filter.clone()),
            false => scope(),
        };
        Pairs::new(
            Listing::begin(context.source.clone(), scope(), context.retry.clone()),
            Listing::begin(context.destination.clone(), of_destination, context.retry.clone()),
        )
    }

    /// Returns the step that this pass takes.
    async fn take(&mut self, (name, decided): Decided) -> Result<Option<Step>, TransferError> {
        let context = self.context;
        if self.pass.sends {
            context.progress.compared(1);
        }
        let step = match decided {
            Ok(Step::Delete(_)) if context.options.verb != Verb::Sync => return Ok(None),
            Ok(Step::Delete(entry)) if self.pass.deletes => {
                if context.options.max_delete.is_some_and(|limit| self.deletions.begun >= limit) {
                    return Err(TransferError::TooManyDeletions { limit: self.deletions.begun });
                }
                self.deletions.begun += 1;
                Step::Delete(entry)
            }
            Ok(Step::Delete(_)) => {
                self.deletions.left += 1;
                return Ok(None);
            }
            // A pass that only deletes is about nothing else.
            _ if !self.pass.sends => return Ok(None),
            Ok(Step::Skip) => {
                context.progress.skipped(1);
                return Ok(None);
            }
            Ok(Step::Unchanged(entry)) => {
                context.progress.unchanged(1);
                match context.options.verb {
                    Verb::Move => Step::Unchanged(entry),
                    Verb::Copy | Verb::Sync => return Ok(None),
                }
            }
            Ok(step) => step,
            Err(error) => {
                context.fail(&name, None, &error).await;
                return Ok(None);
            }
        };
        if !context.options.dry_run {
            return Ok(Some(step));
        }
        for (action, size) in actions(&step, context.options.verb) {
            context.reporter.send(Event::Planned(Deed::new(&name, action, size))).await;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
