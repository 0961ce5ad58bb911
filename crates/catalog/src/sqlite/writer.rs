//! The one thread that writes to a database, with group commit.
//!
//! Changes are applied in the order of their submission. All changes that wait when the thread is free go
//! into one transaction: under load many changes share a commit, and a single change waits for nothing. A
//! change that is submitted as deferred waits a moment for others (`queue`).
//!
//! Invariants:
//! - success is reported to a caller only after the commit;
//! - a change that fails does not undo the others in its group: it either refuses and has changed nothing, or
//!   the whole group is rolled back and every change of it applied once more, alone;
//! - where there is no space, changes that free space are given some of the reserve, and no others;
//! - every caller gets a result: a change that panics fails alone, and if the thread itself dies, all changes
//!   fail. Who submitted a deferred change learns that by the drop of what it is to be told by.

use super::{
    checkpoint::Checkpointer,
    error::{closed, internal},
    job::{Applied, Change, Job, Step},
    queue::{Queue, Taker},
    reserve::Reserve,
    shrink,
    transaction::{Attempt, transact},
};
use crate::catalog::{CatalogError, CatalogErrorKind, Ended, Result};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::sync::oneshot;

/// The maximum number of changes in one transaction: enough to share the cost of a commit, few enough to keep
/// each change's wait short.
const GROUP: usize = 512;
/// After this many changes that freed space, it is looked how much of the file is free.
const LOOK_AFTER: usize = 256;

#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue<Message>>,
    closing: Arc<AtomicBool>,
}

enum Message {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<Result<()>>),
}

impl Writer {
    /// Starts the thread. Without a checkpointer, commits checkpoint by themselves.
    pub(super) fn start(
        name: &str,
        db: Connection,
        checkpointer: Option<Checkpointer>,
        reserve: Option<Arc<Reserve>>,
    ) -> Result<Self> {
        let queue = Queue::new();
        let changes = queue.taker();
        let run = move || {
            let (unfinished, shrinking) = (VecDeque::new(), Arc::default());
            // What was deleted before may be given back now.
            let freed = LOOK_AFTER;
            Thread { db, changes, unfinished, checkpointer, reserve, freed, shrinking }.run();
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|error| internal(format!("starting a thread: {error}")))?;
        Ok(Self { queue, closing: Arc::default() })
    }

    /// Enqueues a change at once. The future resolves when the change is committed, and may be dropped.
    /// `change` may run again after a rollback; the database is then in the same state as the first time.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&Connection) -> Applied<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.enqueue(move |db| change(db).map(Step::Done), false)
    }

    /// Like [`submit`](Self::submit), for a change that frees space: it works even where there is no space.
    pub(super) fn submit_freeing<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&Connection) -> Applied<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.enqueue(move |db| change(db).map(Step::Done), true)
    }

    /// Like [`submit_freeing`](Self::submit_freeing), for a change that is too big for one transaction.
    pub(super) fn submit_freeing_steps<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> Applied<Step<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.enqueue(change, true)
    }

    fn enqueue<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> Applied<Step<T>> + Send + 'static,
        frees: bool,
    ) -> BoxFuture<'static, Result<T>> {
        let (reply, outcome) = oneshot::channel();
        // A caller that dropped its future does not want the result.
        let tell = move |result| drop(reply.send(result));
        let job = Change::new(change, frees, tell);
        // If the thread is gone, the job is dropped here, and the future reports that.
        self.queue.send(Message::Change(Box::new(job)));
        self.hear(outcome)
    }

    /// Enqueues a change whose commit nobody waits for, so that many of them share one. It blocks while too
    /// many wait. `ended` is told the result; if the thread ends before, it is dropped.
    pub(super) fn submit_deferred(
        &self,
        mut change: impl FnMut(&Connection) -> Applied<()> + Send + 'static,
        ended: Ended,
    ) {
        let change = move |db: &_| change(db).map(Step::Done);
        let job = Change::new(change, false, ended);
        self.queue.send_deferred(Message::Change(Box::new(job)));
    }

    /// Commits deferred changes without waiting for more of them.
    pub(super) fn hurry(&self) {
        self.queue.hurry();
    }

    /// Commits what was submitted before, checkpoints and closes the file. Later changes fail with `Closed`.
    pub(super) fn close(&self) -> BoxFuture<'static, Result<()>> {
        let (reply, outcome) = oneshot::channel();
        self.closing.store(true, Ordering::Release);
        self.queue.send(Message::Close(reply));
        self.hear(outcome)
    }

    fn hear<T: Send + 'static>(
        &self,
        outcome: oneshot::Receiver<Result<T>>,
    ) -> BoxFuture<'static, Result<T>> {
        let closing = self.closing.clone();
        let gone = move || {
            if closing.load(Ordering::Acquire) {
                closed()
            } else {
                internal("the catalog's writing thread is gone")
            }
        };
        Box::pin(async move { outcome.await.unwrap_or_else(|_| Err(gone())) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

struct Thread {
    db: Connection,
    changes: Taker<Message>,
    /// Changes that need another step. One of them takes part in each group.
    unfinished: VecDeque<Box<dyn Job>>,
    checkpointer: Option<Checkpointer>,
    reserve: Option<Arc<Reserve>>,
    /// Changes that freed space since the file was last looked at.
    freed: usize,
    /// The change that gives space back has a clone of this.
    shrinking: Arc<()>,
}

impl Thread {
    fn run(mut self) {
        loop {
            let (group, close) = self.gather();
            if !group.is_empty() {
                self.commit(group);
            }
            match close {
                None => {}
                Some(End::Dropped) => return,
                Some(End::Close(reply)) => {
                    drop(self.unfinished);
                    drop(self.checkpointer);
                    let _ = reply.send(shut(self.db));
                    return;
                }
            }
        }
    }

    /// Returns the waiting changes, and whether the thread has to end. Blocks only if there is nothing to do.
    fn gather(&mut self) -> (Vec<Box<dyn Job>>, Option<End>) {
        let mut group: Vec<_> = self.unfinished.pop_front().into_iter().collect();
        let Some(messages) = self.changes.take(GROUP - group.len(), group.is_empty()) else {
            return (group, Some(End::Dropped));
        };
        for message in messages {
            match message {
                Message::Change(job) => group.push(job),
                Message::Close(reply) => return (group, Some(End::Close(reply))),
            }
        }
        (group, None)
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let apply = |group: &mut Vec<Box<dyn Job>>| {
            transact(&self.db, |db| group.iter_mut().try_for_each(|job| job.apply(db)))
        };
        let mut attempt = apply(&mut group);
        if group.len() == 1 && group.iter().all(|job| job.frees()) {
            let mut moved = false;
            while attempt.as_ref().is_err_and(|attempt| self.is_full(attempt.error()))
                && self.make_room(&mut moved)
            {
                attempt = apply(&mut group);
            }
        }
        match attempt {
            Ok(()) => {
                self.freed += group.iter().filter(|job| job.frees()).count();
                let moved = if self.is_shrinking() { shrink::STEP } else { 0 };
                if let Some(checkpointer) = &mut self.checkpointer {
                    checkpointer.committed(group.len() + moved);
                }
                if let Some(reserve) = &self.reserve {
                    reserve.refill_at_times();
                }
                group.into_iter().for_each(|job| self.settle(job));
                self.shrink_at_times();
            }
            Err(Attempt::NotBegun(error)) if group.len() == 1 || !self.is_full(&error) => {
                // Nothing can be written now: trying each change alone would only repeat the wait for each.
                for job in group {
                    job.resolve(Err(self.error_for_caller(&error)));
                }
            }
            Err(Attempt::RolledBack(error)) if group.len() == 1 => {
                group.into_iter().for_each(|job| job.resolve(Err(self.error_for_caller(&error))));
            }
            Err(_) => group.into_iter().for_each(|job| self.commit(vec![job])),
        }
    }

    fn is_full(&self, error: &CatalogError) -> bool {
        match error.kind() {
            CatalogErrorKind::Full => true,
            // SQLite returns this error when no page can be added to the memory that its connections share.
            CatalogErrorKind::Unavailable => self.reserve.as_ref().is_some_and(|reserve| reserve.is_full()),
            _ => false,
        }
    }

    /// Returns the error for callers. It says that there is no space, whatever SQLite's error is.
    fn error_for_caller(&self, error: &CatalogError) -> CatalogError {
        let kind = if self.is_full(error) { CatalogErrorKind::Full } else { error.kind() };
        CatalogError::new(kind, error.to_string())
    }

    /// Moves committed pages from the log into the file: the log then restarts, and needs no further space.
    /// If that was not enough, releases a piece of the reserve.
    fn make_room(&self, moved: &mut bool) -> bool {
        if *moved && !self.reserve.as_ref().is_some_and(|reserve| reserve.give()) {
            return false;
        }
        *moved = true;
        // The checkpoint may find no space either, or a reader may block it: the next attempt shows whether
        // it helped.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        true
    }

    fn is_shrinking(&self) -> bool {
        Arc::strong_count(&self.shrinking) > 1
    }

    /// Begins to give space back, if there is much after many deletions. It goes on between other changes.
    fn shrink_at_times(&mut self) {
        if self.freed < LOOK_AFTER || self.is_shrinking() {
            return;
        }
        self.freed = 0;
        match shrink::is_due(&self.db) {
            Ok(false) => {}
            Ok(true) => {
                let shrinking = self.shrinking.clone();
                let ended = move |ended: Result<()>| {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "space was not given back");
                    }
                    drop(shrinking);
                };
                self.unfinished.push_back(Box::new(Change::new(shrink::step, false, ended)));
            }
            Err(error) => tracing::warn!(%error, "looking for free pages failed"),
        }
    }

    fn settle(&mut self, job: Box<dyn Job>) {
        if job.is_finished() { job.resolve(Ok(())) } else { self.unfinished.push_back(job) }
    }
}

enum End {
    Close(oneshot::Sender<Result<()>>),
    /// The catalog was dropped without being closed.
    Dropped,
}

/// Moves everything into the file itself, so that only the file has to be kept.
fn shut(db: Connection) -> Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, error)| error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CatalogErrorKind, sqlite::job::Failure};
    use futures_util::future::join_all;
    use std::sync::{
        atomic::AtomicUsize,
        mpsc::{self, Sender},
    };

    fn writer() -> Writer {
        let db = Connection::open_in_memory().expect("memory");
        db.execute_batch("CREATE TABLE numbers (n INTEGER PRIMARY KEY)").expect("a table");
        Writer::start("test", db, None, None).expect("starts")
    }

    fn insert(n: i64) -> impl FnMut(&Connection) -> Applied<()> + Send + 'static {
        move |db| Ok(db.execute("INSERT INTO numbers VALUES (?1)", [n]).map(drop)?)
    }

    fn numbers(writer: &Writer) -> BoxFuture<'static, Result<Vec<i64>>> {
        writer.submit(|db| {
            Ok(db
                .prepare("SELECT n FROM numbers ORDER BY n")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Blocks the thread until the result is dropped, so that changes submitted meanwhile make one group.
    fn hold(writer: &Writer) -> Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        drop(writer.submit(move |_| {
            let _ = held.recv();
            Ok(())
        }));
        release
    }

    #[tokio::test]
    async fn a_change_that_breaks_its_group_fails_alone() {
        let writer = writer();
        let applied = Arc::new(AtomicUsize::new(0));
        let held = hold(&writer);
        let changes = (0..100).map(|n| {
            let (applied, mut insert) = (applied.clone(), insert(n - n % 50));
            // One of every fifty changes inserts the number, and the others violate the constraint; ten more
            // panic or refuse.
            writer.submit(move |db| {
                applied.fetch_add(1, Ordering::Relaxed);
                match n % 10 {
                    1 => panic!("expected by the test"),
                    2 => Err(Failure::Refused(closed())),
                    3 => db
                        .execute("INSERT INTO numbers VALUES (?1)", [1000 + n])
                        .map(drop)
                        .map_err(Failure::from),
                    _ => insert(db),
                }
            })
        });
        let changes: Vec<_> = changes.collect();
        drop(held);
        for (n, outcome) in join_all(changes).await.into_iter().enumerate() {
            let kind = outcome.err().map(|error| error.kind());
            let expected = match n % 10 {
                2 => Some(CatalogErrorKind::Closed),
                3 => None,
                _ if n % 50 == 0 => None,
                _ => Some(CatalogErrorKind::Internal),
            };
            assert_eq!(kind, expected, "{n}");
        }
        let expected = [0, 50].into_iter().chain((0..10).map(|n| 1003 + 10 * n)).collect::<Vec<_>>();
        assert_eq!(numbers(&writer).await.expect("read"), expected);
        assert!(applied.load(Ordering::Relaxed) > 100, "they were one group at first");
    }

    #[tokio::test]
    async fn what_waits_together_is_committed_together() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("numbers.sqlite");
        let db = Connection::open(&path).expect("opens");
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
            .expect("a table");
        let others = Connection::open(&path).expect("opens");
        let visible =
            move || others.query_row("SELECT count(*) FROM numbers", [], |row| row.get::<_, i64>(0));
        let writer = Writer::start("test", db, None, None).expect("starts");
        let held = hold(&writer);
        let changes: Vec<_> = (0..100).map(|n| writer.submit(insert(n))).collect();
        let last = writer.submit(move |_| Ok(visible()?));
        drop(held);
        join_all(changes).await.into_iter().collect::<Result<()>>().expect("committed");
        assert_eq!(last.await.expect("read"), 0, "the last saw the others uncommitted");
        assert_eq!(numbers(&writer).await.expect("read").len(), 100);
    }

    #[tokio::test]
    async fn a_change_in_steps_lets_others_in_between() {
        let writer = writer();
        let held = hold(&writer);
        let mut step = 0;
        let long = writer.submit_freeing_steps(move |db| {
            step += 1;
            db.execute("INSERT INTO numbers VALUES (?1)", [step])?;
            Ok(if step < 3 { Step::More } else { Step::Done(()) })
        });
        let seen = numbers(&writer);
        drop(held);
        assert_eq!(seen.await.expect("read"), [1]);
        long.await.expect("committed");
        assert_eq!(numbers(&writer).await.expect("read"), [1, 2, 3]);
    }

    #[tokio::test]
    async fn when_the_thread_dies_every_caller_hears_of_it() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("expected by the test");
            }
        }
        let writer = writer();
        let held = hold(&writer);
        let bomb = Bomb;
        let deadly = writer.submit(move |_| {
            let _held = &bomb;
            Ok(())
        });
        let after: Vec<_> = (0..2 * GROUP as i64).map(|n| writer.submit(insert(n))).collect();
        drop(held);
        deadly.await.expect("committed before it exploded");
        let outcomes = join_all(after).await;
        assert!(
            outcomes.iter().all(|outcome| outcome
                .as_ref()
                .is_err_and(|error| error.kind() == CatalogErrorKind::Internal))
        );
        assert!(numbers(&writer).await.is_err());
        assert!(writer.close().await.is_err());
    }
}
