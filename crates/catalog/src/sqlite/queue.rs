//! The messages that wait for a writing thread, in the order in which they were sent.
//!
//! A sender of an urgent message waits for its result, so the thread is woken at once. Other messages are
//! deferred: they gather for a moment, and then share one wake-up of the thread and one commit.
//!
//! Invariants: messages are taken in the order in which they were sent, urgent or not; an urgent message
//! waits for no deferred one to gather; a message that is sent after the thread has ended is dropped.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long deferred messages gather. They are hurried on when somebody wants to see their result.
const GATHER: Duration = Duration::from_millis(25);
/// The number of deferred messages that are taken at once, without waiting for more.
const ENOUGH: usize = 256;
/// The number of waiting messages at which a sender of a deferred one waits until some are taken.
const FULL: usize = 4096;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    sent: Condvar,
    taken: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// What waits is taken without gathering more.
    hurried: bool,
    thread: Thread,
    /// Senders that wait until the queue is not full.
    held: usize,
    /// There is no sender any more.
    abandoned: bool,
}

/// What the taking thread does. Each wake-up is a system call, so a thread that is awake gets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    Awake,
    /// It sleeps until a message is sent.
    Idle,
    /// It sleeps while deferred messages gather.
    Gathering,
    Ended,
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                hurried: false,
                thread: Thread::Awake,
                held: 0,
                abandoned: false,
            }),
            sent: Condvar::new(),
            taken: Condvar::new(),
        })
    }

    /// Sends a message whose sender waits for the result.
    pub(super) fn send(&self, message: T) {
        let mut state = self.state();
        if state.thread != Thread::Ended {
            state.waiting.push_back(message);
            state.hurried = true;
            self.wake(state);
        }
    }

    /// Sends a message that may wait for others. Blocks while the queue is full.
    pub(super) fn send_deferred(&self, message: T) {
        let mut state = self.state();
        while state.thread != Thread::Ended && state.waiting.len() >= FULL {
            state.held += 1;
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.held -= 1;
        }
        if state.thread == Thread::Ended {
            return;
        }
        state.waiting.push_back(message);
        let enough = state.waiting.len() >= ENOUGH;
        state.hurried |= enough;
        if enough || state.thread == Thread::Idle {
            self.wake(state);
        }
    }

    /// Lets nothing that waits now gather any longer.
    pub(super) fn hurry(&self) {
        let mut state = self.state();
        if !state.waiting.is_empty() && !state.hurried {
            state.hurried = true;
            self.wake(state);
        }
    }

    /// Ends the thread once it has taken everything.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        self.wake(state);
    }

    /// The end of the queue at which one thread takes messages.
    pub(super) fn taker(self: &Arc<Self>) -> Taker<T> {
        Taker(self.clone())
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        if matches!(state.thread, Thread::Idle | Thread::Gathering) {
            state.thread = Thread::Awake;
            drop(state);
            self.sent.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When it is dropped, what waits is dropped too, and so is what is sent later.
pub(super) struct Taker<T>(Arc<Queue<T>>);

impl<T> Taker<T> {
    /// Returns at most `limit` messages. If `wait` is set, it waits for the first one. `None`: nothing waits,
    /// and there is no sender any more.
    pub(super) fn take(&mut self, limit: usize, wait: bool) -> Option<Vec<T>> {
        let queue = &*self.0;
        let mut state = queue.state();
        if wait && state.waiting.is_empty() && !state.abandoned {
            state.thread = Thread::Idle;
            let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.abandoned;
            state = queue.sent.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        }
        if wait && !state.hurried && !state.abandoned && state.waiting.len() < ENOUGH {
            state.thread = Thread::Gathering;
            let gathering = |state: &mut State<T>| !state.hurried && !state.abandoned;
            let gathered = queue.sent.wait_timeout_while(state, GATHER, gathering);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.thread = Thread::Awake;
        if state.waiting.is_empty() && state.abandoned {
            return None;
        }
        let count = state.waiting.len().min(limit);
        let messages = state.waiting.drain(..count).collect();
        // The rest was to be taken as well: it is taken next, without gathering.
        state.hurried = !state.waiting.is_empty();
        if state.held > 0 {
            queue.taken.notify_all();
        }
        Some(messages)
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.thread = Thread::Ended;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        self.0.taken.notify_all();
        // Outside the lock: dropping a message may run its sender's code.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn what_was_sent_first_is_taken_first_whether_or_not_it_was_urgent() {
        let queue = Queue::new();
        let mut taker = queue.taker();
        queue.send_deferred(1);
        queue.send(2);
        queue.send_deferred(3);
        assert_eq!(taker.take(2, true), Some(vec![1, 2]));
        assert_eq!(taker.take(2, true), Some(vec![3]));
        queue.send_deferred(4);
        assert_eq!(taker.take(2, false), Some(vec![4]), "a thread with other work waits for nothing");
        queue.send_deferred(5);
        queue.abandon();
        assert_eq!(taker.take(2, true), Some(vec![5]));
        assert_eq!(taker.take(2, true), None);
    }

    #[test]
    fn deferred_messages_are_taken_together_and_wait_for_nobody_for_long() {
        let queue = Queue::new();
        let mut taker = queue.taker();
        let sending = thread::spawn({
            let queue = queue.clone();
            move || (0..ENOUGH).for_each(|n| queue.send_deferred(n))
        });
        sending.join().expect("sent");
        assert_eq!(taker.take(FULL, true).map(|taken| taken.len()), Some(ENOUGH));
        queue.send_deferred(0);
        assert_eq!(taker.take(FULL, true), Some(vec![0]), "one alone comes after a moment");
        queue.send_deferred(1);
        queue.hurry();
        assert_eq!(taker.take(FULL, true), Some(vec![1]));
    }

    #[test]
    fn senders_of_deferred_messages_wait_while_the_queue_is_full() {
        const ALL: usize = 3 * FULL;
        let queue = Queue::new();
        let mut taker = queue.taker();
        let sending = thread::spawn({
            let queue = queue.clone();
            move || (0..ALL).for_each(|n| queue.send_deferred(n))
        });
        let mut seen = 0;
        while seen < ALL {
            let taken = taker.take(100, true).expect("there are more");
            assert!(taken.iter().copied().eq(seen..seen + taken.len()), "in order");
            assert!(queue.state().waiting.len() <= FULL);
            seen += taken.len();
        }
        sending.join().expect("sent");
    }

    #[test]
    fn without_a_thread_messages_are_dropped_and_nobody_waits() {
        let queue = Queue::new();
        let (first, second) = (Arc::new(()), Arc::new(()));
        queue.send_deferred(first.clone());
        drop(queue.taker());
        (0..2 * FULL).for_each(|_| queue.send_deferred(second.clone()));
        queue.send(second.clone());
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    }
}
