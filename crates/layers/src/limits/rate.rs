//! A rate per second: a token bucket with the tokens of one second. It is stored as the moment at which
//! everything that was taken is paid for. A request that does not fit now gets its turn in the order of
//! asking.
//!
//! Invariant: in any span of time, no more is taken than the rate allows for that span plus one second.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const BURST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Rate {
    per_second: u64,
    paid: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), paid: Mutex::new(Instant::now()) }
    }

    /// Returns the maximum number of bytes of a body that are taken at once: those of a sixteenth of a
    /// second, so that bodies take turns.
    pub(super) fn slice(&self) -> usize {
        self.share().clamp(512, 64 << 10)
    }

    /// Returns the tokens of a sixteenth of a second, and at least one.
    pub(super) fn share(&self) -> usize {
        usize::try_from(self.per_second / 16).unwrap_or(usize::MAX).max(1)
    }

    /// Takes `count` tokens and returns how long to wait for them.
    pub(super) fn take(&self, count: usize) -> Duration {
        let now = Instant::now();
        let mut paid = self.paid();
        *paid = (*paid).max(now) + self.cost(count);
        wait(*paid, now)
    }

    /// Like `take`, unless the wait would be longer than `patience`: then nothing is taken, and the wait is
    /// returned as an error.
    pub(super) fn take_within(&self, count: usize, patience: Duration) -> Result<Duration, Duration> {
        let now = Instant::now();
        let mut paid = self.paid();
        let then = (*paid).max(now) + self.cost(count);
        let wait = wait(then, now);
        if wait > patience {
            return Err(wait);
        }
        *paid = then;
        Ok(wait)
    }

    /// Gives back tokens that were taken and not waited for.
    pub(super) fn give_back(&self, count: usize) {
        let mut paid = self.paid();
        if let Some(earlier) = paid.checked_sub(self.cost(count)) {
            *paid = earlier;
        }
    }

    fn cost(&self, count: usize) -> Duration {
        let nanos = (count as u128 * 1_000_000_000).div_ceil(u128::from(self.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn paid(&self) -> MutexGuard<'_, Instant> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait(paid: Instant, now: Instant) -> Duration {
    paid.duration_since(now).saturating_sub(BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_second_is_there_at_once_and_the_rest_comes_at_its_rate() {
        let rate = Rate::new(10);
        let waits: Vec<_> = (0..30).map(|_| rate.take(1).as_millis()).collect();
        let expected: Vec<_> = (0..30).map(|n: u128| n.saturating_sub(9) * 100).collect();
        assert_eq!(waits, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_is_not_saved_beyond_a_second() {
        let rate = Rate::new(10);
        tokio::time::advance(100 * SECOND).await;
        assert_eq!((rate.take(10), rate.take(10)), (Duration::ZERO, SECOND));
        tokio::time::advance(SECOND).await;
        assert_eq!(rate.take(5), SECOND / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_takes_nothing() {
        let rate = Rate::new(2);
        let taken = (0..10).filter(|_| rate.take_within(1, SECOND).is_ok()).count();
        assert_eq!(taken, 4, "a second's worth at once, and another that waits for it");
        tokio::time::advance(SECOND).await;
        assert_eq!(rate.take_within(2, SECOND), Ok(SECOND));
        assert_eq!(rate.take_within(1, SECOND), Err(SECOND * 3 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_can_be_taken_again() {
        let rate = Rate::new(100);
        assert_eq!((rate.take(100), rate.take(50)), (Duration::ZERO, SECOND / 2));
        rate.give_back(50);
        assert_eq!(rate.take(50), SECOND / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn slices_are_bounded_however_high_or_low_the_rate() {
        let slices = [1, 16 << 10, u64::MAX].map(|rate| Rate::new(rate).slice());
        assert_eq!(slices, [512, 1024, 64 << 10]);
        assert_eq!(Rate::new(1).take(512), Duration::from_secs(511));
    }
}
