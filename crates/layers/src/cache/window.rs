//! When an answer of a storage may be kept: never one from before a write of ours.
//!
//! A reader draws a number before it asks the storage, and hands it in with the answer. A write shuts the window, takes out
//! what was kept, asks the storage, and opens the window when it has its outcome.
//!
//! Invariants:
//! - numbers are drawn only while the window is open, and every write changes the number when it begins. So an answer is
//!   admitted only if no write has begun since before the storage was asked, and none was on its way then;
//! - what is kept was admitted, and a write takes it out when it begins. So from the beginning of a write on, nothing kept is
//!   older than the write, and while it lasts nothing is kept at all: readers see what the storage says;
//! - a write whose outcome nobody knows (it was given up half way, or the storage did not answer) may still take effect.
//!   The window stays shut for [`DOUBT`] more.
//!
//! Several keys share a window: then a write to one costs the others a fill, nothing else.

use std::time::Duration;
use tokio::time::Instant;

/// How long a storage may take to do what we have stopped waiting for.
pub(super) const DOUBT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Window {
    number: u64,
    writing: usize,
    doubtful_until: Option<Instant>,
}

impl Window {
    /// `None`: a write is on its way, and what the storage says now is not for keeping.
    pub(super) fn draw(&self, now: Instant) -> Option<u64> {
        let doubtful = self.doubtful_until.is_some_and(|until| now < until);
        (self.writing == 0 && !doubtful).then_some(self.number)
    }

    pub(super) fn admits(&self, drawn: u64) -> bool {
        self.number == drawn
    }

    /// Whoever calls it takes out what is kept, under the same lock.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.writing += 1;
    }

    pub(super) fn end(&mut self, doubtful: bool, now: Instant) {
        self.writing -= 1;
        if doubtful {
            self.doubtful_until = Some(now + DOUBT);
        }
    }

    /// Somebody else has written.
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
