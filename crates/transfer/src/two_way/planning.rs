//! From what both ends had and have to the plan of a run.
//!
//! Invariant: nothing is changed at either end. What both ends have alike is written down here, but by no dry
//! run.

use super::{
    both::Both,
    judge::{Judged, judge},
    plan::{Plan, Writer},
    step::{Planned, Step},
    triples::Triples,
};
use crate::{
    error::TransferError,
    events::{Event, Failure},
    filter::Scope,
    listing::Listing,
    pairs::Pairs,
};
use futures_util::{StreamExt, stream};

/// What planning has found.
pub(crate) struct Found {
    pub(crate) plan: Plan,
    /// Number of names that both ends had after the last run.
    pub(crate) known: u64,
    pub(crate) failures: Vec<Failure>,
}

/// Number of objects that each end has now.
#[derive(Debug, Default)]
struct Seen {
    known: u64,
    source: u64,
    destination: u64,
}

pub(crate) async fn plan(both: &Both) -> Result<Found, TransferError> {
    // A dry run with a resync forgets nothing.
    let known = if both.options.resync { None } else { both.state.read()? };
    let is_first = known.is_none();
    let scope = || Scope::new(both.filter.clone(), &both.source, &both.retry);
    let pairs = Pairs::new(
        Listing::begin(both.source.clone(), scope(), both.retry.clone()),
        Listing::begin(both.destination.clone(), scope(), both.retry.clone()),
    );
    let triples = stream::unfold(Some(Triples::new(known, scope(), pairs)), async |triples| {
        let mut triples = triples?;
        match triples.next().await.transpose()? {
            Ok(triple) => Some((Ok(triple), Some(triples))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let judged = triples
        .map(|triple| async {
            let triple = triple?;
            let name = triple.name.clone();
            let has = [triple.base.is_some(), triple.source.is_some(), triple.destination.is_some()];
            Ok::<_, TransferError>((name, has, judge(both, triple, is_first).await))
        })
        .buffered(both.tuning.checkers.max(1));
    let mut judged = std::pin::pin!(judged);
    let mut writer = Writer::create(both.state.path("plan"))?;
    let (mut seen, mut failures) = (Seen::default(), Vec::new());
    while let Some(found) = judged.next().await {
        let (name, has, judged) = found?;
        both.progress.compared(1);
        seen.known += u64::from(has[0]);
        seen.source += u64::from(has[1]);
        seen.destination += u64::from(has[2]);
        match judged {
            Ok(Judged::Unchanged) => both.progress.unchanged(1),
            Ok(Judged::Left) => both.progress.skipped(1),
            Ok(Judged::Record(base)) => {
                both.progress.unchanged(u64::from(base.is_some()));
                if !both.options.dry_run {
                    both.state.record(&name, base)?;
                }
            }
            Ok(Judged::Do(step)) => {
                if let Step::Conflict(conflict) = &step {
                    both.progress.conflicts(1);
                    let has = (conflict.source.is_some(), conflict.destination.is_some());
                    let resolution = conflict.outcome.told(has);
                    both.reporter.send(Event::Conflict { name: name.clone(), resolution }).await;
                }
                writer.write(&Planned { name, step })?;
            }
            Err(error) => {
                both.progress.failed(1);
                let failure = Failure { name, action: None, reason: error.to_string() };
                both.reporter.send(Event::Failed(failure.clone())).await;
                if failures.len() < crate::events::MOST_FAILURES {
                    failures.push(failure);
                }
            }
        }
    }
    refuse_empty(both, &seen)?;
    Ok(Found { plan: writer.end()?, known: seen.known, failures })
}

/// A disk that is not mounted, or a prefix that was mistyped, looks like an end whose objects were all
/// deleted.
fn refuse_empty(both: &Both, seen: &Seen) -> Result<(), TransferError> {
    let Seen { known, source, destination } = *seen;
    let empty = match (source, destination) {
        (0, 1..) => &both.source,
        (1.., 0) => &both.destination,
        _ => return Ok(()),
    };
    if known == 0 || both.options.force {
        return Ok(());
    }
    Err(TransferError::EmptyEnd { end: empty.label().to_owned(), known })
}
