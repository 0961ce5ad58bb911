//! Entries of a storage that cannot be read: files and folders without read permission, or broken ones. Each
//! is refused alone, and everything else is served.
//!
//! This module owns the list of known ones, so that each is logged and counted once. It does not own how they
//! are refused: that follows from the kind of the error ([`StoreErrorKind`]).
//!
//! Invariant: the number of remembered entries is bounded.

use crate::{
    catalog::BucketId,
    store::error::{StoreError, StoreErrorKind},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The maximum number of remembered entries of one bucket. Further ones are refused in the same way, but
/// neither logged nor counted.
const MOST: usize = 10_000;

/// The number of unreadable entries in all buckets of a backend.
#[derive(Debug, Clone, Default)]
pub struct Total(Arc<AtomicU64>);

impl Total {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The unreadable entries of one bucket.
#[derive(Debug)]
pub struct Unreadable {
    bucket: BucketId,
    paths: Mutex<BTreeSet<String>>,
    total: Total,
}

impl Unreadable {
    pub fn of(bucket: BucketId, total: &Total) -> Self {
        Self { bucket, paths: Mutex::default(), total: total.clone() }
    }

    fn paths(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an entry that cannot be read.
    pub fn meet(&self, path: &str, error: &StoreError) {
        let mut paths = self.paths();
        if paths.len() < MOST && paths.insert(path.to_owned()) {
            self.total.0.fetch_add(1, Ordering::Relaxed);
            drop(paths);
            tracing::warn!(bucket = self.bucket.0, path, %error, "an entry cannot be read: it is refused, and all others are served");
        }
    }

    /// Forgets an entry that can be read, or is gone.
    pub fn forget(&self, path: &str) {
        let mut paths = self.paths();
        if !paths.is_empty() && paths.remove(path) {
            self.total.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Returns the known entries, which have to be checked again.
    pub fn known(&self) -> Vec<String> {
        self.paths().iter().cloned().collect()
    }
}

impl Drop for Unreadable {
    fn drop(&mut self) {
        let known = self.paths().len() as u64;
        self.total.0.fetch_sub(known, Ordering::Relaxed);
    }
}

/// Returns whether an error is about one entry only. All other errors are about the whole storage: it is
/// unreachable, full, or refuses the credentials.
pub fn is_of_entry(error: &StoreError) -> bool {
    matches!(error.kind(), StoreErrorKind::AccessDenied | StoreErrorKind::Broken | StoreErrorKind::KeyTooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_counts_once_until_it_can_be_read() {
        let total = Total::default();
        let error = StoreError::from(StoreErrorKind::AccessDenied);
        let unreadable = [Unreadable::of(BucketId(1), &total), Unreadable::of(BucketId(2), &total)];
        for _ in 0..2 {
            unreadable.iter().for_each(|bucket| bucket.meet("a", &error));
            unreadable[0].meet("b", &error);
        }
        assert_eq!((total.get(), unreadable[0].known()), (3, vec!["a".to_owned(), "b".to_owned()]));
        unreadable[0].forget("a");
        unreadable[0].forget("a");
        assert_eq!(total.get(), 2);
        drop(unreadable);
        assert_eq!(total.get(), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let total = Total::default();
        let unreadable = Unreadable::of(BucketId(1), &total);
        let error = StoreError::from(StoreErrorKind::AccessDenied);
        (0..MOST + 10).for_each(|n| unreadable.meet(&n.to_string(), &error));
        assert_eq!(total.get(), MOST as u64);
    }
}
