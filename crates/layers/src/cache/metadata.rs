//! The one metadata cache: its memory, and the buckets that keep answers in it.

use super::{
    counts::Count,
    entries::{Entries, lock},
    space::{Freshness, Space},
};
use crate::model::BucketName;
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering},
};

/// Holds the answers of all backends, bounded by bytes.
#[derive(Debug)]
pub struct MetadataCache {
    entries: Arc<Entries>,
    next_space: AtomicU64,
    spaces: Mutex<Vec<Weak<Space>>>,
}

impl MetadataCache {
    /// Creates a cache of about `size` bytes at most.
    pub fn new(size: u64) -> Arc<Self> {
        Arc::new(Self {
            entries: Arc::new(Entries::new(size)),
            next_space: AtomicU64::new(0),
            spaces: Mutex::default(),
        })
    }

    /// Returns the part of the cache that belongs to one bucket.
    pub(super) fn space(
        self: &Arc<Self>,
        backend: &Arc<str>,
        bucket: &BucketName,
        freshness: Freshness,
    ) -> Arc<Space> {
        let number = self.next_space.fetch_add(1, Ordering::Relaxed);
        let space =
            Arc::new(Space::new(self.entries.clone(), number, backend.clone(), bucket.clone(), freshness));
        let mut spaces = lock(&self.spaces);
        // Only the newest space of a bucket is listed: a bucket that was removed and created again may still
        // have readers of the earlier one.
        spaces.retain(|known| known.upgrade().is_some_and(|known| !known.is_of(backend, bucket)));
        spaces.push(Arc::downgrade(&space));
        space
    }

    /// Returns the counts of every existing bucket.
    pub fn counts(&self) -> Vec<Count> {
        let spaces: Vec<_> = lock(&self.spaces).iter().filter_map(Weak::upgrade).collect();
        spaces.iter().flat_map(|space| space.counted()).collect()
    }

    /// Returns about how many bytes are kept.
    pub fn size(&self) -> u64 {
        self.entries.size()
    }
}
