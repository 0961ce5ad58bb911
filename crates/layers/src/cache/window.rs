//! Decides when an answer of a storage may be kept: never an answer from before a write through this layer.
//!
//! A reader draws a number before it asks the storage, and presents it with the answer. A write closes the
//! window, removes what was kept, asks the storage, and opens the window when it has its outcome.
//!
//! Invariants:
//! - numbers are drawn only while the window is open, and every write changes the number when it begins. So
//!   an answer is admitted only if no write has begun since before the storage was asked, and none was in
//!   progress then;
//! - a kept answer was admitted, and a write removes it when it begins. So from the beginning of a write on,
//!   no kept answer is older than the write, and while the write lasts nothing is kept at all: readers get
//!   the storage's answer;
//! - a write whose outcome is unknown (it was cancelled, or the storage did not answer) may still take
//!   effect. The window stays closed for [`DOUBT`] longer.
//!
//! Several keys share a window: a write to one of them costs the others one more read of the storage, nothing
//! else.

use std::time::Duration;
use tokio::time::Instant;

/// How long a storage may take to complete a request that the gateway no longer waits for.
pub(super) const DOUBT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Window {
    number: u64,
    writing: usize,
    uncertain_until: Option<Instant>,
}

impl Window {
    /// Draws a number. `None` means that a write is in progress: an answer from that time must not be kept.
    pub(super) fn draw(&self, now: Instant) -> Option<u64> {
        let uncertain = self.uncertain_until.is_some_and(|until| now < until);
        (self.writing == 0 && !uncertain).then_some(self.number)
    }

    pub(super) fn admits(&self, drawn: u64) -> bool {
        self.number == drawn
    }

    /// Begins a write. The caller removes what is kept, under the same lock.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.writing += 1;
    }

    pub(super) fn end(&mut self, uncertain: bool, now: Instant) {
        self.writing -= 1;
        if uncertain {
            self.uncertain_until = Some(now + DOUBT);
        }
    }

    /// Reports a change made outside this layer.
    pub(super) fn changed(&mut self) {
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_before_a_write_began_is_never_admitted() {
        let (mut window, now) = (Window::default(), Instant::now());
        let before = window.draw(now).expect("open");
        assert!(window.admits(before));
        window.begin();
        assert!(!window.admits(before));
        assert_eq!(window.draw(now), None);
        window.begin();
        window.end(false, now);
        assert_eq!(window.draw(now), None, "the other is on its way still");
        window.end(false, now);
        assert!(!window.admits(before));
        assert!(window.draw(now).is_some_and(|drawn| window.admits(drawn)));
    }

    #[test]
    fn a_write_without_an_outcome_keeps_the_window_shut_for_a_while() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.begin();
        window.end(true, now);
        window.begin();
        window.end(false, now);
        assert_eq!(window.draw(now), None);
        assert!(window.draw(now + DOUBT).is_some());
    }
}
