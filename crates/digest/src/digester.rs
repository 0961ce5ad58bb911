//! The bodies that wait to be digested, and who digests them.
//!
//! A caller submits a piece of a body, does what else there is to do (the write to disk), and takes its turn.
//! If nobody digests then, it does so itself, on its own thread: a lone body pays neither for another thread
//! nor for waiting. Pieces that arrive meanwhile join it in the lanes that are free. Once its own piece is
//! done it leaves the others to a thread of the digester. Batches grow with the load, and no timer is involved.
//!
//! This module does not own the bytes of the requests that wait: they are counted in the memory of bodies, and
//! there are at most as many pieces as requests.
//!
//! Invariants:
//! - whoever digests is a leader. If no leader is left, every piece in the queue has a [`Turn`] that is still
//!   to come: nothing waits for ever;
//! - there are at most as many leaders as cores, and a second one only if a full batch waits;
//! - no code of others runs under the lock of the queue.

use crate::{
    batch::{Batch, Job, discard},
    kernel::{Engine, WIDTH},
    md5::Md5,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZero,
    pin::Pin,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

/// Collects bodies that arrive at the same time, and digests them together.
pub struct Digester(Arc<Shared>);

struct Shared {
    engine: Engine,
    /// The most leaders at a time, and the most threads.
    most: usize,
    queue: Mutex<Queue>,
    called: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    submitted: u64,
    leaders: usize,
    /// Leaders that no thread is yet.
    calls: usize,
    /// Threads that wait for a call.
    idle: usize,
    closed: bool,
}

/// The right of a caller to digest its piece itself. A piece whose turn is dropped is not digested, unless
/// others have begun it.
#[must_use]
pub struct Turn {
    shared: Arc<Shared>,
    id: u64,
}

/// Resolves to the MD5 once it was fed its bytes.
#[derive(Debug)]
#[must_use]
pub struct Digesting(oneshot::Receiver<Md5>);

/// The digest was given up: its turn was dropped, or its bytes could not be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl Digester {
    /// Makes a digester with at most `most` leaders at a time. Threads are started when they are needed.
    pub fn new(engine: Engine, most: usize) -> Self {
        let shared = Shared { engine, most: most.max(1), queue: Mutex::default(), called: Condvar::new() };
        Self(Arc::new(shared))
    }

    /// Returns the digester of this process.
    pub fn of_process() -> &'static Self {
        static OF_PROCESS: LazyLock<Digester> = LazyLock::new(|| {
            Digester::new(Engine::fastest(), thread::available_parallelism().map_or(1, NonZero::get))
        });
        &OF_PROCESS
    }

    /// Submits the next bytes of a body. Whoever digests already may begin at once; otherwise the turn does it.
    pub fn submit(&self, md5: Md5, pieces: Vec<Bytes>) -> (Turn, Digesting) {
        let (reply, digested) = oneshot::channel();
        let mut queue = self.0.queue();
        let id = queue.submitted;
        queue.submitted += 1;
        queue.waiting.push_back(Job::new(id, md5, pieces, reply));
        if queue.leaders > 0 && queue.leaders < self.0.most && queue.waiting.len() >= WIDTH {
            queue.leaders += 1;
            if Shared::call(&self.0, &mut queue).is_err() {
                queue.leaders -= 1;
            }
        }
        drop(queue);
        (Turn { shared: self.0.clone(), id }, Digesting(digested))
    }
}

impl Drop for Digester {
    /// Threads end once they have nothing more to do. Pieces in the queue are still digested.
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.called.notify_all();
    }
}

impl Turn {
    /// Digests the piece if nobody else does. It takes a thread for at most about the time that all lanes
    /// need for a piece.
    pub fn take(self) {
        let mut queue = self.shared.queue();
        if queue.leaders > 0 {
            return;
        }
        let Some(own) = queue.remove(self.id) else { return };
        if own.is_abandoned() {
            drop(queue);
            discard(own);
            return;
        }
        queue.leaders += 1;
        drop(queue);
        let mut batch = Batch::new(self.shared.engine);
        batch.push(own);
        lead(&self.shared, batch, Some(self.id));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        if queue.leaders == 0
            && let Some(own) = queue.remove(self.id)
        {
            drop(queue);
            discard(own);
        }
    }
}

impl Queue {
    fn remove(&mut self, id: u64) -> Option<Job> {
        let at = self.waiting.iter().position(|job| job.id == id)?;
        self.waiting.remove(at)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a thread of the digester lead.
    fn call(shared: &Arc<Self>, queue: &mut Queue) -> io::Result<()> {
        if queue.idle > queue.calls {
            shared.called.notify_one();
        } else {
            let of_thread = shared.clone();
            thread::Builder::new().name("md5".to_owned()).spawn(move || serve(&of_thread))?;
        }
        queue.calls += 1;
        Ok(())
    }
}

/// Whoever digests, and its batch. A leader that is dropped before it has retired hands the queue over.
struct Leader<'a> {
    shared: &'a Arc<Shared>,
    batch: Batch,
    retired: bool,
}

/// Digests what waits. With `until`, only as long as that piece is not done.
fn lead(shared: &Arc<Shared>, batch: Batch, until: Option<u64>) {
    let mut leader = Leader { shared, batch, retired: false };
    while leader.fill() {
        leader.batch.round();
        if until.is_some_and(|id| !leader.batch.has(id)) && leader.hand_over() {
            break;
        }
    }
}

/// Runs a thread of the digester: it leads when it is called.
fn serve(shared: &Arc<Shared>) {
    let mut queue = shared.queue();
    loop {
        if queue.calls > 0 {
            queue.calls -= 1;
            drop(queue);
            lead(shared, Batch::new(shared.engine), None);
            queue = shared.queue();
            continue;
        }
        if queue.closed {
            break;
        }
        queue.idle += 1;
        let (woken, waited) = shared.called.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if waited.timed_out() && queue.calls == 0 {
            break;
        }
    }
}

impl Leader<'_> {
    /// Fills the lanes that are free. Retires and returns `false` if there is nothing to digest.
    fn fill(&mut self) -> bool {
        let mut abandoned = Vec::new();
        if self.batch.has_room() {
            let mut queue = self.shared.queue();
            while self.batch.has_room() {
                match queue.waiting.pop_front() {
                    Some(job) if job.is_abandoned() => abandoned.push(job),
                    Some(job) => self.batch.push(job),
                    None => break,
                }
            }
            if self.batch.is_empty() {
                queue.leaders -= 1;
                self.retired = true;
            }
        }
        abandoned.into_iter().for_each(discard);
        !self.retired
    }

    /// Leaves what is not done to a thread. Returns `false` if there is none to be had.
    fn hand_over(&mut self) -> bool {
        let mut queue = self.shared.queue();
        if self.batch.is_empty() && queue.waiting.is_empty() {
            queue.leaders -= 1;
        } else if Shared::call(self.shared, &mut queue).is_err() {
            return false;
        }
        // They have waited for longer than the others.
        for job in self.batch.take().into_iter().rev() {
            queue.waiting.push_front(job);
        }
        self.retired = true;
        true
    }
}

impl Drop for Leader<'_> {
    /// A leader that does not come to its end was stopped by a panic. Its batch is lost: the next leader
    /// would come to the same one.
    fn drop(&mut self) {
        if self.retired {
            return;
        }
        self.batch.take().into_iter().for_each(discard);
        if !self.hand_over() {
            let mut queue = self.shared.queue();
            queue.leaders -= 1;
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            waiting.into_iter().for_each(discard);
        }
    }
}

impl Future for Digesting {
    type Output = Result<Md5, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| Lost)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the MD5 of a body was given up before its end")
    }
}

impl std::error::Error for Lost {}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("engine", &self.0.engine).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("id", &self.id).finish_non_exhaustive()
    }
}
