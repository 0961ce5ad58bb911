//! What one bucket keeps: its answers in the shared memory, its windows, and its counts.

use super::{
    counts::{Count, Counts, RequestKind},
    entries::{Depth, Drawn, Entries, Entry, KnownObject, Name, Question, Said, Subject, lock},
    window::Window,
};
use crate::{
    model::{BucketName, CacheUse, ObjectInfo, ObjectKey},
    store::{
        ListPage, ListRequest, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long answers count as fresh, and how long stale answers are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    pub ttl: Duration,
    /// How much longer an answer is used while the storage does not answer.
    pub stale: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Space {
    cache: Arc<Entries>,
    /// A number that is never used twice.
    number: u64,
    backend: Arc<str>,
    bucket: BucketName,
    freshness: Freshness,
    era: AtomicU64,
    listing: Mutex<Window>,
    counts: Counts,
}

/// The result of a lookup in the cache.
#[derive(Debug)]
pub(super) enum Found<T> {
    Fresh(T),
    /// A stale answer, for use if the storage does not answer.
    Old(T),
    Nothing,
}

/// The parts of a bucket that a write changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    ObjectAndListing,
    /// Something that no listing shows.
    Object,
}

impl Space {
    pub(super) fn new(
        cache: Arc<Entries>,
        number: u64,
        backend: Arc<str>,
        bucket: BucketName,
        freshness: Freshness,
    ) -> Self {
        let (era, listing, counts) = Default::default();
        Self { cache, number, backend, bucket, freshness, era, listing, counts }
    }

    pub(super) fn cache(&self) -> &Entries {
        &self.cache
    }

    pub(super) fn count(&self, kind: RequestKind, outcome: CacheUse) {
        self.counts.add(kind, outcome);
    }

    pub(super) fn is_of(&self, backend: &Arc<str>, bucket: &BucketName) -> bool {
        self.backend == *backend && self.bucket == *bucket
    }

    pub(super) fn counted(&self) -> impl Iterator<Item = Count> {
        self.counts.read(&self.backend, &self.bucket)
    }

    /// Ends the lifetime of all earlier answers, because something may have changed outside this layer.
    pub(super) fn elapse(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn object(&self, key: &ObjectKey, depth: Depth) -> Found<KnownObject> {
        match self.cache.find(&self.named(key)) {
            // If the key does not exist, a head says as much as `describe`.
            Some(Entry { said: Said::Object(seen, known), drawn, .. })
                if seen.is_none() || known == Depth::Whole || depth == Depth::Head =>
            {
                self.aged(drawn, seen)
            }
            _ => Found::Nothing,
        }
    }

    /// Notes the moment before the storage is asked for an object. `None` means that the answer must not be
    /// kept.
    pub(super) fn draw(&self, key: &ObjectKey) -> Option<Drawn> {
        let now = Instant::now();
        let number = self.cache.window(self.number, key).draw(now)?;
        Some(Drawn { at: now, number, era: self.era.load(Ordering::Acquire) })
    }

    /// Keeps an answer, unless the object was changed since `drawn`.
    pub(super) fn keep_object(&self, key: &ObjectKey, drawn: Drawn, seen: &KnownObject, depth: Depth) {
        let name = self.named(key);
        let window = self.cache.window(self.number, key);
        if !window.admits(drawn.number) {
            return;
        }
        let mut changed = false;
        if let Some(Entry { said: Said::Object(before, known), drawn: earlier, .. }) = self.cache.find(&name)
        {
            changed = differ(&before, seen, |before, now| before.etag == now.etag);
            let tells_more = known == Depth::Whole
                && depth == Depth::Head
                && matches!(self.aged(earlier, ()), Found::Fresh(()));
            let alike = !differ(&before, seen, |a, b| {
                (&a.etag, a.last_modified, a.size, a.tag_count)
                    == (&b.etag, b.last_modified, b.size, b.tag_count)
            });
            if earlier.at > drawn.at || (tells_more && alike) {
                return;
            }
        }
        self.cache.keep(name, self.entry(Said::Object(seen.clone(), depth), drawn));
        drop(window);
        if changed {
            // The change was made outside the gateway, and the kept pages do not contain it.
            lock(&self.listing).changed();
        }
    }

    pub(super) fn page(&self, request: &Arc<ListRequest>) -> Found<Arc<ListPage>> {
        match self.cache.find(&self.listed(request)) {
            // A page from before a write through this layer is not used, even if the storage does not answer.
            Some(Entry { said: Said::Page(page), drawn, .. }) if lock(&self.listing).admits(drawn.number) => {
                self.aged(drawn, page)
            }
            _ => Found::Nothing,
        }
    }

    pub(super) fn draw_page(&self) -> Option<Drawn> {
        let now = Instant::now();
        let number = lock(&self.listing).draw(now)?;
        Some(Drawn { at: now, number, era: self.era.load(Ordering::Acquire) })
    }

    pub(super) fn keep_page(&self, request: &Arc<ListRequest>, drawn: Drawn, page: &Arc<ListPage>) {
        let window = lock(&self.listing);
        if window.admits(drawn.number) {
            self.cache.keep(self.listed(request), self.entry(Said::Page(page.clone()), drawn));
        }
    }

    /// Begins a write: until it has its outcome, no answer that it affects is kept.
    pub(super) fn write(self: &Arc<Self>, key: &ObjectKey, touched: Touched) -> Writing {
        let mut window = self.cache.window(self.number, key);
        window.begin();
        self.cache.take_out(&self.named(key));
        drop(window);
        if touched == Touched::ObjectAndListing {
            lock(&self.listing).begin();
        }
        Writing { space: self.clone(), key: key.clone(), touched, uncertain: true }
    }

    pub(super) fn asks_object(&self, key: &ObjectKey, depth: Depth, drawn: Drawn) -> Question {
        Question { name: self.named(key), depth, number: drawn.number, era: drawn.era }
    }

    pub(super) fn asks_page(&self, request: &Arc<ListRequest>, drawn: Drawn) -> Question {
        Question { name: self.listed(request), depth: Depth::Head, number: drawn.number, era: drawn.era }
    }

    fn named(&self, key: &ObjectKey) -> Name {
        Name { space: self.number, subject: Subject::Object(key.clone()) }
    }

    fn listed(&self, request: &Arc<ListRequest>) -> Name {
        Name { space: self.number, subject: Subject::Page(request.clone()) }
    }

    fn entry(&self, said: Said, drawn: Drawn) -> Entry {
        Entry { said, drawn, keep: self.freshness.ttl + self.freshness.stale.unwrap_or_default() }
    }

    fn aged<T>(&self, drawn: Drawn, said: T) -> Found<T> {
        let (age, Freshness { ttl, stale }) = (drawn.at.elapsed(), self.freshness);
        if age < ttl && drawn.era == self.era.load(Ordering::Acquire) {
            Found::Fresh(said)
        } else if stale.is_some_and(|stale| age < ttl + stale) {
            Found::Old(said)
        } else {
            Found::Nothing
        }
    }
}

fn differ(before: &KnownObject, now: &KnownObject, same: impl Fn(&ObjectInfo, &ObjectInfo) -> bool) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => !same(before, now),
        (None, None) => false,
        _ => true,
    }
}

/// A write in progress. If it is dropped without an outcome, it may still take effect.
#[derive(Debug)]
pub(super) struct Writing {
    space: Arc<Space>,
    key: ObjectKey,
    touched: Touched,
    uncertain: bool,
}

impl Writing {
    pub(super) fn settle<T>(mut self, outcome: Result<T>) -> Result<T> {
        self.uncertain = outcome.as_ref().is_err_and(may_have_happened);
        outcome
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let now = Instant::now();
        self.space.cache.window(self.space.number, &self.key).end(self.uncertain, now);
        if self.touched == Touched::ObjectAndListing {
            lock(&self.space.listing).end(self.uncertain, now);
        }
    }
}

/// Returns whether the storage may have made the change despite the error, or may still make it.
fn may_have_happened(error: &StoreError) -> bool {
    error.is_temporary()
        || matches!(
            error.kind(),
            StoreErrorKind::Internal | StoreErrorKind::NoConnection | StoreErrorKind::Broken
        )
}
