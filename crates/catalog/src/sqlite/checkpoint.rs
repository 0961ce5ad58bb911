//! Moves committed pages from a database's log into its file, in a thread of its own.
//!
//! SQLite by itself checkpoints inside a commit, which then waits for the disk, and with it every change in
//! its group and behind it. With this thread, commits continue meanwhile. The log restarts only when all of
//! it has been moved, and while changes are written all the time, a pass beside the writer never reaches that
//! state. So SQLite's own checkpoint remains as the last resort, at a size where it has hardly anything left
//! to do.

use super::error::internal;
use crate::catalog::Result;
use rusqlite::Connection;
use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The number of changes between two passes. Each change touches one or two pages.
    pub(super) pass_after: usize,
    /// The number of pages of log at which SQLite's own checkpoint begins.
    pub(super) last_resort: i64,
}

/// A handle on the checkpointing thread. The writing thread owns it, and reports how many changes it wrote.
#[derive(Debug)]
pub(super) struct Checkpointer {
    pace: Pace,
    written: usize,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(name: &str, db: Connection, pace: Pace) -> Result<Self> {
        // One wake-up may wait while a pass runs; more of them would have no effect.
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&db, &woken, pace));
        let thread = thread.map_err(|error| internal(format!("starting a thread: {error}")))?;
        Ok(Self { pace, written: 0, wake: Some(wake), thread: Some(thread) })
    }

    pub(super) fn committed(&mut self, changes: usize) {
        self.written += changes;
        if self.written >= self.pace.pass_after {
            self.written = 0;
            if let Some(wake) = &self.wake {
                // If the channel is full, a pass will follow anyway. If it is closed, the last resort
                // remains.
                let _ = wake.try_send(());
            }
        }
    }
}

impl Drop for Checkpointer {
    /// Waits for a pass in progress: the writer may be about to close the file for good.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpointing thread panicked");
        }
    }
}

fn run(db: &Connection, woken: &Receiver<()>, pace: Pace) {
    while woken.recv().is_ok() {
        // The row of the result: whether the checkpoint was blocked, the number of pages in the log, and how
        // many of them were moved.
        match db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1)) {
            // Only one connection can checkpoint at a time. This thread pauses, so that the writer can
            // restart the log.
            Ok(pages) if pages >= pace.last_resort && woken.recv().is_err() => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "checkpointing the key index failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sqlite::writer::Writer;
    use futures_util::future::join_all;

    #[tokio::test]
    async fn the_log_stays_small_under_steady_writing() {
        const PAGES: u64 = 200;
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("numbers.sqlite");
        let connect = || {
            let db = Connection::open(&path).expect("opens");
            db.execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = {PAGES}"
            ))
            .expect("configured");
            db
        };
        let db = connect();
        db.execute_batch("CREATE TABLE numbers (n INTEGER PRIMARY KEY, filling BLOB)").expect("a table");
        let checkpointer =
            Checkpointer::start("log", connect(), Pace { pass_after: 50, last_resort: PAGES as i64 })
                .expect("starts");
        let writer = Writer::start("test", db, Some(checkpointer), None).expect("starts");
        // Each change fills a page of its own.
        let insert = |n| {
            writer.submit(move |db| {
                Ok(db.execute("INSERT INTO numbers VALUES (?1, zeroblob(3000))", [n]).map(drop)?)
            })
        };
        for hundred in 0..100 {
            let written = join_all((0..100).map(|n| insert(100 * hundred + n))).await;
            written.into_iter().collect::<Result<()>>().expect("committed");
        }
        let log = path.with_extension("sqlite-wal").metadata().expect("a log").len();
        assert!(log < 10 * PAGES * 4096, "{log} bytes, of 10,000 pages written");
        writer.close().await.expect("closed");
        assert!(!path.with_extension("sqlite-wal").exists(), "nobody else holds the file open");
    }
}
