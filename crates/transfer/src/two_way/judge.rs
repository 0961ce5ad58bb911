//! What is to be done about one name.
//!
//! Owns the decision alone: nothing is changed here.

use super::{
    both::Both,
    conflict::resolve,
    same::{has_md5, same_content},
    step::{Conflict, Outcome, Step},
    triples::Triple,
    version::{Base, Version},
};
use crate::{
    end::{Side, Times},
    listing::Entry,
    own_time::MTIME,
    store::error::{StoreError, StoreErrorKind},
};

#[derive(Debug)]
pub(crate) enum Judged {
    /// Neither end has changed it.
    Unchanged,
    /// The filter leaves it out, or it changed while it was looked at.
    Left,
    /// Both ends have the same: nothing is to be done, but to write that down. `None`: both have nothing.
    Record(Option<Base>),
    Do(Step),
}

/// What an end has done to a name since the last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It has what it had.
    Same,
    /// It has another version, or one that it did not have.
    New,
    /// It has nothing.
    Gone,
}

/// Files that were written by a run show the time of the storage later. It may be so much earlier.
const LATE: i64 = 2000;

pub(crate) async fn judge(both: &Both, triple: Triple, is_first: bool) -> Result<Judged, StoreError> {
    match decide(both, triple, is_first).await {
        Err(error)
            if matches!(error.kind(), StoreErrorKind::NoSuchKey | StoreErrorKind::PreconditionFailed) =>
        {
            Ok(Judged::Left)
        }
        judged => judged,
    }
}

async fn decide(both: &Both, triple: Triple, is_first: bool) -> Result<Judged, StoreError> {
    let Triple { name, base, source, destination } = triple;
    for (side, entry) in [(Side::Source, &source), (Side::Destination, &destination)] {
        // What one end's version is too large for, say, is not deleted at the other end.
        let Some(entry) = entry else { continue };
        if both.filter.takes(both.end(side), Some(entry.clone()), &both.retry).await?.is_none() {
            return Ok(Judged::Left);
        }
    }
    let Some((had_source, had_destination)) = base else {
        return match (source, destination) {
            (Some(source), Some(destination)) => meeting(both, &name, source, destination, is_first).await,
            (Some(entry), None) => Ok(Judged::Do(copy(Side::Source, &entry, None))),
            (None, Some(entry)) => Ok(Judged::Do(copy(Side::Destination, &entry, None))),
            (None, None) => Ok(Judged::Unchanged),
        };
    };
    let of_source = change(both, Side::Source, &had_source, source.as_ref()).await?;
    let of_destination = change(both, Side::Destination, &had_destination, destination.as_ref()).await?;
    match (of_source, source, of_destination, destination) {
        (Change::Same, Some(source), Change::Same, Some(destination)) => {
            let now = (Version::of(&source.object), Version::of(&destination.object));
            Ok(match now == (had_source, had_destination) {
                true => Judged::Unchanged,
                // An ETag has become final: later runs need not look again.
                false => Judged::Record(Some(now)),
            })
        }
        (Change::New, Some(source), Change::Same, Some(destination)) => {
            one_sided(both, Side::Source, source, destination).await
        }
        (Change::Same, Some(source), Change::New, Some(destination)) => {
            one_sided(both, Side::Destination, destination, source).await
        }
        (Change::New, Some(source), Change::New, Some(destination)) => {
            meeting(both, &name, source, destination, false).await
        }
        (_, None, Change::Same, Some(destination)) => {
            let version = Version::of(&destination.object);
            Ok(Judged::Do(Step::Delete { at: Side::Destination, version, gone: had_source }))
        }
        (Change::Same, Some(source), _, None) => {
            let version = Version::of(&source.object);
            Ok(Judged::Do(Step::Delete { at: Side::Source, version, gone: had_destination }))
        }
        (_, None, _, None) => Ok(Judged::Record(None)),
        (_, source, _, destination) => conflict(both, &name, source, destination).await,
    }
}

fn copy(from: Side, entry: &Entry, over: Option<&Entry>) -> Step {
    Step::Copy {
        from,
        version: Version::of(&entry.object),
        over: over.map(|entry| Version::of(&entry.object)),
    }
}

/// One end has changed the object, and the other one has what both had.
async fn one_sided(both: &Both, from: Side, new: Entry, old: Entry) -> Result<Judged, StoreError> {
    let known = new.object.size == old.object.size && {
        let (mut left, mut right) = (both.subject(from, &new), both.subject(from.other(), &old));
        crate::compare::checksums(&mut left, &mut right).await? == Some(true)
    };
    let base = |new: &Entry, old: &Entry| match from {
        Side::Source => (Version::of(&new.object), Version::of(&old.object)),
        Side::Destination => (Version::of(&old.object), Version::of(&new.object)),
    };
    Ok(match known {
        // It was written again with the same bytes.
        true => Judged::Record(Some(base(&new, &old))),
        false => Judged::Do(copy(from, &new, Some(&old))),
    })
}

/// Both ends have a version of their own.
async fn meeting(
    both: &Both,
    name: &str,
    source: Entry,
    destination: Entry,
    is_first: bool,
) -> Result<Judged, StoreError> {
    let is_same = {
        let mut left = both.subject(Side::Source, &source);
        let mut right = both.subject(Side::Destination, &destination);
        let by_time = is_first && !both.options.checksum && left.entry.object.size == right.entry.object.size;
        let by_time = by_time && {
            // A time that nobody set, but the storage, says nothing.
            let mut own = true;
            for subject in [&mut left, &mut right] {
                let listed = subject.end.times == Times::Listed;
                own &= listed || subject.info().await?.attributes.user.contains_key(MTIME);
            }
            let window = crate::compare::window(left.end, right.end, None);
            own && left.time().await?.is_near(right.time().await?, window)
        };
        by_time || same_content(&both.pace, &mut left, &mut right).await?
    };
    match is_same {
        true => Ok(Judged::Record(Some((Version::of(&source.object), Version::of(&destination.object))))),
        false => conflict(both, name, Some(source), Some(destination)).await,
    }
}

async fn conflict(
    both: &Both,
    name: &str,
    source: Option<Entry>,
    destination: Option<Entry>,
) -> Result<Judged, StoreError> {
    let outcome: Outcome = resolve(both, name, (source.as_ref(), destination.as_ref())).await?;
    let version = |entry: Option<Entry>| entry.map(|entry| Version::of(&entry.object));
    let (source, destination) = (version(source), version(destination));
    Ok(Judged::Do(Step::Conflict(Conflict { source, destination, outcome })))
}

async fn change(both: &Both, side: Side, had: &Version, entry: Option<&Entry>) -> Result<Change, StoreError> {
    let Some(entry) = entry else { return Ok(Change::Gone) };
    let now = Version::of(&entry.object);
    if had.is(&now) {
        return Ok(Change::Same);
    }
    let (Some(md5), true) = (had.etag.as_md5(), now.is_provisional() && now.size == had.size) else {
        return Ok(Change::New);
    };
    // The run before has written it, and the storage shows it without its MD5 now.
    let mut subject = both.subject(side, entry);
    let etag = subject.info().await?.etag.clone();
    let late = had.modified.millis().saturating_sub(now.modified.millis());
    let is_same = match etag.as_md5() {
        Some(found) => found == md5,
        None if (-LATE..=LATE).contains(&late) => true,
        None => has_md5(&both.pace, &mut subject, md5).await?,
    };
    Ok(if is_same { Change::Same } else { Change::New })
}
