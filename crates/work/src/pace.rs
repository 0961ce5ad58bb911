//! How long a job rests between two steps.

use std::time::Duration;

/// A fixed interval, from the end of a step to the beginning of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    pub interval: Duration,
    /// The rest is at least this many times as long as the step, so that the work never takes more than its
    /// share of the time.
    pub share: u32,
}

impl Every {
    pub fn after(self, took: Duration) -> Duration {
        self.interval.max(took.saturating_mul(self.share))
    }
}

/// Longer and longer rests while work is left that cannot be done now.
#[derive(Debug, Clone)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    rest: Duration,
}

impl Backoff {
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, rest: shortest }
    }

    /// Returns the rest after a step. If work is left, the rest is at most `at_most`.
    pub fn after(&mut self, is_done: bool, at_most: Duration) -> Duration {
        self.rest = if is_done { self.longest } else { (self.rest * 2).min(at_most) };
        self.rest
    }

    /// New work has arrived: rests start again at the shortest, and are at most `at_most`.
    pub fn new_work(&mut self, at_most: Duration) {
        self.rest = self.rest.min(at_most);
    }

    /// Failed work may succeed now: rests start again at the shortest.
    pub fn begin_anew(&mut self) {
        self.rest = self.shortest;
    }

    pub fn longest(&self) -> Duration {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_interval_is_kept_unless_a_step_took_more_than_its_share() {
        let every = Every { interval: 60 * SECOND, share: 20 };
        assert_eq!((every.after(SECOND), every.after(6 * SECOND)), (60 * SECOND, 120 * SECOND));
    }

    #[test]
    fn rests_double_while_something_is_left_and_begin_anew_when_it_may_work() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        let rests = |backoff: &mut Backoff| [(); 4].map(|()| backoff.after(false, 10 * SECOND).as_secs());
        assert_eq!(rests(&mut backoff), [2, 4, 8, 10]);
        assert_eq!(backoff.after(true, 10 * SECOND), 60 * SECOND);
        backoff.new_work(4 * SECOND);
        assert_eq!(rests(&mut backoff), [8, 10, 10, 10]);
        backoff.begin_anew();
        assert_eq!(rests(&mut backoff), [2, 4, 8, 10]);
    }
}
