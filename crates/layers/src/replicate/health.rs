//! Whether a backend answers: requests do not wait for a backend that does not.
//!
//! A connection failure, a late answer and an internal error are strikes. Several strikes in a row take a
//! backend out until it answers a probe. "No such key" and "too many requests" are answers, not strikes.

use super::tally::Tally;
use crate::{
    backend::spread,
    store::error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;

const STRIKES: u32 = 3;
/// The time before the first probe, and the maximum time before the next one.
const RESTS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// How many response times are remembered.
const REMEMBERED: usize = 64;
/// Response times are sorted again after this many answers, because every read uses the sorted result.
const SORTED_EVERY: usize = 8;

/// A way to ask a backend whether it answers.
#[async_trait]
pub(super) trait Probe: Send + Sync + fmt::Debug {
    async fn probe(&self) -> bool;
}

#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<HealthState>,
    probes: Mutex<Vec<Weak<dyn Probe>>>,
    /// Counts recoveries of any backend. Tasks that wait for a backend check again when it grows.
    recovered: Tally,
}

#[derive(Debug, Default)]
struct HealthState {
    strikes: u32,
    down: Option<Down>,
    /// The number of probes since the backend was last healthy for some time.
    probes: u32,
    recovered: Option<Instant>,
    /// The latest response times, oldest first once it is full.
    times: Vec<Duration>,
    next: usize,
    /// The time that 95 of 100 of `times` did not reach. It may be a few answers old.
    p95: Option<Duration>,
}

#[derive(Debug)]
struct Down {
    since: Instant,
    why: String,
    /// The kind of the error that is the cause. `None`: the backend was only late, and the cause is unknown.
    kind: Option<StoreErrorKind>,
}

/// The result of a strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    AsBefore,
    /// The backend went down, and the caller has to start probing it.
    WentDown,
    /// The backend was out because it was late, and has reported the cause by now.
    Explained,
}

impl Health {
    pub(super) fn new(recovered: Tally) -> Self {
        Self { state: Mutex::default(), probes: Mutex::default(), recovered }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state().down.is_none()
    }

    /// Returns how long the backend has been down, and why.
    pub(super) fn down(&self) -> Option<(Duration, String)> {
        self.state().down.as_ref().map(|down| (down.since.elapsed(), down.why.clone()))
    }

    /// Reports an answer, with its response time if a request waited for it.
    pub(super) fn answered(&self, after: Option<Duration>) {
        let mut state = self.state();
        state.strikes = 0;
        if let Some(after) = after {
            let at = state.next % REMEMBERED;
            if state.times.len() < REMEMBERED {
                state.times.push(after)
            } else {
                state.times[at] = after
            }
            state.next = state.next.wrapping_add(1);
            if state.next.is_multiple_of(SORTED_EVERY) {
                state.p95 = p95(&state.times);
            }
        }
        if state.down.take().is_some() {
            state.recovered = Some(Instant::now());
            drop(state);
            self.recovered.grow();
        }
    }

    pub(super) fn struck(&self, why: &str) -> Verdict {
        self.strike(1, why, None)
    }

    /// Reports that the backend kept requests waiting for so long that it must be taken out at once.
    pub(super) fn struck_out(&self, why: &str) -> Verdict {
        self.strike(STRIKES, why, None)
    }

    fn strike(&self, strikes: u32, why: &str, kind: Option<StoreErrorKind>) -> Verdict {
        let mut state = self.state();
        state.strikes = state.strikes.saturating_add(strikes);
        if let Some(down) = &mut state.down {
            let was_late = down.kind.is_none();
            // The first error of a kind is kept: the error of a probe says less than that of a change.
            if kind.is_some() && down.kind != kind {
                (down.why, down.kind) = (why.to_owned(), kind);
                return if was_late { Verdict::Explained } else { Verdict::AsBefore };
            }
            return Verdict::AsBefore;
        }
        if state.strikes < STRIKES {
            return Verdict::AsBefore;
        }
        if state.recovered.is_none_or(|recovered| recovered.elapsed() > RESTS.1) {
            state.probes = 0;
        }
        state.down = Some(Down { since: Instant::now(), why: why.to_owned(), kind });
        Verdict::WentDown
    }

    pub(super) fn probed_through(&self, probe: Weak<dyn Probe>) {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.retain(|probe| probe.strong_count() > 0);
        probes.push(probe);
    }

    /// Returns whether the backend answers. `None` means that there is no member to probe through: the state
    /// stays until there is one.
    async fn probe(&self) -> Option<bool> {
        let probe =
            self.probes.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(Weak::upgrade);
        match probe {
            Some(probe) => Some(probe.probe().await),
            None => None,
        }
    }

    /// Probes a backend that went down until it answers. Any member may do it: members come and go with their
    /// buckets.
    pub(super) fn watch(self: &Arc<Self>, name: &str) {
        let (health, name) = (Arc::downgrade(self), name.to_owned());
        tokio::spawn(async move {
            loop {
                let Some(rest) = health.upgrade().map(|health| health.rest()) else { return };
                tokio::time::sleep(rest).await;
                let Some(health) = health.upgrade() else { return };
                // A real request may have brought the backend back.
                if health.is_up() {
                    break;
                }
                if health.probe().await == Some(true) {
                    health.answered(None);
                    break;
                }
            }
            tracing::info!(backend = name, "a replica answers again");
        });
    }

    /// Returns the time before the next probe: twice the last one, plus or minus a fifth. A backend that
    /// answers probes and fails again at once is not probed more often than one that answers none.
    pub(super) fn rest(&self) -> Duration {
        let (first, longest) = RESTS;
        let mut state = self.state();
        let rest = first.saturating_mul(1 << state.probes.min(16)).min(longest);
        state.probes = state.probes.saturating_add(1);
        spread(rest, 0.8..1.2)
    }

    /// Evaluates what an outcome says about the backend.
    pub(super) fn judge(&self, error: Option<&StoreError>) -> Verdict {
        match error.map(|error| (error, error.kind())) {
            Some((
                error,
                StoreErrorKind::Unavailable | StoreErrorKind::NoConnection | StoreErrorKind::Internal,
            )) => self.strike(1, &error.to_string(), Some(error.kind())),
            // Neither a strike nor a success: the backend can be reached, and refuses the request.
            Some((_, StoreErrorKind::Busy | StoreErrorKind::Payload | StoreErrorKind::Broken)) => {
                Verdict::AsBefore
            }
            _ => {
                self.answered(None);
                Verdict::AsBefore
            }
        }
    }

    /// Returns the time within which 95 of 100 recent answers arrived.
    pub(super) fn p95(&self) -> Option<Duration> {
        self.state().p95
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn p95(times: &[Duration]) -> Option<Duration> {
    if times.len() < REMEMBERED / 4 {
        return None;
    }
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() * 95 / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Tally::default())
    }

    fn error(kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, "why")
    }

    #[test]
    fn strikes_in_a_row_take_a_backend_out_and_an_answer_brings_it_back() {
        let health = health();
        let mut recovered = health.recovered.since_now();
        let away = error(StoreErrorKind::Unavailable);
        for expected in [Verdict::AsBefore, Verdict::AsBefore, Verdict::WentDown, Verdict::AsBefore] {
            assert_eq!(health.judge(Some(&away)), expected);
        }
        assert!(!health.is_up() && health.down().is_some_and(|(_, why)| why == "why"));
        assert!(!recovered.has_grown());
        health.answered(None);
        assert!(health.is_up() && recovered.has_grown());
    }

    #[test]
    fn what_was_out_because_it_was_late_tells_the_cause_once_it_is_known() {
        let health = health();
        let why = || health.down().map(|(_, why)| why).unwrap_or_default();
        health.struck_out("late");
        assert_eq!((health.struck("late again"), why().as_str()), (Verdict::AsBefore, "late"));
        let refused = StoreError::new(StoreErrorKind::Unavailable, "refused");
        assert_eq!((health.judge(Some(&refused)), why().as_str()), (Verdict::Explained, "refused"));
        assert_eq!(
            (health.judge(Some(&error(StoreErrorKind::Unavailable))), why().as_str()),
            (Verdict::AsBefore, "refused")
        );
        assert_eq!((health.struck("late again"), why().as_str()), (Verdict::AsBefore, "refused"));
        assert_eq!(
            (health.judge(Some(&error(StoreErrorKind::NoConnection))), why().as_str()),
            (Verdict::AsBefore, "why")
        );
    }

    #[test]
    fn answers_are_no_strikes_and_throttling_is_neither() {
        let health = health();
        let struck = |kind| health.judge(Some(&error(kind)));
        struck(StoreErrorKind::Unavailable);
        struck(StoreErrorKind::Unavailable);
        assert_eq!(struck(StoreErrorKind::Busy), Verdict::AsBefore);
        assert_eq!(struck(StoreErrorKind::NoSuchKey), Verdict::AsBefore);
        assert_eq!(struck(StoreErrorKind::Unavailable), Verdict::AsBefore, "the answer began a new count");
        assert!(health.is_up());
    }

    #[tokio::test(start_paused = true)]
    async fn rests_grow_until_a_backend_was_well_for_some_time() {
        let health = health();
        let fails = || (0..STRIKES).for_each(|_| _ = health.struck("why"));
        let tenths = |rest: Duration| (rest.as_millis() + 50) / 100;
        fails();
        assert!((2..=3).contains(&tenths(health.rest())) && (4..=6).contains(&tenths(health.rest())));
        health.answered(None);
        fails();
        assert!((8..=12).contains(&tenths(health.rest())), "it was up for a moment only");
        (0..20).for_each(|_| _ = health.rest());
        assert!((120..=180).contains(&tenths(health.rest())));
        health.answered(None);
        tokio::time::advance(RESTS.1 * 2).await;
        fails();
        assert!((2..=3).contains(&tenths(health.rest())));
    }

    #[test]
    fn the_time_of_answers_is_that_of_the_latest() {
        let health = health();
        assert_eq!(health.p95(), None);
        (0..1000).for_each(|_| health.answered(Some(Duration::from_secs(9))));
        (0..64u64).for_each(|n| health.answered(Some(Duration::from_millis(n))));
        assert_eq!(health.p95(), Some(Duration::from_millis(60)));
    }
}
