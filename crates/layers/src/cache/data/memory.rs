//! The one memory of all data caches, the disk below it, and what is being fetched.

use super::{
    block::{BLOCK, BlockName, Version},
    disk::Disk,
    fetch::{Fetch, Following},
    spare::Spare,
};
use crate::{
    cache::{
        counts::{Count, Counts},
        entries::lock,
    },
    model::BucketName,
    store::Store,
};
use bytes::Bytes;
use moka::sync::Cache;
use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::Semaphore;

/// What may be kept, and where.
#[derive(Debug, Clone)]
pub struct DataSettings {
    /// Bytes.
    pub memory: u64,
    /// Bytes, and the directory.
    pub disk: Option<(u64, PathBuf)>,
    /// A reading of more is not kept.
    pub max_object: u64,
}

/// How many versions that were read in part are remembered, with the place where the reading ended.
const TRAILS: u64 = 10_000;
/// Readers for whom is read ahead at a time.
const READING_AHEAD: usize = 8;

pub struct DataCache {
    memory: Option<Cache<BlockName, Bytes>>,
    disk: Option<Disk>,
    pub(super) max_object: u64,
    fetches: Mutex<HashMap<Arc<Version>, Vec<Weak<Fetch>>>>,
    trails: Cache<Arc<Version>, u64>,
    pub(super) ahead: Arc<Semaphore>,
    pub(super) spare: Arc<Spare>,
    buckets: Mutex<Vec<Weak<Counted>>>,
}

/// A bucket's counts.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) backend: Arc<str>,
    pub(super) bucket: BucketName,
    pub(super) counts: Counts,
}

impl DataCache {
    pub fn open(settings: DataSettings) -> std::io::Result<Arc<Self>> {
        let weigh = |_: &BlockName, bytes: &Bytes| u32::try_from(bytes.len() + 512).unwrap_or(u32::MAX);
        let memory = (settings.memory > 0).then(|| Cache::builder().name("data").max_capacity(settings.memory).weigher(weigh).build());
        let disk = settings.disk.map(|(size, directory)| Disk::open(&directory, size)).transpose()?;
        Ok(Arc::new(Self {
            memory,
            disk,
            max_object: settings.max_object,
            fetches: Mutex::default(),
            trails: Cache::new(TRAILS),
            ahead: Arc::new(Semaphore::new(READING_AHEAD)),
            spare: Arc::default(),
            buckets: Mutex::default(),
        }))
    }

    pub(super) fn counted(&self, backend: &Arc<str>, bucket: &BucketName) -> Arc<Counted> {
        let mut buckets = lock(&self.buckets);
        buckets.retain(|bucket| bucket.strong_count() > 0);
        let same = |known: &Arc<Counted>| known.backend == *backend && known.bucket == *bucket;
        if let Some(known) = buckets.iter().filter_map(Weak::upgrade).find(same) {
            return known;
        }
        let counted = Arc::new(Counted { backend: backend.clone(), bucket: bucket.clone(), counts: Counts::default() });
        buckets.push(Arc::downgrade(&counted));
        counted
    }

    /// Returns the counts of every bucket that there is.
    pub fn counts(&self) -> Vec<Count> {
        let all: Vec<_> = lock(&self.buckets).iter().filter_map(Weak::upgrade).collect();
        all.iter().flat_map(|one| one.counts.read(&one.backend, &one.bucket)).collect()
    }

    /// Bytes in memory and on disk.
    pub fn sizes(&self) -> (u64, u64) {
        let memory = self.memory.as_ref().map_or(0, |memory| {
            memory.run_pending_tasks();
            memory.weighted_size()
        });
        (memory, self.disk.as_ref().map_or(0, Disk::size))
    }

    /// Whether it is at hand, as far as is known without looking at the disk.
    pub(super) fn has(&self, name: &BlockName) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.contains_key(name)) || self.disk.as_ref().is_some_and(|disk| disk.has(name))
    }

    pub(super) fn in_memory(&self, name: &BlockName) -> Option<Bytes> {
        self.memory.as_ref()?.get(name)
    }

    pub(super) async fn on_disk(&self, name: &BlockName) -> Option<Bytes> {
        let bytes = self.disk.as_ref()?.read(name).await?;
        if let Some(memory) = &self.memory {
            memory.insert(name.clone(), bytes.clone());
        }
        Some(bytes)
    }

    /// Nobody waits: what the disk has no time for is not kept there.
    pub(super) fn keep(&self, name: BlockName, bytes: Bytes) {
        debug_assert_eq!(bytes.len() as u64, name.len());
        if let Some(disk) = &self.disk {
            disk.keep(&name, &bytes);
        }
        if let Some(memory) = &self.memory {
            memory.insert(name, bytes);
        }
    }

    /// Somebody's fetch that comes by these blocks soon, or a new one of them, followed from block `number` on. `None`: that block has
    /// come.
    pub(super) fn fetch(self: &Arc<Self>, below: &Arc<dyn Store>, version: &Arc<Version>, number: u64, last: u64) -> Option<Following> {
        // Let go when the lock is: the last one to let go of a fetch takes the lock.
        let alive: Vec<Arc<Fetch>>;
        let mut fetches = lock(&self.fetches);
        let of_version = fetches.entry(version.clone()).or_default();
        of_version.retain(|fetch| fetch.strong_count() > 0);
        alive = of_version.iter().filter_map(Weak::upgrade).collect();
        let start = version.span(number).start;
        if let Some(fetch) = alive.iter().find(|fetch| fetch.comes_by(number, last)) {
            return Some(fetch.follow(start));
        }
        // A fetch keeps a block before it ends: what ended between the caller's look and this one has left it.
        if self.has(&BlockName { version: version.clone(), number }) {
            if of_version.is_empty() {
                fetches.remove(version);
            }
            return None;
        }
        let fetch = Fetch::begin(self.clone(), below.clone(), version.clone(), number, last);
        of_version.push(Arc::downgrade(&fetch));
        Some(fetch.follow(start))
    }

    /// A fetch has no readers any more.
    pub(super) fn forget(&self, version: &Arc<Version>) {
        let mut fetches = lock(&self.fetches);
        if let Some(of_version) = fetches.get_mut(version) {
            of_version.retain(|fetch| fetch.strong_count() > 0);
            if of_version.is_empty() {
                fetches.remove(version);
            }
        }
    }

    /// Remembers where a reading ends. Whether it begins where one ended before.
    pub(super) fn goes_on(&self, version: &Arc<Version>, start: u64, end: u64) -> bool {
        let ended = self.trails.get(version);
        self.trails.insert(version.clone(), end);
        start > 0 && ended.is_some_and(|ended| ended / BLOCK == start / BLOCK || ended == start)
    }
}

impl fmt::Debug for DataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCache").field("memory", &self.memory.is_some()).field("disk", &self.disk).finish_non_exhaustive()
    }
}
