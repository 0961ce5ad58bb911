//! Repeating what failed for a while: how often, and how long to wait between.
//!
//! Invariant: only temporary errors are repeated. Waits grow, and are spread by a jitter whose seed the
//! caller chooses.

use crate::store::error::StoreError;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    state: AtomicU64,
}

/// How often something is tried, and how long the waits between are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The number of attempts, the first one included.
    pub attempts: u32,
    /// The wait after the first attempt. It doubles with each further one.
    pub first: Duration,
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(250), longest: Duration::from_secs(30) }
    }
}

impl Retry {
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, state: AtomicU64::new(seed) }
    }

    pub fn attempts(&self) -> u32 {
        self.policy.attempts.max(1)
    }

    /// Calls `attempt` until it succeeds, fails for good, or has failed as often as the policy allows.
    pub async fn run<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let mut failed = 0;
        loop {
            match attempt().await {
                Err(error) if error.is_temporary() && failed + 1 < self.attempts() => {
                    self.pause(failed, error.wait()).await;
                    failed += 1;
                }
                result => return result,
            }
        }
    }

    /// Waits after the attempt number `failed`, counted from 0, and at least as long as the storage asked
    /// for.
    pub async fn pause(&self, failed: u32, asked: Option<Duration>) {
        let whole = self.policy.first.saturating_mul(1 << failed.min(16)).min(self.policy.longest);
        // Between half of the wait and all of it.
        let wait = whole / 2 + (whole / 2).mul_f64(self.share());
        tokio::time::sleep(asked.unwrap_or_default().max(wait)).await;
    }

    /// Returns a number from 0 up to but not including 1: SplitMix64.
    fn share(&self) -> f64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::StoreErrorKind;
    use std::cell::Cell;

    async fn tried(kind: StoreErrorKind, succeeds_at: u32) -> (u32, bool) {
        let retry = Retry::new(RetryPolicy::default(), 7);
        let calls = Cell::new(0);
        let result = retry
            .run(|| {
                calls.set(calls.get() + 1);
                let result = if calls.get() == succeeds_at { Ok(()) } else { Err(kind.into()) };
                async { result }
            })
            .await;
        (calls.get(), result.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_temporary_errors_are_repeated_and_not_for_ever() {
        assert_eq!(tried(StoreErrorKind::Unavailable, 3).await, (3, true));
        assert_eq!(tried(StoreErrorKind::Busy, 9).await, (5, false));
        assert_eq!(tried(StoreErrorKind::AccessDenied, 3).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_are_no_shorter_than_the_storage_asked() {
        let retry = Retry::new(RetryPolicy::default(), 7);
        for (failed, asked, least, most) in
            [(0, 0, 125, 251), (2, 0, 500, 1001), (60, 0, 15_000, 30_001), (0, 9_000, 9_000, 9_001)]
        {
            let begun = tokio::time::Instant::now();
            retry.pause(failed, Some(Duration::from_millis(asked))).await;
            let waited = begun.elapsed().as_millis();
            assert!((least..=most).contains(&waited), "{failed}: {waited}");
        }
    }
}
