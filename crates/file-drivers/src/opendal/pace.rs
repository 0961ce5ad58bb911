//! The limit on requests per second that a provider allows.

use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    /// The time at which the next request may be sent.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(rate: Option<u32>) -> Self {
        let between = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { between, next: Mutex::new(None) }
    }

    pub(super) async fn wait(&self) {
        if self.between.is_zero() {
            return;
        }
        let mine = {
            let mut next = self.next.lock().await;
            let mine = turn(*next, Instant::now());
            *next = Some(mine + self.between);
            mine
        };
        tokio::time::sleep_until(mine).await;
    }
}

/// Returns the time of the next request. After a pause, the requests of one second may be sent at once.
fn turn(next: Option<Instant>, now: Instant) -> Instant {
    let earliest = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
    next.map_or(earliest, |next| next.max(earliest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_lie_apart_and_a_pause_earns_no_more_than_a_second() {
        let (now, between) = (Instant::now() + Duration::from_secs(100), Duration::from_millis(100));
        let mut next = None;
        for _ in 0..30 {
            next = Some(turn(next, now) + between);
        }
        assert_eq!(next, Some(now + Duration::from_secs(2)));
        assert_eq!(turn(Some(now), now + Duration::from_secs(60)), now + Duration::from_secs(59));
    }
}
