//! Points in time, in the two forms S3 shows them.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::{OffsetDateTime, macros::format_description};

/// Milliseconds since the Unix epoch, as in S3's XML. HTTP headers and conditions use whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Formats the time as S3's XML does: `2009-10-12T17:50:30.000Z`.
    pub fn iso8601(self) -> String {
        let mut text = String::with_capacity(24);
        self.write_iso8601(&mut text);
        text
    }

    /// Like [`Self::iso8601`], at the end of a text. A listing has a time for each key, and this takes a fraction of
    /// the time that the formatter takes.
    pub fn write_iso8601(self, out: &mut String) {
        let (seconds, millis) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else {
            return out.push_str(&self.iso8601_by_formatter());
        };
        let (year, month, day) = time.to_calendar_date();
        let Ok(year @ 0..=9999) = u32::try_from(year) else {
            return out.push_str(&self.iso8601_by_formatter());
        };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (0, 4, year),
            (5, 2, u8::from(month).into()),
            (8, 2, day.into()),
            (11, 2, time.hour().into()),
            (14, 2, time.minute().into()),
            (17, 2, time.second().into()),
            (20, 3, millis as u32),
        ];
        for (at, digits, mut value) in fields {
            for digit in text[at..at + digits].iter_mut().rev() {
                *digit += (value % 10) as u8;
                value /= 10;
            }
        }
        out.push_str(std::str::from_utf8(&text).unwrap_or_default());
    }

    /// Also for years that do not have four digits.
    fn iso8601_by_formatter(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        time.format(&format).unwrap_or_default()
    }

    /// Parses RFC 3339, as storages write it: with or without a fraction of a second.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text.trim(), &time::format_description::well_known::Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    /// Parses what people write: RFC 3339, or a day, which begins at midnight UTC.
    pub fn parse_day_or_time(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.len() {
            10 => Self::parse_iso8601(&format!("{text}T00:00:00Z")),
            _ => Self::parse_iso8601(text),
        }
    }

    /// Formats the time as in `Last-Modified` (RFC 9110 section 5.6.7).
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(u64::try_from(self.seconds()).unwrap_or(0)))
    }

    /// Parses any of the three forms of RFC 9110 section 5.6.7.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        httpdate::parse_http_date(text).ok().map(Self::from)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_time_is_written_as_the_formatter_writes_it(millis in prop_oneof![any::<i64>(), -1i64 << 50..1 << 50]) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.iso8601(), time.iso8601_by_formatter());
        }
    }

    #[test]
    fn both_forms_are_those_of_s3() {
        let time = Timestamp::from_millis(1_255_369_830_042);
        assert_eq!(time.iso8601(), "2009-10-12T17:50:30.042Z");
        assert_eq!(time.http_date(), "Mon, 12 Oct 2009 17:50:30 GMT");
        assert_eq!(Timestamp::parse_iso8601("2009-10-12T17:50:30.042Z"), Some(time));
        assert_eq!(
            Timestamp::parse_iso8601("2009-10-12T17:50:30Z").map(Timestamp::millis),
            Some(1_255_369_830_000)
        );
        assert_eq!(
            Timestamp::parse_http_date("Mon, 12 Oct 2009 17:50:30 GMT").map(Timestamp::seconds),
            Some(time.seconds())
        );
        assert_eq!(Timestamp::parse_day_or_time(" 1970-01-02").map(Timestamp::millis), Some(86_400_000));
        assert_eq!(Timestamp::parse_day_or_time("2009-10-12T19:50:30.042+02:00"), Some(time));
        for wrong in ["", "tomorrow", "2009-13-01", "2009-10-12T17:50", "20091012"] {
            assert_eq!(Timestamp::parse_day_or_time(wrong), None, "{wrong}");
        }
    }
}
