//! What a step receives: its counts, its position, and the signal that the server stops.

use super::{Cursor, entry::Entry};
use std::sync::{Arc, atomic::Ordering};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub struct Run {
    pub(crate) entry: Arc<Entry>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) stop: CancellationToken,
}

impl Run {
    /// Returns the position of the job in its bucket. `None` means that the job is not about a single bucket.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Returns the signal that the job has to end. The step itself is dropped then; the signal is for tasks
    /// that the step has spawned.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Adds to a count of the job's kind.
    pub fn add(&self, what: &str, more: u64) {
        if let Some(count) = self.entry.count(what) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Sets a count of the job's kind.
    pub fn set(&self, what: &str, to: u64) {
        if let Some(count) = self.entry.count(what) {
            count.store(to, Ordering::Relaxed);
        }
    }
}
