//! The own time of an object: that of the file that it was made from, as rclone keeps it.
//!
//! It is user metadata, `mtime`: seconds since 1970, with a fraction of up to nine digits.

use crate::model::{ObjectInfo, Timestamp};
use crate::{end::Times, store::ListedObject};
use std::time::Duration;

/// The name in the user metadata.
pub const MTIME: &str = "mtime";

/// A point in time, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnTime(i128);

impl OwnTime {
    /// Parses the value in the metadata. `None`: it is no time.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=12).contains(&seconds.len()) || !digits(seconds) || !digits(fraction) {
            return None;
        }
        let fraction = &fraction[..fraction.len().min(9)];
        let nanos =
            seconds.parse::<i128>().ok()? * 1_000_000_000 + format!("{fraction:0<9}").parse::<i128>().ok()?;
        Some(Self(if is_negative { -nanos } else { nanos }))
    }

    /// Formats the time for the metadata.
    pub fn text(self) -> String {
        let (sign, nanos) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        match fraction {
            0 => format!("{sign}{seconds}"),
            fraction => format!("{sign}{seconds}.{}", format!("{fraction:09}").trim_end_matches('0')),
        }
    }

    /// Returns the time of an object, as a HEAD or GET reports it.
    pub fn of_info(info: &ObjectInfo, times: Times) -> Self {
        let listed = Self::from(info.last_modified);
        let own = info.attributes.user.get(MTIME).and_then(|text| Self::parse(text));
        // A listing rounds to milliseconds: the metadata may have the same time exactly.
        let counts = |own: &Self| times == Times::Metadata || own.is_near(listed, Duration::from_millis(1));
        own.filter(counts).unwrap_or(listed)
    }

    /// Returns the time of an object, if the listing says it.
    pub fn of_listed(object: &ListedObject, times: Times) -> Option<Self> {
        (times == Times::Listed).then(|| object.last_modified.into())
    }

    /// Returns whether both are the same time, where times have the unit `window`.
    pub fn is_near(self, other: Self, window: Duration) -> bool {
        self.0.abs_diff(other.0) < window.as_nanos().max(1)
    }

    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for OwnTime {
    fn from(time: Timestamp) -> Self {
        Self(i128::from(time.millis()) * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_rclone_does() {
        for (text, nanos) in [
            ("1698765432.123456789", 1_698_765_432_123_456_789),
            ("1698765432", 1_698_765_432_000_000_000),
            ("1698765432.5", 1_698_765_432_500_000_000),
            ("-1.25", -1_250_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(OwnTime::parse(text), Some(OwnTime(nanos)), "{text}");
            assert_eq!(OwnTime(nanos).text(), text);
        }
        assert_eq!(OwnTime::parse("1.1234567899"), Some(OwnTime(1_123_456_789)));
        for wrong in ["", ".", "1e9", "x", "1.x", "+1", "9999999999999"] {
            assert_eq!(OwnTime::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_within_the_coarser_unit_are_the_same() {
        let at = |text| OwnTime::parse(text).expect("a time");
        assert!(at("5.999").is_near(at("5"), Duration::from_secs(1)));
        assert!(!at("6").is_near(at("5"), Duration::from_secs(1)));
        assert!(at("5").is_near(at("5"), Duration::ZERO));
    }
}
