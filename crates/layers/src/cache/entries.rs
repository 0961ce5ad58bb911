//! The one memory of all caches of metadata: what is in it, what that weighs, and for how long.

use super::{
    counts::Count,
    flights::Flights,
    space::{Freshness, Space},
    window::Window,
};
use crate::{
    model::{BucketName, ObjectInfo, ObjectKey},
    store::{ListEntry, ListPage, ListRequest},
};
use moka::{Expiry, sync::Cache};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Windows that all keys share. A write shuts one of them: this many keep the others' cost small, and cost 64 KiB themselves.
const WINDOWS: usize = 1024;

/// An object as it was seen; `None`: there was none.
pub(super) type Seen = Option<Arc<ObjectInfo>>;

/// How much of an object was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    Head,
    /// With parts and tags.
    Whole,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) space: u64,
    pub(super) subject: Subject,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Object(ObjectKey),
    Page(Arc<ListRequest>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) said: Said,
    /// From before the storage was asked.
    pub(super) drawn: Drawn,
    /// After this long it is of no use even to those who take what is stale.
    pub(super) keep: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Said {
    Object(Seen, Depth),
    Page(Arc<ListPage>),
}

/// The moment before a storage was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub(super) at: Instant,
    /// The number of the window.
    pub(super) number: u64,
    /// The era of the bucket: see `Space::elapse`.
    pub(super) era: u64,
}

/// A question: the same only if it is asked at what counts as the same moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) depth: Depth,
    pub(super) number: u64,
    pub(super) era: u64,
}

/// What all backends' answers are kept in, bounded by bytes.
pub struct MetadataCache {
    entries: Cache<Name, Entry>,
    windows: Box<[Mutex<Window>]>,
    hasher: RandomState,
    pub(super) objects: Flights<Question, Seen>,
    pub(super) pages: Flights<Question, Arc<ListPage>>,
    next_space: AtomicU64,
    spaces: Mutex<Vec<Weak<Space>>>,
}

impl MetadataCache {
    /// Keeps about `size` bytes at most.
    pub fn new(size: u64) -> Arc<Self> {
        let entries = Cache::builder().name("metadata").max_capacity(size).weigher(weigh).expire_after(Kept).build();
        Arc::new(Self {
            entries,
            windows: (0..WINDOWS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            objects: Flights::default(),
            pages: Flights::default(),
            next_space: AtomicU64::new(0),
            spaces: Mutex::default(),
        })
    }

    /// What one bucket keeps in it.
    pub(super) fn space(self: &Arc<Self>, backend: &Arc<str>, bucket: &BucketName, freshness: Freshness) -> Arc<Space> {
        let number = self.next_space.fetch_add(1, Ordering::Relaxed);
        let space = Arc::new(Space::new(self.clone(), number, backend.clone(), bucket.clone(), freshness));
        let mut spaces = lock(&self.spaces);
        // One row each: a bucket that was removed and made again may have readers of before still.
        spaces.retain(|known| known.upgrade().is_some_and(|known| !known.is_of(backend, bucket)));
        spaces.push(Arc::downgrade(&space));
        space
    }

    /// Returns the counts of every bucket that there is.
    pub fn counts(&self) -> Vec<Count> {
        let spaces: Vec<_> = lock(&self.spaces).iter().filter_map(Weak::upgrade).collect();
        spaces.iter().flat_map(|space| space.counted()).collect()
    }

    /// About how many bytes are kept.
    pub fn size(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }

    pub(super) fn window(&self, space: u64, key: &ObjectKey) -> MutexGuard<'_, Window> {
        lock(&self.windows[self.hasher.hash_one((space, key)) as usize % WINDOWS])
    }

    pub(super) fn find(&self, name: &Name) -> Option<Entry> {
        self.entries.get(name)
    }

    /// Under the lock of its window.
    pub(super) fn keep(&self, name: Name, entry: Entry) {
        self.entries.insert(name, entry);
    }

    /// Under the lock of its window.
    pub(super) fn take_out(&self, name: &Name) {
        self.entries.invalidate(name);
    }
}

impl fmt::Debug for MetadataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives memory back. Whether an entry is fresh is asked of its own moment, by the clock that timers of ours go by.
struct Kept;

impl Expiry<Name, Entry> for Kept {
    fn expire_after_create(&self, _: &Name, entry: &Entry, _: std::time::Instant) -> Option<Duration> {
        Some(entry.keep)
    }

    fn expire_after_update(&self, _: &Name, entry: &Entry, _: std::time::Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.keep)
    }
}

/// About the memory that an entry takes: what it points to, itself, and the map's own.
fn weigh(name: &Name, entry: &Entry) -> u32 {
    const OWN: usize = 400;
    let named = match &name.subject {
        Subject::Object(key) => key.as_str().len(),
        Subject::Page(request) => request.prefix.len() + request.after.as_ref().map_or(0, String::len) + 100,
    };
    let said = match &entry.said {
        Said::Object(None, _) => 0,
        Said::Object(Some(info), _) => size_of::<ObjectInfo>() + info.attributes.footprint() + info.parts.len() * 80,
        Said::Page(page) => page.entries.iter().map(listed).sum(),
    };
    u32::try_from(OWN + named + said).unwrap_or(u32::MAX)
}

fn listed(entry: &ListEntry) -> usize {
    // Keys and entity tags are counted texts, each with a header of its own.
    size_of::<ListEntry>() + entry.name().len() + 80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_within_its_bound() {
        let cache = MetadataCache::new(100_000);
        let drawn = Drawn { at: Instant::now(), number: 0, era: 0 };
        for n in 0..2_000 {
            let key = ObjectKey::new(format!("key {n}")).expect("a key");
            let entry = Entry { said: Said::Object(None, Depth::Whole), drawn, keep: Duration::from_secs(60) };
            cache.keep(Name { space: 0, subject: Subject::Object(key) }, entry);
        }
        let size = cache.size();
        assert!((50_000..=100_000).contains(&size), "{size}");
    }
}
