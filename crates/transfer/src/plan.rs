//! What is to be done about one name.
//!
//! Owns the decision alone: nothing is changed here. A dry run and a real one decide by the same code.

use crate::{
    compare::{Comparison, Subject, Verdict, compare, window},
    context::Context,
    listing::Entry,
    own_time::OwnTime,
    pairs::Pair,
    store::{
        error::{StoreError, StoreErrorKind},
        multipart::MAX_PART_SIZE,
    },
};

/// One step, or none.
#[derive(Debug)]
pub(crate) enum Step {
    /// Both have the same object.
    Unchanged(Entry),
    /// The options leave it as it is.
    Skip,
    Copy(Entry),
    Replace(Entry, Entry),
    SetTime(OwnTime, Entry, Entry),
    /// Only the destination has it.
    Delete(Entry),
}

/// Decides about a pair. `sends`: what both have is compared; otherwise it is skipped.
pub(crate) async fn decide(context: &Context, pair: Pair, sends: bool) -> Result<Step, StoreError> {
    let (source, destination) = pair.into_entries();
    let (filter, retry) = (&context.filter, &context.retry);
    let source = filter.takes(&context.source, source, retry).await?;
    let destination = match context.options.delete_excluded {
        true => destination,
        false => filter.takes(&context.destination, destination, retry).await?,
    };
    let (source, destination) = match (source, destination) {
        (None, None) => return Ok(Step::Skip),
        (Some(_), _) if !sends => return Ok(Step::Skip),
        (Some(source), None) => return Ok(Step::Copy(source)),
        (None, Some(destination)) => return Ok(Step::Delete(destination)),
        (Some(source), Some(destination)) => (source, destination),
    };
    let options = &context.options;
    if options.ignore_existing {
        return Ok(Step::Skip);
    }
    let window = window(&context.source, &context.destination, options.modify_window);
    let mut from = Subject::new(&context.source, &source, &context.retry);
    let mut to = Subject::new(&context.destination, &destination, &context.retry);
    if options.update {
        let (from, to) = (from.time().await?, to.time().await?);
        if to > from && !to.is_near(from, window) {
            return Ok(Step::Skip);
        }
    }
    // The comparison alone would not know that the run before has brought it.
    let asks_too_much =
        matches!(options.compare, Comparison::Never | Comparison::Etag | Comparison::ChecksumOnly);
    if asks_too_much
        && source.object.size == destination.object.size
        && context.journal.has(source.name(), &source.object)
    {
        context.progress.resumed(1);
        return Ok(Step::Unchanged(source));
    }
    let verdict = compare(options.compare, &mut from, &mut to, window).await?;
    match verdict {
        Verdict::Same => Ok(Step::Unchanged(source)),
        // The bytes are there, and what is there stays as it is.
        Verdict::OtherTime if options.immutable => Ok(Step::Unchanged(source)),
        // The time is set by one copy, and S3 copies no larger object at once.
        Verdict::OtherTime if source.object.size > MAX_PART_SIZE => Ok(Step::Replace(source, destination)),
        Verdict::OtherTime => {
            let time = from.time().await?;
            Ok(Step::SetTime(time, source, destination))
        }
        Verdict::Different if options.immutable => {
            let why = "the destination has another object, and objects are immutable: it was not changed";
            Err(StoreError::new(StoreErrorKind::PreconditionFailed, why))
        }
        Verdict::Different => Ok(Step::Replace(source, destination)),
    }
}
