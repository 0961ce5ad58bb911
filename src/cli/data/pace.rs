//! The arguments that say how fast a run works. They do not change its result.

use crate::{
    ends::Failure,
    model::Timestamp,
    transfer::{
        Tuning,
        pace::{Timetable, WeekClock},
        retry::RetryPolicy,
    },
    verbs,
};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pace")]
pub(super) struct Pace {
    /// Send so many objects at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    transfers: u16,
    /// Compare so many objects at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    checkers: u16,
    /// Send at most so many bytes a second: 512K, 10M, or by time of day, in UTC, "08:00,512K 19:00,off".
    #[arg(long, value_name = "RATE", value_parser = Timetable::parse)]
    bwlimit: Option<Timetable>,
    /// Try each object so many times.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    retries: u32,
    /// Send objects from this size on in parts [default: 64M where the destination stores parts in place].
    #[arg(long, value_name = "SIZE", value_parser = verbs::size)]
    multipart_from: Option<u64>,
    /// Make parts of this size, of at least 5M.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = part_size)]
    part_size: u64,
}

/// S3 takes no part below this size, but the last one.
const LEAST_PART: u64 = 5 << 20;

fn part_size(text: &str) -> Result<u64, String> {
    let size = verbs::size(text)?;
    if size < LEAST_PART { Err("S3 takes no part of less than 5M".to_owned()) } else { Ok(size) }
}

impl Pace {
    pub(super) fn tuning(&self) -> Result<Tuning, Failure> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| Failure::failed(format!("random numbers: {error}")))?;
        Ok(Tuning {
            transfers: self.transfers.into(),
            checkers: self.checkers.into(),
            multipart_from: self.multipart_from,
            part_size: self.part_size,
            retry: RetryPolicy { attempts: self.retries, ..RetryPolicy::default() },
            seed: u64::from_le_bytes(seed),
            bandwidth: self.bwlimit.clone().unwrap_or_default(),
            ..Tuning::default()
        })
    }
}

/// Returns the clock of timetables: minutes since the beginning of Monday, in UTC.
pub(super) fn clock() -> WeekClock {
    Arc::new(|| week_minute(Timestamp::now()))
}

fn week_minute(at: Timestamp) -> u32 {
    const WEEK: i64 = 7 * 24 * 60;
    // 1970 began with a Thursday.
    const THURSDAY: i64 = 3 * 24 * 60;
    u32::try_from((at.millis().div_euclid(60_000) + THURSDAY).rem_euclid(WEEK)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        let minute = |text| week_minute(Timestamp::parse_day_or_time(text).expect("a time"));
        assert_eq!(minute("2026-11-30"), 0);
        assert_eq!(minute("2026-12-01T01:02:03Z"), 24 * 60 + 62);
        assert_eq!(minute("1970-01-04T23:59:00Z"), 7 * 24 * 60 - 1);
    }
}
