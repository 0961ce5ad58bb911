//! What is known of a file: its size, its time, and the ETag that is made of them.

use crate::model::{Attributes, ETag, ObjectInfo, Timestamp};
use rustix::fs::{FileType, Stat, Timespec, Timestamps, UTIME_OMIT};

/// The user metadata that holds the time of a file, in seconds since 1970 with a fraction. Other tools that
/// move files to S3 use the same name and form.
pub(super) const MTIME: &str = "mtime";

const NANOS: i128 = 1_000_000_000;

/// The facts of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) etag: ETag,
    /// Nanoseconds since 1970.
    mtime: i128,
}

impl Facts {
    /// `None`: it is no regular file.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let mtime = i128::from(stat.st_mtime) * NANOS + i128::from(stat.st_mtime_nsec);
        let size = u64::try_from(stat.st_size).ok()?;
        // The `-` marks it as no digest of bytes; no count follows, as it does in the tag of parts.
        let etag = ETag::opaque(format!("file-{:x}.{mtime:x}.{size:x}", stat.st_ino));
        Some(Self { size, etag, mtime })
    }

    pub(super) fn modified(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.mtime.div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }

    pub(super) fn info(&self) -> ObjectInfo {
        let mut attributes = Attributes::default();
        attributes.user.insert(MTIME.to_owned(), written(self.mtime));
        ObjectInfo {
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified(),
            attributes,
            tag_count: 0,
            checksum: None,
            parts: Vec::new(),
            version: None,
            notes: Default::default(),
        }
    }
}

/// The facts of a folder, as an object without bytes.
pub(super) fn of_folder(stat: &Stat) -> ObjectInfo {
    let mtime = i128::from(stat.st_mtime) * NANOS + i128::from(stat.st_mtime_nsec);
    let etag = ETag::opaque(format!("folder-{:x}", stat.st_ino));
    Facts { size: 0, etag, mtime }.info()
}

fn written(mtime: i128) -> String {
    let (seconds, nanos) = (mtime.div_euclid(NANOS), mtime.rem_euclid(NANOS));
    // The fraction counts upwards, also before 1970; the text counts away from zero.
    let (sign, seconds, nanos) = match (seconds < 0, nanos) {
        (true, 0) => ("-", -seconds, 0),
        (true, nanos) => ("-", -seconds - 1, NANOS - nanos),
        (false, nanos) => ("", seconds, nanos),
    };
    format!("{sign}{seconds}.{nanos:09}")
}

/// Returns the times to set on a file whose object has these attributes. `None`: the time of writing stays.
pub(super) fn times(attributes: &Attributes) -> Option<Timestamps> {
    let mtime = parse(attributes.user.get(MTIME)?)?;
    let last_modification = Timespec {
        tv_sec: i64::try_from(mtime.div_euclid(NANOS)).ok()?,
        tv_nsec: i64::try_from(mtime.rem_euclid(NANOS)).ok()?,
    };
    Some(Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification })
}

fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || seconds.len() > 11 || !are_digits(seconds) || !are_digits(fraction) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    Some(sign * (seconds.parse::<i128>().ok()? * NANOS + nanos.parse::<i128>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_that_is_written_is_read_back(mtime in -99_999_999_999_000_000_000i128..99_999_999_999_000_000_000) {
            prop_assert_eq!(parse(&written(mtime)), Some(mtime));
        }
    }

    #[test]
    fn times_of_other_tools_are_read_and_nonsense_is_not() {
        for (text, nanos) in [
            ("1578314445", Some(1_578_314_445_000_000_000)),
            ("1578314445.5", Some(1_578_314_445_500_000_000)),
            ("1578314445.123456789", Some(1_578_314_445_123_456_789)),
            ("1578314445.1234567891", Some(1_578_314_445_123_456_789)),
            ("-1.5", Some(-1_500_000_000)),
            ("", None),
            ("-", None),
            (".5", None),
            ("1e9", None),
            ("123456789012", None),
        ] {
            assert_eq!(parse(text), nanos, "{text}");
        }
    }
}
