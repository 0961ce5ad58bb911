//! The one thread that writes to a database, with group commit.
//!
//! Changes are applied in the order of their submission. Whatever is waiting when the thread is free goes into one
//! transaction: under load many changes share a commit, a lone change waits for nothing.
//!
//! Invariants:
//! - a caller hears of success only after the commit;
//! - a change that fails takes none of its group with it: it either refuses and has changed nothing, or the whole group
//!   is rolled back and every change of it applied once more, alone;
//! - every caller hears something: if a change panics it fails alone, and if the thread itself died, all fail.

use super::error::{closed, internal};
use crate::catalog::{CatalogError, Result};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
};
use tokio::sync::oneshot;

/// Changes in one transaction: enough to make the commit's cost vanish, few enough to keep each one's wait short.
const GROUP: usize = 512;

/// How far a change that comes in bites has come.
pub(super) enum Step<T> {
    Done(T),
    /// Commit this much, let others go first, then go on.
    More,
}

pub(super) enum Failure {
    /// The answer is no, and nothing was changed.
    Refused(CatalogError),
    /// The transaction is in an unknown state.
    Broken(CatalogError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// What a change gives: see [`Failure`] for what its errors promise.
pub(super) type Applied<T> = std::result::Result<T, Failure>;

#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Message>,
    closing: Arc<AtomicBool>,
}

enum Message {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<Result<()>>),
}

impl Writer {
    pub(super) fn start(name: &str, db: Connection) -> Result<Self> {
        let (queue, changes) = mpsc::channel();
        let run = move || Thread { db, changes, unfinished: VecDeque::new() }.run();
        thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| internal(format!("starting a thread: {error}")))?;
        Ok(Self { queue, closing: Arc::default() })
    }

    /// Enqueues a change, now; the future resolves when it is committed and may be dropped. `change` may run again after
    /// a rollback, and finds the database then as it was the first time.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&Connection) -> Applied<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.submit_steps(move |db| change(db).map(Step::Done))
    }

    /// As [`submit`](Self::submit), for a change too big for one transaction.
    pub(super) fn submit_steps<T: Send + 'static>(
        &self,
        change: impl FnMut(&Connection) -> Applied<Step<T>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (reply, outcome) = oneshot::channel();
        let job = Change { change, outcome: None, reply };
        // If the thread is gone the job is dropped right here, and the future tells.
        let _ = self.queue.send(Message::Change(Box::new(job)));
        self.hear(outcome)
    }

    /// Commits what was submitted before, checkpoints and closes the file. Later changes fail with `Closed`.
    pub(super) fn close(&self) -> BoxFuture<'static, Result<()>> {
        let (reply, outcome) = oneshot::channel();
        self.closing.store(true, Ordering::Release);
        let _ = self.queue.send(Message::Close(reply));
        self.hear(outcome)
    }

    fn hear<T: Send + 'static>(&self, outcome: oneshot::Receiver<Result<T>>) -> BoxFuture<'static, Result<T>> {
        let closing = self.closing.clone();
        let gone = move || if closing.load(Ordering::Acquire) { closed() } else { internal("the catalog's writing thread is gone") };
        Box::pin(async move { outcome.await.unwrap_or_else(|_| Err(gone())) })
    }
}

trait Job: Send {
    /// Whether it is finished, if it went well.
    fn apply(&mut self, db: &Connection) -> Result<bool>;
    fn is_finished(&self) -> bool;
    /// Tells the caller, now that what `apply` did is committed or it failed.
    fn resolve(self: Box<Self>, committed: Result<()>);
}

struct Change<F, T> {
    change: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<F, T>
where
    F: FnMut(&Connection) -> Applied<Step<T>> + Send,
    T: Send,
{
    fn apply(&mut self, db: &Connection) -> Result<bool> {
        self.outcome = None;
        let applied = catch_unwind(AssertUnwindSafe(|| (self.change)(db)))
            .unwrap_or_else(|_| Err(Failure::Broken(internal("a change of the catalog panicked"))));
        self.outcome = match applied {
            Ok(Step::Done(reply)) => Some(Ok(reply)),
            Ok(Step::More) => None,
            Err(Failure::Refused(error)) => Some(Err(error)),
            Err(Failure::Broken(error)) => return Err(error),
        };
        Ok(self.is_finished())
    }

    fn is_finished(&self) -> bool {
        self.outcome.is_some()
    }

    fn resolve(self: Box<Self>, committed: Result<()>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
            (Err(error), _) => Err(error),
        };
        // A caller that went away does not want to know.
        let _ = self.reply.send(outcome);
    }
}

struct Thread {
    db: Connection,
    changes: Receiver<Message>,
    /// Changes that want another step; one takes part in each group.
    unfinished: VecDeque<Box<dyn Job>>,
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
                    let _ = reply.send(shut(self.db));
                    return;
                }
            }
        }
    }

    /// What is waiting, and whether this is the end. Blocks only if there is nothing to do.
    fn gather(&mut self) -> (Vec<Box<dyn Job>>, Option<End>) {
        let mut group: Vec<_> = self.unfinished.pop_front().into_iter().collect();
        while group.len() < GROUP {
            let message = match self.changes.try_recv() {
                Err(TryRecvError::Empty) if group.is_empty() => self.changes.recv().map_err(|_| TryRecvError::Disconnected),
                other => other,
            };
            match message {
                Ok(Message::Change(job)) => group.push(job),
                Ok(Message::Close(reply)) => return (group, Some(End::Close(reply))),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return (group, Some(End::Dropped)),
            }
        }
        (group, None)
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        match transact(&self.db, &mut group) {
            Ok(()) => group.into_iter().for_each(|job| self.settle(job, Ok(()))),
            Err(Attempt::NotBegun(error)) => {
                // Nothing can be written at the moment: trying each one alone would only wait as long for each.
                for job in group {
                    job.resolve(Err(CatalogError::new(error.kind(), error.to_string())));
                }
            }
            Err(Attempt::RolledBack(error)) if group.len() == 1 => {
                group.into_iter().for_each(|job| job.resolve(Err(CatalogError::new(error.kind(), error.to_string()))));
            }
            Err(Attempt::RolledBack(_)) => group.into_iter().for_each(|job| self.commit(vec![job])),
        }
    }

    fn settle(&mut self, job: Box<dyn Job>, committed: Result<()>) {
        if job.is_finished() { job.resolve(committed) } else { self.unfinished.push_back(job) }
    }
}

enum End {
    Close(oneshot::Sender<Result<()>>),
    /// The catalog was dropped without being closed.
    Dropped,
}

enum Attempt {
    NotBegun(CatalogError),
    RolledBack(CatalogError),
}

fn transact(db: &Connection, group: &mut [Box<dyn Job>]) -> std::result::Result<(), Attempt> {
    let execute = |sql| db.prepare_cached(sql)?.execute([]).map(drop);
    execute("BEGIN IMMEDIATE").map_err(|error| Attempt::NotBegun(error.into()))?;
    let done = group.iter_mut().try_for_each(|job| job.apply(db).map(drop)).and_then(|()| Ok(execute("COMMIT")?));
    done.map_err(|error| {
        // Some errors have rolled back already.
        if !db.is_autocommit()
            && let Err(error) = execute("ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
        Attempt::RolledBack(error)
    })
}

/// Everything into the file itself, so that nothing but the file needs to be kept.
fn shut(db: Connection) -> Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, error)| error.into())
}
