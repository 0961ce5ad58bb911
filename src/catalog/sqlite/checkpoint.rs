//! Moves what is committed from a database's log into its file, in a thread of its own.
//!
//! SQLite by itself checkpoints inside a commit, which then waits for the disk, and with it everybody in its group and
//! behind it. Here commits go on meanwhile. The log begins anew only when all of it has been moved, which under steady
//! writing never is the case after a pass beside the writer: so SQLite's own checkpoint stays on as the last resort, at a
//! size where hardly anything is left for it to do.

use super::{error::internal, file::INDEX_CHECKPOINT_PAGES};
use crate::catalog::Result;
use rusqlite::Connection;
use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
};

/// Changes between two passes; each touches a page or two.
const PASS_AFTER: usize = 2000;

/// Owned by the writing thread, which tells it how much it wrote.
#[derive(Debug)]
pub(super) struct Checkpointer {
    written: usize,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(name: &str, db: Connection) -> Result<Self> {
        // One wake-up may wait while a pass is under way; more would not say more.
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&db, &woken));
        let thread = thread.map_err(|error| internal(format!("starting a thread: {error}")))?;
        Ok(Self { written: 0, wake: Some(wake), thread: Some(thread) })
    }

    pub(super) fn committed(&mut self, changes: usize) {
        self.written += changes;
        if self.written >= PASS_AFTER {
            self.written = 0;
            if let Some(wake) = &self.wake {
                // Full: it will come round to it. Disconnected: the last resort remains.
                let _ = wake.try_send(());
            }
        }
    }
}

impl Drop for Checkpointer {
    /// Waits for the pass under way: the writer may be about to close the file for good.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpointing thread panicked");
        }
    }
}

fn run(db: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Its row: whether it was disturbed, the pages in the log, and how many of them are moved.
        match db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1)) {
            // Only one at a time can checkpoint: out of the writer's way, or the log would never begin anew.
            Ok(pages) if pages >= INDEX_CHECKPOINT_PAGES && woken.recv().is_err() => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "checkpointing the key index failed"),
        }
    }
}
