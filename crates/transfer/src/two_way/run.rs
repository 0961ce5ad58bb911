//! A two-way run, from both listings to the summary.
//!
//! Invariants: dropping the run's future stops it at once: it has no tasks but those that list. A run that
//! was cancelled or killed is gone on with by the next one of the same pair.

use super::{
    both::{Both, Working},
    options::{Policy, TwoWayOptions},
    plan::{Plan, Which},
    planning::{Found, plan},
    question::Ask,
    state::State,
    step::deeds,
};
use crate::{
    end::End,
    error::TransferError,
    events::{Event, MOST_FAILURES, Reporter, Summary},
    filter::Filter,
    model::Timestamp,
    options::Tuning,
    pace::{Pace, WeekClock},
    parts,
    progress::Progress,
    retry::Retry,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// A run that is not begun yet.
pub struct TwoWay {
    pub source: End,
    pub destination: End,
    pub options: TwoWayOptions,
    pub tuning: Tuning,
    /// The folder with the state of this pair.
    pub folder: PathBuf,
    /// What the state calls both ends. Without it, by their labels.
    pub addresses: Option<[String; 2]>,
    /// Names this run to others that want the same pair.
    pub owner: String,
    /// Answers about conflicts. Without it they are skipped where the policy is to ask.
    pub ask: Option<Ask>,
    pub reporter: Reporter,
    pub progress: Arc<Progress>,
    /// How often `Event::Progress` is sent.
    pub progress_every: Option<Duration>,
    /// Ends the run early.
    pub cancel: CancellationToken,
    /// The time from which ages count.
    pub now: Timestamp,
    /// The clock of the bandwidth's timetable.
    pub clock: WeekClock,
}

impl TwoWay {
    pub fn new(
        source: End,
        destination: End,
        options: TwoWayOptions,
        folder: PathBuf,
        now: Timestamp,
    ) -> Self {
        Self {
            source,
            destination,
            options,
            tuning: Tuning::default(),
            folder,
            addresses: None,
            owner: format!("process {}", std::process::id()),
            ask: None,
            reporter: Reporter::default(),
            progress: Arc::default(),
            progress_every: None,
            cancel: CancellationToken::new(),
            now,
            clock: Arc::new(|| 0),
        }
    }

    /// Runs to the end. The summary has the failures of single names.
    pub async fn run(self) -> Result<Summary, TransferError> {
        let (cancel, every) = (self.cancel.clone(), self.progress_every);
        let both = self.open()?;
        let report = async {
            let Some(every) = every else { return std::future::pending().await };
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                both.reporter.send(Event::Progress(both.progress.snapshot())).await;
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                let counts = both.progress.snapshot();
                Ok(Summary { counts, cancelled: true, ..Summary::default() })
            }
            done = work(&both) => done,
            () = report => Err(TransferError::Cancelled),
        }
    }

    fn open(self) -> Result<Both, TransferError> {
        let Self { source, destination, options, tuning, folder, owner, ask, reporter, progress, .. } = self;
        crate::run::refuse_overlap(&source, &destination)?;
        if !is_suffix(&options.suffix) {
            let why = "a suffix is not empty, and has no '/'";
            return Err(TransferError::Options(why.to_owned()));
        }
        let filter = Filter::new(&options.filter, self.now)
            .map_err(|error| TransferError::Options(error.to_string()))?;
        let resync = options.resync && !options.dry_run;
        let labels = || [source.label().to_owned(), destination.label().to_owned()];
        let addresses = self.addresses.unwrap_or_else(labels);
        let state = State::open(&folder, &addresses, &owner, resync)?;
        Ok(Both {
            filter: Arc::new(filter),
            retry: Arc::new(Retry::new(tuning.retry, tuning.seed)),
            pace: Arc::new(Pace::new(tuning.bandwidth.clone(), self.clock)),
            source,
            destination,
            addresses,
            options,
            tuning,
            progress,
            reporter,
            state,
            ask,
            asking: Default::default(),
        })
    }
}

fn is_suffix(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

async fn work(both: &Both) -> Result<Summary, TransferError> {
    let options = &both.options;
    let Found { plan, known, failures } = plan(both).await?;
    let conflicts = both.progress.snapshot().conflicts;
    if options.policy == Policy::Fail && conflicts > 0 {
        return Err(TransferError::Conflicts { count: conflicts });
    }
    if !options.force {
        plan.check(options.limit, known, [both.source.label(), both.destination.label()])?;
    }
    let mut summary = Summary { failures, ..Summary::default() };
    if options.dry_run {
        tell(both, &plan).await?;
    } else {
        both.state.begin()?;
        let working = Working::new(both, plan.largest).await?;
        for which in [Which::Deletions, Which::Others] {
            take(&working, &plan, which).await?;
        }
        let found =
            std::mem::take(&mut *working.report().failures.lock().unwrap_or_else(PoisonError::into_inner));
        summary.failures.extend(found);
        summary.failures.truncate(MOST_FAILURES);
        both.state.fold()?;
        if both.progress.snapshot().failed == 0 {
            for side in [crate::end::Side::Source, crate::end::Side::Destination] {
                let context = working.toward(side);
                parts::clear(context).await?;
                context.journal.finish()?;
            }
        }
    }
    both.state.remove("plan")?;
    summary.counts = both.progress.snapshot();
    Ok(summary)
}

/// Says what the plan would do.
async fn tell(both: &Both, plan: &Plan) -> Result<(), TransferError> {
    for which in [Which::Deletions, Which::Others] {
        let mut steps = plan.read(which)?;
        while let Some(planned) = steps.next()? {
            for deed in deeds(&planned) {
                both.reporter.send(Event::Planned(deed)).await;
            }
        }
    }
    Ok(())
}

/// Takes steps, some at once.
async fn take(working: &Working<'_>, plan: &Plan, which: Which) -> Result<(), TransferError> {
    let mut steps = plan.read(which)?;
    let mut taking = FuturesUnordered::new();
    let most = working.both.tuning.transfers.max(1);
    loop {
        while taking.len() < most
            && let Some(planned) = steps.next()?
        {
            taking.push(async move { working.perform(&planned).await });
        }
        match taking.next().await {
            Some(done) => done?,
            None => return Ok(()),
        }
    }
}
