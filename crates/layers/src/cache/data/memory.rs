//! The one data cache: its blocks, its fetches, and the state of its readers.

use super::{
    block::{BLOCK, Version},
    blocks::Blocks,
    disk::Disk,
    fetch::Fetches,
    spare::Spare,
};
use crate::{
    cache::{
        counts::{Count, Counts},
        entries::lock,
    },
    model::BucketName,
};
use moka::sync::Cache;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::Semaphore;

/// What may be cached, and where.
#[derive(Debug, Clone)]
pub struct DataSettings {
    /// The memory for blocks, in bytes.
    pub memory: u64,
    /// The disk space in bytes, and the directory.
    pub disk: Option<(u64, PathBuf)>,
    /// A read of more bytes than this is not kept.
    pub max_object: u64,
}

/// How many partly read versions are remembered, each with the position where the read ended.
const TRAILS: u64 = 10_000;
/// Maximum number of readers for whom blocks are read ahead at a time.
const READING_AHEAD: usize = 8;

pub struct DataCache {
    pub(super) blocks: Arc<Blocks>,
    pub(super) max_object: u64,
    pub(super) fetches: Arc<Fetches>,
    trails: Cache<Arc<Version>, u64>,
    pub(super) ahead: Arc<Semaphore>,
    pub(super) spare: Arc<Spare>,
    buckets: Mutex<Vec<Weak<Counted>>>,
}

/// The counters of one bucket.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) backend: Arc<str>,
    pub(super) bucket: BucketName,
    pub(super) counts: Counts,
}

impl DataCache {
    pub fn open(settings: DataSettings) -> std::io::Result<Arc<Self>> {
        let disk = settings.disk.map(|(size, directory)| Disk::open(&directory, size)).transpose()?;
        let (blocks, spare) = (Arc::new(Blocks::new(settings.memory, disk)), Arc::default());
        Ok(Arc::new(Self {
            fetches: Fetches::new(blocks.clone(), Arc::clone(&spare)),
            blocks,
            max_object: settings.max_object,
            trails: Cache::new(TRAILS),
            ahead: Arc::new(Semaphore::new(READING_AHEAD)),
            spare,
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
        let counted =
            Arc::new(Counted { backend: backend.clone(), bucket: bucket.clone(), counts: Counts::default() });
        buckets.push(Arc::downgrade(&counted));
        counted
    }

    /// Returns the counts of every existing bucket.
    pub fn counts(&self) -> Vec<Count> {
        let all: Vec<_> = lock(&self.buckets).iter().filter_map(Weak::upgrade).collect();
        all.iter().flat_map(|one| one.counts.read(&one.backend, &one.bucket)).collect()
    }

    /// Returns the number of bytes in memory and on disk.
    pub fn sizes(&self) -> (u64, u64) {
        self.blocks.sizes()
    }

    /// Remembers where a read ends. Returns whether it starts where an earlier read ended.
    pub(super) fn goes_on(&self, version: &Arc<Version>, start: u64, end: u64) -> bool {
        let ended = self.trails.get(version);
        self.trails.insert(version.clone(), end);
        start > 0 && ended.is_some_and(|ended| ended / BLOCK == start / BLOCK || ended == start)
    }
}

impl fmt::Debug for DataCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCache").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}
