//! The buckets that were deleted, and whose rows the index may still hold.
//!
//! Owns the list of them and the sweep that removes their rows. The truth decides which buckets these are.
//!
//! Invariant: a bucket is on the list before its sweep begins, and stays there for as long as the process runs:
//! ids of buckets are never used again.

use super::{super::BucketId, index, job::Step, writer::Writer};
use std::{
    collections::{HashSet, VecDeque},
    sync::{PoisonError, RwLock},
};

#[derive(Debug, Default)]
pub(super) struct Gone(RwLock<HashSet<BucketId>>);

impl Gone {
    pub(super) fn contains(&self, bucket: BucketId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&bucket)
    }

    /// Hides what the index holds of `buckets` at once, and removes it in the background.
    pub(super) fn sweep(&self, mut buckets: VecDeque<BucketId>, index: &Writer) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(&buckets);
        let swept = index.submit_freeing_steps(move |db| {
            if let Some(bucket) = buckets.front()
                && let Step::Done(()) = index::sweep(db, *bucket)?
            {
                // Should this be rolled back, what stays is swept after the next start.
                buckets.pop_front();
            }
            Ok(if buckets.is_empty() { Step::Done(()) } else { Step::More })
        });
        // Nobody waits for it.
        drop(swept);
    }
}
