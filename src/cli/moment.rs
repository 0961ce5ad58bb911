//! Times as people give them to commands: a day, a time, or how long from now.

use crate::model::Timestamp;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];

/// `90d`, `12h`, `30m`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "it is no time such as 30m, 12h or 90d".to_owned();
    let (unit, seconds) = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wrong)?;
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    // A century is as good as for ever, and fits every clock.
    number
        .checked_mul(*seconds)
        .filter(|all| *all <= 3_155_760_000)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// `2030-01-31`, `2030-01-31T12:00:00Z`, or a span from now.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    const WRONG: &str =
        "it is no time: write 2030-01-31, 2030-01-31T12:00:00Z, or how long from now, such as 90d";
    match Timestamp::parse_day_or_time(text) {
        Some(at) => Ok(at),
        None => span(text).map(from_now).map_err(|_| WRONG.to_owned()),
    }
}

pub(super) fn from_now(span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(Timestamp::now().millis().saturating_add(millis))
}

/// Like [`moment`], or `never`.
pub(super) fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" { Ok(Expiry(None)) } else { moment(text).map(|at| Expiry(Some(at))) }
}

/// `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expiry(pub(super) Option<Timestamp>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_a_time_or_how_long_from_now() {
        assert_eq!(span("90d"), Ok(Duration::from_secs(90 * 86_400)));
        for wrong in ["", "d", "90", "-1d", "1.5h", "1y", "99999999999w"] {
            assert!(span(wrong).is_err() && moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(moment("1970-01-02").map(Timestamp::millis), Ok(86_400_000));
        assert!(moment("1h").is_ok_and(|at| at > Timestamp::now()));
        assert_eq!(expiry("never"), Ok(Expiry(None)));
    }
}
