//! The buckets that were deleted, and whose rows the index may still hold.
//!
//! Owns the list of them, which no change of the index passes by, and the sweep that removes their rows.
//! The truth decides which buckets these are.
//!
//! Invariant: a bucket is on the list before its sweep begins, and stays there for as long as the process
//! runs: ids of buckets are never used again.

use super::{
    super::{BucketId, Generation, IndexChange, Result},
    Database, error, index,
    job::{Applied, Step},
    writer::Writer,
};
use rusqlite::Connection;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Debug, Default)]
pub(super) struct Gone(RwLock<HashSet<BucketId>>);

impl Gone {
    pub(super) fn contains(&self, bucket: BucketId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&bucket)
    }

    /// Makes changes of the index, all or none, unless their bucket is on the list.
    pub(super) fn applying(
        self: &Arc<Self>,
        bucket: BucketId,
        generation: Generation,
        changes: Vec<IndexChange>,
    ) -> impl FnMut(&Connection) -> Applied<()> + Send + 'static {
        let gone = self.clone();
        move |db| {
            if gone.contains(bucket) {
                return Ok(());
            }
            changes.iter().try_for_each(|change| index::apply(db, bucket, generation, change))
        }
    }

    /// Makes a change that removes buckets, and removes their rows of the index.
    pub(super) async fn after<T: Send + 'static>(
        self: &Arc<Self>,
        index: &Arc<Database>,
        change: impl Future<Output = Result<(T, VecDeque<BucketId>)>> + Send + 'static,
    ) -> Result<T> {
        let (gone, index) = (self.clone(), index.clone());
        // A task of its own: once begun, it completes even if the caller is dropped.
        let task = tokio::spawn(async move {
            let (done, removed) = change.await?;
            gone.sweep(removed, &index.writer);
            Ok(done)
        });
        task.await.unwrap_or_else(|_| Err(error::internal("the removal of a bucket was interrupted")))
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
