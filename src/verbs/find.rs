//! Entries that pass name, size and age.

use super::Entry;
use crate::{model::Timestamp, transfer::filter::Glob};
use std::time::Duration;

/// What an entry must be. What is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// For the last component of the name.
    pub name: Option<Glob>,
    pub at_least: Option<u64>,
    pub at_most: Option<u64>,
    /// Last modified at or after this.
    pub since: Option<Timestamp>,
    /// Last modified before this.
    pub before: Option<Timestamp>,
}

impl Filter {
    pub fn passes(&self, entry: &Entry) -> bool {
        let Entry::Object { key, size, modified, .. } = entry else { return false };
        let name = key.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        self.name.as_ref().is_none_or(|glob| glob.matches(name))
            && self.at_least.is_none_or(|least| *size >= least)
            && self.at_most.is_none_or(|most| *size <= most)
            && self.since.is_none_or(|since| *modified >= since)
            && self.before.is_none_or(|before| *modified < before)
    }
}

/// Reads a size: `512`, `10K`, `1.5M`, `2GiB`. Units are powers of 1,024.
pub fn size(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let power =
        match unit.trim().trim_end_matches("iB").trim_end_matches(['B', 'b']).to_ascii_uppercase().as_str() {
            "" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            "P" => 5,
            _ => return Err(format!("'{unit}' is no unit of sizes: write 512, 10K, 1.5M, 2G or 1T")),
        };
    let number: f64 =
        number.parse().map_err(|_| format!("'{text}' is no size: write 512, 10K, 1.5M, 2G or 1T"))?;
    // Sizes beyond 2^53 lose their last bytes, which nobody means.
    Ok((number * 1024f64.powi(power)) as u64)
}

/// Reads an age or a moment: `30s`, `15m`, `2h`, `7d`, `2w`, or `2026-11-30` with or without a time.
pub fn age(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(moment) = Timestamp::parse_day_or_time(text) {
        return Ok(moment);
    }
    let wrong = || format!("'{text}' is no age: write 30s, 15m, 2h, 7d, 2w, or a day like 2026-11-30");
    let ago = span(text).ok_or_else(wrong)?;
    let millis = i64::try_from(ago.as_millis()).map_err(|_| wrong())?;
    Ok(Timestamp::from_millis(now.millis().saturating_sub(millis)))
}

/// Reads a length of time: `30s`, `15m`, `2h`, `7d`, `2w`.
pub fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ETag;

    #[test]
    fn sizes_and_ages_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("10K", 10 << 10),
            ("1.5M", 3 << 19),
            ("2GiB", 2 << 30),
            ("1TB", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "10X", "1.2.3", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
        let now = Timestamp::from_millis(10 * 86_400_000);
        assert_eq!(age("7d", now), Ok(Timestamp::from_millis(3 * 86_400_000)));
        assert_eq!(age("1970-01-02", now), Ok(Timestamp::from_millis(86_400_000)));
        for text in ["", "7", "7y", "d", "tomorrow"] {
            assert!(age(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn every_condition_that_was_said_must_hold() {
        let at = Timestamp::from_millis;
        let entry =
            Entry::Object { key: "a/b.jpg".into(), size: 10, modified: at(5), etag: ETag::opaque("x") };
        let passes = |filter: Filter| filter.passes(&entry);
        assert!(passes(Filter::default()));
        let name = |pattern: &str| Glob::rclone(pattern, false).ok();
        assert!(passes(Filter {
            name: name("*.jpg"),
            at_least: Some(10),
            at_most: Some(10),
            since: Some(at(5)),
            before: Some(at(6))
        }));
        assert!(!passes(Filter { name: name("a*"), ..Filter::default() }));
        assert!(!passes(Filter { at_least: Some(11), ..Filter::default() }));
        assert!(!passes(Filter { at_most: Some(9), ..Filter::default() }));
        assert!(!passes(Filter { since: Some(at(6)), ..Filter::default() }));
        assert!(!passes(Filter { before: Some(at(5)), ..Filter::default() }));
        assert!(!Filter::default().passes(&Entry::Folder { key: "a/".into() }));
    }
}
