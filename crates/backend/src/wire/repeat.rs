//! Rules on which requests are sent again, and when.

use crate::backend::spread;
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The effect of repeating a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// A repeat has the same effect as the first request.
    Harmless,
    /// A repeat has another effect if the first request was carried out: its condition would be checked
    /// against its own write, or it would undo an acknowledged change that another client made in between.
    OnlyIfRefused,
}

impl Again {
    /// Returns the minimum pause before another attempt, if this reply justifies one.
    pub(super) fn after_reply(self, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        let worth = match status.as_u16() {
            // The request was not carried out. A lock (423) is mostly held only for the duration of another
            // request.
            423 | 429 | 503 => true,
            408 | 500 | 502 | 504 => self == Self::Harmless,
            _ => false,
        };
        let seconds = || headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
        worth.then(|| seconds().map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_PAUSE))
    }

    pub(super) fn after_failure(self, carried_out: bool) -> bool {
        !carried_out || self == Self::Harmless
    }
}

/// Returns a pause that grows exponentially and is randomly shortened by up to half.
pub fn pause(attempt: u32, least: Duration) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    least.max(spread(full, 0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_carried_out_is_repeated_only_if_that_is_harmless() {
        assert!(Again::Harmless.after_failure(true) && Again::OnlyIfRefused.after_failure(false));
        assert!(!Again::OnlyIfRefused.after_failure(true));
        for (status, harmless, refused) in [
            (503, true, true),
            (429, true, true),
            (500, true, false),
            (404, false, false),
            (412, false, false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(
                Again::Harmless.after_reply(status, &HeaderMap::new()).is_some(),
                harmless,
                "{status}"
            );
            assert_eq!(
                Again::OnlyIfRefused.after_reply(status, &HeaderMap::new()).is_some(),
                refused,
                "{status}"
            );
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_obey_retry_after() {
        for attempt in 1..40 {
            let pause = pause(attempt, Duration::ZERO);
            assert!(pause >= FIRST_PAUSE && pause <= LONGEST_PAUSE, "{attempt}: {pause:?}");
        }
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static("2"))]);
        let least = Again::Harmless.after_reply(StatusCode::SERVICE_UNAVAILABLE, &headers).expect("worth it");
        assert!(pause(1, least) >= Duration::from_secs(2));
    }
}
