//! A count, and waiters for its growth. Waiters are woken in the order in which they began to wait: tokio's
//! `watch` wakes them in random order, and a seed of the simulation would not reproduce the same history.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    count: AtomicU64,
    grown: Notify,
}

/// A waiter's view of the count: how much of it the waiter has seen.
#[derive(Debug, Clone)]
pub(super) struct Since {
    tally: Tally,
    count: u64,
}

impl Tally {
    pub(super) fn grow(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        self.0.grown.notify_waiters();
    }

    pub(super) fn since_now(&self) -> Since {
        Since { tally: self.clone(), count: self.count() }
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }
}

impl Since {
    /// Returns whether the count has grown since the last call.
    pub(super) fn has_grown(&mut self) -> bool {
        let before = std::mem::replace(&mut self.count, self.tally.count());
        before != self.count
    }

    pub(super) async fn grown(&mut self) {
        loop {
            let tally = self.tally.clone();
            // The waiter is registered before the check, so that no growth is missed.
            let grown = tally.0.grown.notified();
            if self.has_grown() {
                return;
            }
            grown.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn each_sees_what_has_grown_since_it_looked_and_all_are_woken() {
        let tally = Tally::default();
        let (mut one, mut other) = (tally.since_now(), tally.since_now());
        assert!(one.grown().now_or_never().is_none());
        let waits = tokio::spawn(async move { other.grown().await });
        tokio::task::yield_now().await;
        tally.grow();
        waits.await.expect("is woken");
        assert!(one.grown().now_or_never().is_some() && !one.has_grown());
        assert!(!tally.since_now().has_grown());
    }
}
