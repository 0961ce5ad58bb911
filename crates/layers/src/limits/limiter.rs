//! Enforces the limits of one backend, bucket or identity: which requests may start, and how fast bodies
//! pass.
//!
//! Requests wait in order of arrival, for a second at most: a request that would have to wait longer is
//! answered SlowDown at once. Bodies wait as long as necessary.

use super::rate::Rate;
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Maximum time that a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The configured limits; an absent field sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes per second.
    pub upload: Option<u64>,
    pub download: Option<u64>,
    /// Requests per second.
    pub requests: Option<u64>,
    /// Maximum number of concurrent requests.
    pub concurrency: Option<usize>,
}

#[derive(Debug)]
pub struct Limiter {
    pub(super) upload: Option<Rate>,
    pub(super) download: Option<Rate>,
    requests: Option<Rate>,
    slots: Option<Arc<Semaphore>>,
    pub(super) meter: Meter,
}

/// The effect of the limits, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttled {
    /// Requests that were answered SlowDown.
    pub refused: u64,
    /// The time that requests and bodies have waited, in total.
    pub waited: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    refused: AtomicU64,
    micros: AtomicU64,
}

/// Counts as a request in progress, until it is dropped.
#[derive(Debug, Default)]
pub struct Slot(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl Limiter {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            upload: limits.upload.map(Rate::new),
            download: limits.download.map(Rate::new),
            requests: limits.requests.map(Rate::new),
            slots: limits.concurrency.map(|slots| Arc::new(Semaphore::new(slots))),
            meter: Meter::default(),
        })
    }

    /// Waits for the request's turn, or returns SlowDown.
    pub async fn admit(&self) -> Result<Slot> {
        self.admit_several(1).await
    }

    /// Waits for the turn of several operations that are made by one request, or returns SlowDown for all of
    /// them. Each of them counts for the rate; together they take one slot.
    pub(super) async fn admit_several(&self, count: usize) -> Result<Slot> {
        let begun = Instant::now();
        if let Some(rate) = &self.requests {
            match rate.take_within(count, PATIENCE) {
                Ok(wait) if wait.is_zero() => {}
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(wait) => {
                    return Err(self.meter.refuse("too many requests a second").with_retry_after(wait));
                }
            }
        }
        let slot = match &self.slots {
            Some(slots) => {
                match tokio::time::timeout_at(begun + PATIENCE, slots.clone().acquire_owned()).await {
                    // The semaphore is never closed, so this cannot fail.
                    Ok(permit) => permit.ok(),
                    Err(_) => return Err(self.meter.refuse("too many requests at once")),
                }
            }
            None => None,
        };
        self.meter.waited(begun.elapsed());
        Ok(Slot(slot))
    }

    /// Returns how many operations may be admitted together: what the rate allows in a sixteenth of a second,
    /// so that others are not kept waiting behind them. `None`: any number.
    pub(super) fn together(&self) -> Option<usize> {
        self.requests.as_ref().map(Rate::share)
    }

    pub fn throttled(&self) -> Throttled {
        Throttled {
            refused: self.meter.refused.load(Ordering::Relaxed),
            waited: Duration::from_micros(self.meter.micros.load(Ordering::Relaxed)),
        }
    }
}

impl Meter {
    pub(super) fn waited(&self, time: Duration) {
        // A few microseconds are not counted as a wait.
        if time >= Duration::from_millis(1) {
            self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(super) fn count_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn refuse(&self, why: &str) -> StoreError {
        self.count_refusal();
        StoreError::new(StoreErrorKind::Busy, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, future::join_all};

    fn outcome(results: &[(Result<Slot>, Duration)]) -> Vec<Option<u128>> {
        results.iter().map(|(result, at)| result.is_ok().then_some(at.as_millis())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_in_order_for_a_second_at_most() {
        let limiter = Limiter::new(Limits { requests: Some(2), ..Limits::default() });
        let begun = Instant::now();
        let asked = (0..6).map(|_| async { (limiter.admit().await, begun.elapsed()) });
        let results = join_all(asked).await;
        assert_eq!(outcome(&results), [Some(0), Some(0), Some(500), Some(1000), None, None]);
        let Err(error) = &results[5].0 else { panic!("refused") };
        assert_eq!((error.kind(), error.wait()), (StoreErrorKind::Busy, Some(Duration::from_millis(1500))));
        assert_eq!(limiter.throttled(), Throttled { refused: 2, waited: Duration::from_millis(1500) });
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_in_work_and_the_next_has_the_slot_of_the_first_to_end() {
        let limiter = Limiter::new(Limits { concurrency: Some(2), ..Limits::default() });
        let first = limiter.admit().await.expect("is free");
        let _second = limiter.admit().await.expect("is free");
        let mut third = Box::pin(limiter.admit());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        let _third = third.await.expect("has its slot");
        let refused = limiter.admit().await.err().map(|error| error.kind());
        assert_eq!(refused, Some(StoreErrorKind::Busy), "nobody ended within a second");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_no_slot() {
        let limiter = Limiter::new(Limits { concurrency: Some(1), ..Limits::default() });
        let held = limiter.admit().await.expect("is free");
        assert!(limiter.admit().now_or_never().is_none());
        drop(held);
        limiter.admit().await.expect("is free");
    }

    #[tokio::test]
    async fn without_limits_nobody_waits() {
        let limiter = Limiter::new(Limits::default());
        let held: Vec<_> =
            (0..1000).map(|_| limiter.admit().now_or_never().expect("at once").expect("is let in")).collect();
        assert_eq!((held.len(), limiter.throttled()), (1000, Throttled::default()));
    }
}
