//! Memory for bytes on their way: bodies, documents and replies of all requests together, with a share for
//! each peer.
//!
//! A share is full when it uses as much as is still free: one peer alone gets a half, and a peer that comes
//! later finds some of the rest (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory
//! Packet Switches").
//!
//! This module owns the counting and the waiting. It does not own the bytes, the assignment of shares to
//! peers, or the choice of who must release memory when others wait.
//!
//! Invariants:
//! - bytes are counted from the moment they arrive until the last owner drops them, so the limit may be
//!   exceeded by what arrives at once, never by what is kept;
//! - a share that is full makes only its own peer wait.

use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify},
    time::{sleep, timeout},
};

/// A waiter that is woken and takes nothing does not wake another. For that reason one of the waiters checks
/// at this interval, and wakes all others if there is room.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Memory {
    /// The maximum number of bytes that all shares hold together.
    limit: usize,
    used: AtomicUsize,
    /// Wakes one waiter: a waiter that takes bytes wakes the next one if there is still room.
    freed: Notify,
    /// The holder of this lock checks for all waiters.
    looking: Mutex<()>,
    waiting: AtomicUsize,
    /// A request was refused since the last call of [`Memory::is_wanted`].
    refused: AtomicBool,
    /// Wakes the tasks that can make others release memory. All shares use the same one.
    wanted: Arc<Notify>,
    /// Wakes the tasks that hold bytes and can write them out. All shares use the same one.
    filled: Arc<Notify>,
    whole: Option<Arc<Memory>>,
}

impl Memory {
    pub fn new(limit: usize) -> Arc<Self> {
        Self::empty(limit, Arc::default(), Arc::default(), None)
    }

    /// Returns the share of this memory that one peer may use: bytes held in it count for both.
    pub fn share(self: &Arc<Self>) -> Arc<Self> {
        Self::empty(self.limit, self.wanted.clone(), self.filled.clone(), Some(self.clone()))
    }

    fn empty(limit: usize, wanted: Arc<Notify>, filled: Arc<Notify>, whole: Option<Arc<Self>>) -> Arc<Self> {
        let (used, waiting, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self {
            limit,
            used,
            freed: Notify::new(),
            looking: Mutex::default(),
            waiting,
            refused,
            wanted,
            filled,
            whole,
        })
    }

    /// Counts bytes that have arrived already.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.take(bytes);
        Held { memory: self.clone(), bytes }
    }

    /// Counts bytes that are about to arrive, or refuses them. It is for clients that can be asked to retry
    /// later.
    pub fn try_hold(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        (!self.is_full()).then(|| self.hold(bytes))
    }

    /// Counts these bytes until their last owner drops them.
    pub fn pin(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let held = self.hold(bytes.len());
        Bytes::from_owner(Pinned { bytes, _held: held })
    }

    /// Returns whether this is all the memory, not a share of it.
    pub fn is_whole(&self) -> bool {
        self.whole.is_none()
    }

    pub fn is_full(&self) -> bool {
        self.lacks() > 0
    }

    /// Returns how many bytes other shares have to release before this one is no longer full.
    pub fn lacks(&self) -> usize {
        let of_all = self.whole.as_ref().map_or(0, |whole| whole.used());
        (self.used() + of_all + 1).saturating_sub(self.limit)
    }

    /// Returns whether a waiter exists, or a request was refused since the last call.
    pub fn is_wanted(&self) -> bool {
        let was_refused = self.refused.swap(false, Relaxed);
        (was_refused || self.waiting.load(Relaxed) > 0) && self.is_full()
    }

    /// Waits until a share may be wanted: see [`Memory::is_wanted`].
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Waits until this share is not full. The waiters of one share are served in the order of their arrival.
    pub async fn room(&self) {
        let mut waiting = None;
        while self.is_full() {
            waiting.get_or_insert_with(|| Waiting::begin(&self.waiting));
            self.wanted.notify_one();
            // Bytes that other shares release also make room in this share, but wake no waiter here. There
            // may be thousands of waiters: if each of them checked, everything else would be delayed.
            let look = async {
                let _first = self.looking.lock().await;
                sleep(LOOK).await;
                if !self.is_full() {
                    self.freed.notify_waiters();
                }
            };
            tokio::select! {
                biased;
                () = self.freed.notified() => {}
                () = look => {}
            }
        }
    }

    /// Waits until the memory is full: a holder of bytes that can write them out should then do so.
    pub async fn full(&self) {
        loop {
            let mut filled = std::pin::pin!(self.filled.notified());
            filled.as_mut().enable();
            if self.is_full() {
                return;
            }
            // Bytes that other shares take can fill this share, too, without waking this task.
            let _ = timeout(LOOK, filled).await;
        }
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.take(bytes);
        }
        if self.is_full() { self.filled.notify_waiters() } else { self.freed.notify_one() }
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.give(bytes);
        }
        if !self.is_full() {
            self.freed.notify_one();
        }
    }
}

/// Counts one waiter, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub struct Held {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Held {
    /// Counts more bytes, which have arrived already.
    pub fn grow(&mut self, bytes: usize) {
        self.memory.take(bytes);
        self.bytes += bytes;
    }

    /// Counts so many bytes less. The count does not go below zero.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.memory.give(bytes);
        self.bytes -= bytes;
    }

    /// Counts more bytes, or refuses them.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        if self.memory.is_full() {
            self.memory.refused.store(true, Relaxed);
            self.memory.wanted.notify_one();
            return false;
        }
        self.grow(bytes);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.give(self.bytes);
    }
}

struct Pinned {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::task::{Context, Wake, Waker};

    #[test]
    fn bytes_count_until_their_last_owner_drops_them() {
        let whole = Memory::new(100);
        let share = whole.share();
        let bytes = share.pin(Bytes::from(vec![1; 30]));
        let piece = bytes.slice(..10);
        drop(bytes);
        assert_eq!((share.used(), whole.used()), (30, 30));
        drop(piece);
        assert_eq!((share.used(), whole.used()), (0, 0));
    }

    #[tokio::test]
    async fn however_many_take_what_they_can_one_more_finds_room() {
        let whole = Memory::new(120);
        let mut held = Vec::new();
        for others in 1..=6 {
            let share = whole.share();
            assert!(share.room().now_or_never().is_some(), "{others}");
            held.extend(std::iter::from_fn(|| share.try_hold(1)));
            assert!(share.room().now_or_never().is_none(), "{others}");
            if others == 1 {
                assert_eq!(share.used(), 60, "one alone has a half");
            }
        }
        assert!(whole.used() < 120);
    }

    #[test]
    fn who_has_much_waits_while_others_come() {
        let whole = Memory::new(120);
        let (first, second) = (whole.share(), whole.share());
        let held = first.hold(50);
        assert!(!first.is_full());
        let others = second.hold(30);
        assert!(first.is_full(), "it has 50, and 40 are left");
        assert!(!second.is_full());
        drop((held, others));
        assert!(!first.is_full());
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_who_wait_one_looks_and_tells_the_others() {
        #[derive(Default)]
        struct Wakes(AtomicUsize);
        impl Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let whole = Memory::new(20);
        let (share, held) = (whole.share(), whole.hold(20));
        let wakes = Arc::<Wakes>::default();
        let waker = Waker::from(wakes.clone());
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(share.room())).collect();
        let mut poll_all = || {
            waiting.retain_mut(|waiter| waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending())
        };
        for _ in 0..10 {
            poll_all();
            tokio::time::advance(LOOK + Duration::from_millis(1)).await;
        }
        assert!(
            wakes.0.load(Relaxed) <= 20,
            "one looks, and lets the next one look: {}",
            wakes.0.load(Relaxed)
        );
        drop(held);
        for _ in 0..2 {
            poll_all();
            tokio::time::advance(LOOK + Duration::from_millis(1)).await;
        }
        poll_all();
        assert_eq!(waiting.len(), 0, "what was given back elsewhere is room for all of them");
    }

    #[tokio::test]
    async fn a_share_is_wanted_while_somebody_waits_and_once_after_a_refusal() {
        let whole = Memory::new(20);
        let (share, other) = (whole.share(), whole.share());
        let held = other.hold(25);
        assert!(!share.is_wanted());
        let mut waiting = Box::pin(share.room());
        assert!(waiting.as_mut().now_or_never().is_none());
        whole.wanted().await;
        assert!(share.is_wanted() && share.is_wanted() && !other.is_wanted());
        assert_eq!(share.lacks(), 6);
        drop(waiting);
        assert!(!share.is_wanted());
        assert!(!share.hold(0).try_grow(1));
        whole.wanted().await;
        assert!(share.is_wanted() && !share.is_wanted());
        drop(held);
        assert_eq!((share.lacks(), share.hold(0).try_grow(1)), (0, true));
    }

    #[tokio::test]
    async fn every_waiter_gets_its_turn_while_there_is_room() {
        let whole = Memory::new(20);
        let shares = [whole.share(), whole.share(), whole.share()];
        let held = whole.hold(20);
        let waiting: Vec<_> = (0..9)
            .map(|n| {
                let share = shares[n % 3].clone();
                tokio::spawn(async move {
                    share.room().await;
                    share.hold(1)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(held);
        let mut all = Vec::new();
        for task in waiting {
            all.push(task.await.expect("a turn"));
        }
        assert_eq!((all.len(), whole.used()), (9, 9));
    }

    #[tokio::test]
    async fn holders_hear_of_it_when_what_others_hold_fills_the_memory() {
        let whole = Memory::new(10);
        let (share, other) = (whole.share(), whole.share());
        let _few = share.hold(3);
        let holder = tokio::spawn({
            let share = share.clone();
            async move { share.full().await }
        });
        tokio::task::yield_now().await;
        assert!(!holder.is_finished());
        let _many = other.hold(7);
        holder.await.expect("heard");
    }
}
