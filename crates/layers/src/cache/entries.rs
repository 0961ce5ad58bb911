//! Answers that are kept in memory: their types, their weight, and their lifetime.
//!
//! Does not own which buckets keep them (`metadata`), nor whether an answer is fresh (`space`).

use super::{flights::Flights, window::Window};
use crate::{
    model::{ObjectInfo, ObjectKey},
    store::{ListEntry, ListPage, ListRequest},
};
use moka::{Expiry, sync::Cache};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The number of windows, which all keys share. A write closes one window, and so affects other keys, too:
/// with this number the effect is small, and the windows take 64 KiB.
const WINDOWS: usize = 1024;

/// An object as the storage returned it; `None` means that the key has no object.
pub(super) type KnownObject = Option<Arc<ObjectInfo>>;

/// How much of an object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    Head,
    /// A head with parts and tags.
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
    /// The moment before the storage was asked.
    pub(super) drawn: Drawn,
    /// After this time the entry is of no use, not even as a stale answer.
    pub(super) keep: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Said {
    Object(KnownObject, Depth),
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

/// A question. Two questions are equal only if they are asked in the same window number and era.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) depth: Depth,
    pub(super) number: u64,
    pub(super) era: u64,
}

/// The answers of all backends, bounded by bytes.
pub(super) struct Entries {
    entries: Cache<Name, Entry>,
    windows: Box<[Mutex<Window>]>,
    hasher: RandomState,
    pub(super) objects: Flights<Question, KnownObject>,
    pub(super) pages: Flights<Question, Arc<ListPage>>,
}

impl Entries {
    /// Creates a cache of about `size` bytes at most.
    pub(super) fn new(size: u64) -> Self {
        let entries =
            Cache::builder().name("metadata").max_capacity(size).weigher(weigh).expire_after(Kept).build();
        Self {
            entries,
            windows: (0..WINDOWS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            objects: Flights::default(),
            pages: Flights::default(),
        }
    }

    /// Returns about how many bytes are kept.
    pub(super) fn size(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }

    pub(super) fn window(&self, space: u64, key: &ObjectKey) -> MutexGuard<'_, Window> {
        lock(&self.windows[self.hasher.hash_one((space, key)) as usize % WINDOWS])
    }

    pub(super) fn find(&self, name: &Name) -> Option<Entry> {
        self.entries.get(name)
    }

    /// Keeps an answer. The caller holds the lock of the entry's window.
    pub(super) fn keep(&self, name: Name, entry: Entry) {
        self.entries.insert(name, entry);
    }

    /// Removes an answer. The caller holds the lock of the entry's window.
    pub(super) fn take_out(&self, name: &Name) {
        self.entries.invalidate(name);
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees memory after an entry's lifetime. Another module decides whether an entry is fresh, from the entry's
/// own time and tokio's clock.
struct Kept;

impl Expiry<Name, Entry> for Kept {
    fn expire_after_create(&self, _: &Name, entry: &Entry, _: std::time::Instant) -> Option<Duration> {
        Some(entry.keep)
    }

    fn expire_after_update(
        &self,
        _: &Name,
        entry: &Entry,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep)
    }
}

/// Returns the approximate memory of an entry: the data that it points to, the entry itself, and the overhead
/// of the map.
fn weigh(name: &Name, entry: &Entry) -> u32 {
    const OWN: usize = 400;
    let named = match &name.subject {
        Subject::Object(key) => key.as_str().len(),
        Subject::Page(request) => request.prefix.len() + request.after.as_ref().map_or(0, String::len) + 100,
    };
    let said = match &entry.said {
        Said::Object(None, _) => 0,
        Said::Object(Some(info), _) => {
            size_of::<ObjectInfo>() + info.attributes.footprint() + info.parts.len() * 80
        }
        Said::Page(page) => page.entries.iter().map(listed).sum(),
    };
    u32::try_from(OWN + named + said).unwrap_or(u32::MAX)
}

fn listed(entry: &ListEntry) -> usize {
    // Keys and entity tags are reference-counted texts, each with its own header.
    size_of::<ListEntry>() + entry.name().len() + 80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_within_its_bound() {
        let cache = Entries::new(100_000);
        let drawn = Drawn { at: Instant::now(), number: 0, era: 0 };
        for n in 0..2_000 {
            let key = ObjectKey::new(format!("key {n}")).expect("a key");
            let entry =
                Entry { said: Said::Object(None, Depth::Whole), drawn, keep: Duration::from_secs(60) };
            cache.keep(Name { space: 0, subject: Subject::Object(key) }, entry);
        }
        let size = cache.size();
        assert!((50_000..=100_000).contains(&size), "{size}");
    }
}
