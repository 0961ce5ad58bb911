//! Pages of a listing, and the walks that go on with the next page.
//!
//! Each page continues the walk of the page before it, so that listing a directory of any size reads it once.
//! Such a page shows the names that the directory had when it was read.
//!
//! Invariants: at most `KEPT` walks wait for their next page, none for longer than `PATIENCE`; a first page
//! always reads the disk.

use super::{
    LocalStore,
    walk::{Span, Walk},
};
use crate::store::{ListEntry, ListPage, ListRequest, Result, grouping::Query};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const KEPT: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Walks that wait for their next page.
#[derive(Default)]
pub(super) struct Suspended(Mutex<VecDeque<Paused>>);

impl std::fmt::Debug for Suspended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Suspended")
    }
}

struct Paused {
    /// The request of the next page, whose limit does not matter.
    next: ListRequest,
    since: Instant,
    run: Run,
}

/// A walk, and what of it comes next.
struct Run {
    walk: Walk,
    /// The entry that showed that a page is truncated.
    peeked: Option<ListEntry>,
    /// The common prefix that was reported last, for delimiters that are no `/`.
    group: Option<String>,
}

impl Suspended {
    fn take(&self, request: &ListRequest) -> Option<Run> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|paused| paused.since.elapsed() < PATIENCE);
        let at = kept.iter().position(|paused| is_same(&paused.next, request))?;
        kept.remove(at).map(|paused| paused.run)
    }

    fn keep(&self, next: ListRequest, run: Run) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The newer walk saw the newer state.
        kept.retain(|paused| !is_same(&paused.next, &next));
        kept.truncate(KEPT - 1);
        kept.push_front(Paused { next, since: Instant::now(), run });
    }
}

fn is_same(a: &ListRequest, b: &ListRequest) -> bool {
    (&a.prefix, &a.after, &a.delimiter) == (&b.prefix, &b.after, &b.delimiter)
}

impl LocalStore {
    /// Reads the disk: it is for threads that may block.
    pub(super) fn page(&self, request: &ListRequest) -> Result<ListPage> {
        if request.limit == 0 {
            return Ok(ListPage::default());
        }
        let paused = request.after.as_ref().and_then(|_| self.0.suspended.take(request));
        let mut run = match paused {
            Some(run) => run,
            None => self.first(request)?,
        };
        let mut entries = Vec::new();
        while entries.len() < request.limit {
            let Some(entry) = run.next(request)? else {
                return Ok(ListPage { entries, truncated: false, cache: None });
            };
            entries.push(entry);
        }
        run.peeked = run.next(request)?;
        let truncated = run.peeked.is_some();
        if truncated {
            let after = entries.last().map(|entry| entry.name().to_owned());
            self.0.suspended.keep(ListRequest { after, ..request.clone() }, run);
        }
        Ok(ListPage { entries, truncated, cache: None })
    }

    fn first(&self, request: &ListRequest) -> Result<Run> {
        let groups = request.delimiter.as_deref() == Some("/");
        let span = Span { prefix: request.prefix.clone(), after: request.after.clone(), groups };
        let walk = Walk::new(&self.0.root, span, self.0.settings.hear.clone())?;
        // A common prefix at or below the marker was on an earlier page.
        let group = request.after.as_ref().and_then(|after| query(request).group(after).map(str::to_owned));
        Ok(Run { walk, peeked: None, group })
    }
}

fn query(request: &ListRequest) -> Query<'_> {
    Query {
        prefix: &request.prefix,
        delimiter: request.delimiter.as_deref(),
        after: request.after.as_deref(),
        limit: request.limit,
    }
}

impl Run {
    fn next(&mut self, request: &ListRequest) -> Result<Option<ListEntry>> {
        if let Some(entry) = self.peeked.take() {
            return Ok(Some(entry));
        }
        while let Some(entry) = self.walk.next()? {
            let ListEntry::Object(object) = &entry else { return Ok(Some(entry)) };
            let Some(group) = query(request).group(object.key.as_str()) else { return Ok(Some(entry)) };
            if self.group.as_deref() != Some(group) {
                self.group = Some(group.to_owned());
                return Ok(Some(ListEntry::CommonPrefix(group.to_owned())));
            }
        }
        Ok(None)
    }
}
