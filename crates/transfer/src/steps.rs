//! Takes one step of a run, and reports the result.
//!
//! Invariant: what fails for one object is reported and counted, and the run goes on. Only what concerns the
//! run as a whole, as a journal that cannot be written, ends it.

use crate::{
    context::{Context, Trouble},
    error::TransferError,
    events::{Action, Deed, Event},
    listing::Entry,
    object::{bring, delete_at_destination, delete_at_source, set_time},
    options::Verb,
    own_time::OwnTime,
    plan::Step,
    store::error::{StoreError, StoreErrorKind},
};

/// Returns what a step does, in order, with the sizes of the objects.
pub(crate) fn actions(step: &Step, verb: Verb) -> impl Iterator<Item = (Action, u64)> {
    let (first, source) = match step {
        Step::Skip => (None, None),
        Step::Unchanged(source) => (None, Some(source)),
        Step::Copy(source) => (Some((Action::Copy, source.object.size)), Some(source)),
        Step::Replace(source, _) => (Some((Action::Replace, source.object.size)), Some(source)),
        Step::SetTime(_, source, _) => (Some((Action::SetTime, source.object.size)), Some(source)),
        Step::Delete(old) => (Some((Action::Delete, old.object.size)), None),
    };
    let moved =
        source.filter(|_| verb == Verb::Move).map(|source| (Action::DeleteSource, source.object.size));
    first.into_iter().chain(moved)
}

/// Takes one step. The result is what ends the run; what ends the step alone is reported.
pub(crate) async fn perform(context: &Context, step: Step) -> Result<(), TransferError> {
    let (name, result) = match step {
        Step::Skip => return Ok(()),
        Step::Unchanged(source) => (source.name().to_owned(), leave(context, &source).await),
        Step::Copy(source) => (source.name().to_owned(), send(context, Action::Copy, source, None).await),
        Step::Replace(source, old) => {
            (source.name().to_owned(), send(context, Action::Replace, source, Some(&old)).await)
        }
        Step::SetTime(time, source, old) => {
            (source.name().to_owned(), retime(context, time, &source, &old).await)
        }
        Step::Delete(old) => {
            let result = delete_at_destination(context, &old).await;
            if result.is_ok() {
                context.progress.deleted(1);
                report(context, old.name(), Action::Delete, old.object.size).await;
            }
            (old.name().to_owned(), result.map_err(|error| (Action::Delete, error.into())))
        }
    };
    match result {
        Ok(()) => Ok(()),
        Err((_, Trouble::Run(error))) => Err(error),
        Err((action, Trouble::Object(error))) => {
            context.fail(&name, Some(action), &error).await;
            Ok(())
        }
    }
}

async fn report(context: &Context, name: &str, action: Action, size: u64) {
    context.reporter.send(Event::Done(Deed::new(name, action, size))).await;
}

type Performed = Result<(), (Action, Trouble)>;

async fn send(context: &Context, action: Action, source: Entry, old: Option<&Entry>) -> Performed {
    let brought = bring(context, source, old).await.map_err(|trouble| (action, trouble))?;
    context.progress.transferred(1);
    context.progress.transferred_bytes(brought.object.size);
    context.journal.done(brought.name(), &brought.object).map_err(|error| (action, error.into()))?;
    report(context, brought.name(), action, brought.object.size).await;
    leave(context, &brought).await
}

async fn retime(context: &Context, time: OwnTime, source: &Entry, old: &Entry) -> Performed {
    set_time(context, time, old).await.map_err(|error| (Action::SetTime, error.into()))?;
    context.progress.retimed(1);
    report(context, source.name(), Action::SetTime, old.object.size).await;
    leave(context, source).await
}

/// Deletes the source of a move, which the destination has now.
async fn leave(context: &Context, source: &Entry) -> Performed {
    if context.options.verb != Verb::Move {
        return Ok(());
    }
    let deleted = delete_at_source(context, source).await.map_err(|error| match error.kind() {
        StoreErrorKind::PreconditionFailed => {
            let why = "the source changed after it was copied: it was not deleted";
            StoreError::new(StoreErrorKind::PreconditionFailed, why)
        }
        _ => error,
    });
    deleted.map_err(|error| (Action::DeleteSource, error.into()))?;
    context.progress.moved(1);
    report(context, source.name(), Action::DeleteSource, source.object.size).await;
    Ok(())
}
