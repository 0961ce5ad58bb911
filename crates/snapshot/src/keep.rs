//! Which snapshots stay: the last ones, and the last one of each hour, day, week, month and year.
//!
//! Owns the rules only. They count for each source by itself, in UTC; a week begins on Monday.

use crate::{model::Timestamp, record::Snapshot};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// How many snapshots stay of each kind. A snapshot stays if any rule keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    pub last: u32,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
}

/// Returns the number of the span of time that a moment is in.
type Span = fn(OffsetDateTime) -> i64;

const SECONDS_OF_HOUR: i64 = 3600;

fn day(at: OffsetDateTime) -> i64 {
    at.date().to_julian_day().into()
}

impl Keep {
    /// No rule keeps anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn rules(&self) -> [(u32, Span); 5] {
        [
            (self.hourly, |at| at.unix_timestamp().div_euclid(SECONDS_OF_HOUR)),
            (self.daily, day),
            // Julian days begin with a Monday.
            (self.weekly, |at| day(at).div_euclid(7)),
            (self.monthly, |at| i64::from(at.year()) * 12 + i64::from(u8::from(at.month()))),
            (self.yearly, |at| at.year().into()),
        ]
    }

    /// Returns the snapshots that no rule keeps.
    pub(crate) fn forgotten(&self, snapshots: &[Snapshot]) -> Vec<Snapshot> {
        let mut sources: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
        for snapshot in snapshots {
            sources.entry(&snapshot.source).or_default().push(snapshot);
        }
        let mut forgotten = Vec::new();
        for mut snapshots in sources.into_values() {
            // The newest first.
            snapshots.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.created, snapshot.name)));
            let times: Vec<_> = snapshots.iter().map(|snapshot| snapshot.created).collect();
            let stays = self.stays(&times);
            let gone = snapshots.into_iter().zip(stays).filter(|(_, stays)| !stays);
            forgotten.extend(gone.map(|(snapshot, _)| snapshot.clone()));
        }
        forgotten
    }

    /// Returns whether each stays. The newest is the first.
    fn stays(&self, times: &[Timestamp]) -> Vec<bool> {
        let mut stays: Vec<bool> = (0..times.len()).map(|at| at < self.last as usize).collect();
        for (count, span) in self.rules() {
            let (mut left, mut last) = (count, None);
            for (at, time) in times.iter().enumerate() {
                let time = OffsetDateTime::from_unix_timestamp(time.seconds());
                let span = time.map_or(i64::MIN, span);
                if left > 0 && last != Some(span) {
                    stays[at] = true;
                    left -= 1;
                    last = Some(span);
                }
            }
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_keeps_the_last_snapshot_of_each_span() {
        let texts = [
            "2026-12-01T10:30:00Z",
            "2026-12-01T10:10:00Z",
            "2026-12-01T09:59:00Z",
            // A Monday, and the Sunday before.
            "2026-11-30T00:00:00Z",
            "2026-11-29T23:59:59Z",
            "2026-11-01T00:00:00Z",
            "2026-10-31T00:00:00Z",
            "2025-12-31T23:00:00Z",
        ];
        let times: Vec<_> =
            texts.iter().map(|text| Timestamp::parse_day_or_time(text).expect("a time")).collect();
        let kept = |keep: Keep| -> Vec<usize> {
            let stays = keep.stays(&times);
            (0..times.len()).filter(|at| stays[*at]).collect()
        };
        let none = Keep::default();
        assert!(none.is_empty() && kept(none).is_empty());
        assert_eq!(kept(Keep { last: 2, ..none }), [0, 1]);
        assert_eq!(kept(Keep { hourly: 2, ..none }), [0, 2]);
        assert_eq!(kept(Keep { daily: 3, ..none }), [0, 3, 4]);
        assert_eq!(kept(Keep { weekly: 2, ..none }), [0, 4]);
        assert_eq!(kept(Keep { monthly: 3, ..none }), [0, 3, 6]);
        assert_eq!(kept(Keep { yearly: 9, ..none }), [0, 7]);
        assert_eq!(kept(Keep { last: 2, yearly: 2, ..none }), [0, 1, 7]);
    }
}
