//! Prevents copies from waiting for each other inside storage that locks what it copies.
//!
//! MinIO locks the source of a copy for reading until the target is written, and locks the target for
//! writing. A copy from A to B and a copy from B to A at the same time wait there for each other for minutes,
//! and so do other requests for A or B. The same happens if a copy goes through the gateway, and the storage
//! locks the target from the first byte of its body.
//!
//! Owns the list of the copies of one server, in the order of their arrival. Invariants:
//! - the copies in progress never form a cycle of sources and targets;
//! - a copy waits only for copies that arrived before it: the first of the waiting copies can always
//!   continue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Crossings<K> {
    list: Mutex<List<K>>,
    ended: Notify,
}

#[derive(Debug)]
struct List<K> {
    copies: Vec<Copy<K>>,
    next: u64,
}

#[derive(Debug)]
struct Copy<K> {
    number: u64,
    source: K,
    target: K,
}

/// The place of one copy in the list, which it leaves on drop, whether it had begun or was waiting.
#[derive(Debug)]
pub(super) struct Crossing<K> {
    crossings: Arc<Crossings<K>>,
    number: u64,
}

impl<K> Default for Crossings<K> {
    fn default() -> Self {
        Self { list: Mutex::new(List { copies: Vec::new(), next: 0 }), ended: Notify::new() }
    }
}

impl<K: Eq> Crossings<K> {
    /// Waits until the copy closes no cycle.
    pub(super) async fn enter(self: &Arc<Self>, source: K, target: K) -> Option<Crossing<K>> {
        // Storage takes one lock for a copy of an object onto itself.
        if source == target {
            return None;
        }
        let number = {
            let mut list = self.list();
            list.next += 1;
            let number = list.next;
            list.copies.push(Copy { number, source, target });
            number
        };
        let crossing = Crossing { crossings: self.clone(), number };
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that no end is missed in between.
            ended.as_mut().enable();
            if !self.list().closes_cycle(number) {
                return Some(crossing);
            }
            ended.await;
        }
    }
}

impl<K> Crossings<K> {
    fn list(&self) -> MutexGuard<'_, List<K>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq> List<K> {
    /// Whether the copies that arrived before this one lead from its target to its source.
    fn closes_cycle(&self, number: u64) -> bool {
        let Ok(at) = self.copies.binary_search_by_key(&number, |copy| copy.number) else { return false };
        let (earlier, copy) = (&self.copies[..at], &self.copies[at]);
        let mut reached = vec![&copy.target];
        let mut next = 0;
        while let Some(name) = reached.get(next).copied() {
            next += 1;
            for other in earlier.iter().filter(|other| other.source == *name) {
                if other.target == copy.source {
                    return true;
                }
                if !reached.contains(&&other.target) {
                    reached.push(&other.target);
                }
            }
        }
        false
    }
}

impl<K> Drop for Crossing<K> {
    fn drop(&mut self) {
        self.crossings.list().copies.retain(|copy| copy.number != self.number);
        self.crossings.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    type Names = Arc<Crossings<char>>;

    fn go(crossings: &Names, source: char, target: char) -> Option<Crossing<char>> {
        crossings.enter(source, target).now_or_never().flatten()
    }

    #[test]
    fn copies_that_do_not_cross_go_on_at_once() {
        let crossings = Names::default();
        let chain = [('a', 'b'), ('b', 'c'), ('a', 'c'), ('x', 'b')];
        let entered: Vec<_> = chain.iter().map(|(source, target)| go(&crossings, *source, *target)).collect();
        assert!(entered.iter().all(Option::is_some));
        assert!(go(&crossings, 'c', 'd').is_some());
    }

    #[test]
    fn a_copy_that_would_close_a_cycle_waits_for_its_end() {
        let crossings = Names::default();
        let (first, second) = (go(&crossings, 'a', 'b'), go(&crossings, 'b', 'c'));
        let mut back = Box::pin(crossings.enter('c', 'a'));
        assert!(back.as_mut().now_or_never().is_none());
        drop(second);
        assert!(back.now_or_never().flatten().is_some(), "no way leads back any more");
        drop(first);
        assert!(crossings.list().copies.is_empty());
    }

    #[test]
    fn the_first_that_waits_goes_first_and_one_that_is_given_up_holds_up_nobody() {
        let crossings = Names::default();
        let first = go(&crossings, 'a', 'b');
        let mut back = Box::pin(crossings.enter('b', 'a'));
        assert!(back.as_mut().now_or_never().is_none());
        // The copy crosses the waiting one, and may not pass it.
        let mut again = Box::pin(crossings.enter('a', 'b'));
        assert!(again.as_mut().now_or_never().is_none());
        drop(back);
        assert!(again.now_or_never().flatten().is_some());
        drop(first);
        assert!(crossings.list().copies.is_empty());
    }

    #[test]
    fn a_copy_onto_itself_crosses_nothing() {
        let crossings = Names::default();
        let _there = go(&crossings, 'a', 'b');
        let onto_itself = crossings.enter('a', 'a').now_or_never();
        assert!(matches!(onto_itself, Some(None)), "it neither waits nor has a place");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_no_cycle_is_under_way_and_all_end(pairs in proptest::collection::vec((0u8..5, 0u8..5), 1..40)) {
            let crossings = Names::default();
            let enter = |&(source, target): &(u8, u8)| {
                let crossings = crossings.clone();
                ((source, target), Box::pin(async move { crossings.enter((b'a' + source).into(), (b'a' + target).into()).await }))
            };
            let mut waiting: Vec<_> = pairs.iter().map(enter).collect();
            let mut going = Vec::new();
            while !waiting.is_empty() || !going.is_empty() {
                let mut still = Vec::new();
                for (ends, mut entering) in waiting {
                    match entering.as_mut().now_or_never() {
                        Some(crossing) => going.push((ends, crossing)),
                        None => still.push((ends, entering)),
                    }
                }
                waiting = still;
                proptest::prop_assert!(!going.is_empty(), "nobody goes on");
                proptest::prop_assert!(!has_cycle(going.iter().map(|(ends, _)| *ends).collect()));
                going.remove(0);
            }
        }
    }

    /// Whether some edges remain when those whose source is nobody's target are taken away, again and again.
    fn has_cycle(mut edges: Vec<(u8, u8)>) -> bool {
        edges.retain(|(source, target)| source != target);
        loop {
            let targets: Vec<u8> = edges.iter().map(|(_, target)| *target).collect();
            let before = edges.len();
            edges.retain(|(source, _)| targets.contains(source));
            if edges.len() == before {
                return before > 0;
            }
        }
    }
}
