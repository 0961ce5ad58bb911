//! A scan of a bucket: how much it looks at, and its progress, which is counted by the scan and read by the
//! task that asked for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much a scan looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What upkeep looks at: folders that have changed, or a change feed, where the storage shows either.
    Changed,
    /// Every file.
    Everything,
}

#[derive(Debug, Default)]
pub struct Progress {
    folders: AtomicU64,
    objects: AtomicU64,
    changed: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub folders: u64,
    pub objects: u64,
    /// Keys whose index rows were changed.
    pub changed: u64,
}

impl Progress {
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { folders: of(&self.folders), objects: of(&self.objects), changed: of(&self.changed) }
    }

    pub fn saw(&self, folders: usize, objects: usize) {
        self.folders.fetch_add(folders as u64, Ordering::Relaxed);
        self.objects.fetch_add(objects as u64, Ordering::Relaxed);
    }

    pub fn changed(&self, keys: usize) {
        self.changed.fetch_add(keys as u64, Ordering::Relaxed);
    }

    /// Sets the counts of a scan that continues an interrupted one.
    pub fn resume(&self, counts: Counts) {
        self.folders.store(counts.folders, Ordering::Relaxed);
        self.objects.store(counts.objects, Ordering::Relaxed);
        self.changed.store(counts.changed, Ordering::Relaxed);
    }
}
