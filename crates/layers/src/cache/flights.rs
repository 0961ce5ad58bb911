//! One question at a time: a caller that asks what is already being asked waits for that answer.
//!
//! A flight belongs to all its waiters: any of them may be dropped without an effect on the others, and the
//! last one ends it. A question contains its moment too (see `space`), so no caller joins a flight that began
//! before a write that the caller has seen.

use crate::store::{Result, error::StoreError};
use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

type Landed<A> = std::result::Result<A, Arc<StoreError>>;
type Flight<A> = BoxFuture<'static, Landed<A>>;
type InTheAir<Q, A> = Mutex<HashMap<Q, (u64, WeakShared<Flight<A>>)>>;

pub(super) struct Flights<Q, A: Clone> {
    air: Arc<InTheAir<Q, A>>,
    next: AtomicU64,
}

impl<Q, A: Clone> Default for Flights<Q, A> {
    fn default() -> Self {
        Self { air: Arc::default(), next: AtomicU64::new(0) }
    }
}

impl<Q, A: Clone> fmt::Debug for Flights<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flights").field(&lock(&self.air).len()).finish()
    }
}

impl<Q: Clone + Eq + Hash + Send + 'static, A: Clone + Send + Sync + 'static> Flights<Q, A> {
    /// `ask` is called if no flight for the question is under way. It must first check whether the answer has
    /// arrived meanwhile.
    pub(super) async fn join(
        &self,
        question: Q,
        ask: impl FnOnce() -> BoxFuture<'static, Result<A>>,
    ) -> Result<A> {
        let flight = self.board(question, ask);
        flight.await.map_err(|error| error.again())
    }

    fn board(&self, question: Q, ask: impl FnOnce() -> BoxFuture<'static, Result<A>>) -> Shared<Flight<A>> {
        let mut air = lock(&self.air);
        if let Some(flight) = air.get(&question).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let landing = Landing { air: self.air.clone(), question: question.clone(), number };
        let asked = ask();
        let flight: Flight<A> = Box::pin(async move {
            let _landing = landing;
            asked.await.map_err(Arc::new)
        });
        let flight = flight.shared();
        air.extend(flight.downgrade().map(|weak| (question, (number, weak))));
        flight
    }
}

/// Clears the row when the flight has landed or when its last waiter is dropped.
struct Landing<Q: Eq + Hash, A: Clone> {
    air: Arc<InTheAir<Q, A>>,
    question: Q,
    number: u64,
}

impl<Q: Eq + Hash, A: Clone> Drop for Landing<Q, A> {
    fn drop(&mut self) {
        let mut air = lock(&self.air);
        // A later flight with the same question owns the row.
        if air.get(&self.question).is_some_and(|(number, _)| *number == self.number) {
            air.remove(&self.question);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::StoreErrorKind;
    use std::future::ready;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn who_asks_what_is_being_asked_waits_for_that_answer() {
        let flights = Flights::<&str, u8>::default();
        let (answer, asked) = oneshot::channel::<u8>();
        let first = flights.join("q", || Box::pin(async { Ok(asked.await.expect("an answer")) }));
        let second = flights.join("q", || panic!("asked twice"));
        let land = async { answer.send(7).expect("somebody waits") };
        let (first, second, ()) = tokio::join!(first, second, land);
        assert_eq!((first.expect("lands"), second.expect("lands")), (7, 7));
        assert!(lock(&flights.air).is_empty());
        assert_eq!(flights.join("q", || Box::pin(ready(Ok(8)))).await.expect("lands"), 8);
    }

    #[tokio::test]
    async fn the_one_who_asked_first_may_go_away() {
        let flights = Flights::<&str, u8>::default();
        let (answer, asked) = oneshot::channel::<u8>();
        let mut first =
            Box::pin(flights.join("q", || Box::pin(async { Ok(asked.await.expect("an answer")) })));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(flights.join("q", || panic!("asked twice")));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        answer.send(7).expect("somebody waits");
        assert_eq!(second.await.expect("lands"), 7);
    }

    #[tokio::test]
    async fn a_flight_that_nobody_waits_for_is_forgotten() {
        let flights = Flights::<&str, u8>::default();
        let mut only = Box::pin(flights.join("q", || Box::pin(std::future::pending())));
        assert!((&mut only).now_or_never().is_none());
        drop(only);
        assert!(lock(&flights.air).is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_the_same_for_all() {
        let flights = Flights::<&str, u8>::default();
        let fails = || StoreError::new(StoreErrorKind::Unavailable, "no answer").with_source("refused");
        let error = flights.join("q", || Box::pin(ready(Err(fails())))).await.expect_err("fails");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (StoreErrorKind::Unavailable, "no answer: refused")
        );
    }
}
