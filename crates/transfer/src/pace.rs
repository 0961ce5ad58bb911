//! How fast bytes may flow: a limit for all transfers of a run together, which may change with the time of
//! day.
//!
//! Invariant: over any longer time no more bytes flow than the limit allows; one piece may come at once.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Limits by time of day, as rclone writes them: `512K`, or `08:00,512K 19:00,off`, or with days
/// `Mon-08:00,1M Sat-00:00,off`. Rates are bytes per second; `K`, `M` and `G` are powers of 1,024.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Timetable {
    /// Minutes since the beginning of Monday, ascending, each with the limit from then on.
    slots: Vec<(u32, Option<u64>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bandwidth {text:?}: {why}")]
pub struct TimetableError {
    text: String,
    why: &'static str,
}

const DAY: u32 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Timetable {
    pub fn parse(text: &str) -> Result<Self, TimetableError> {
        let error = |why| TimetableError { text: text.to_owned(), why };
        let mut slots = Vec::new();
        for word in text.split([' ', ';']).filter(|word| !word.is_empty()) {
            let (times, limit) = match word.split_once(',') {
                Some((time, limit)) => (minutes(time).map_err(error)?, limit),
                None => (vec![0], word),
            };
            let limit = rate(limit).map_err(error)?;
            slots.extend(times.into_iter().map(|time| (time, limit)));
        }
        slots.sort_unstable_by_key(|(time, _)| *time);
        match slots.windows(2).any(|two| two[0].0 == two[1].0) {
            true => Err(error("two limits begin at the same time")),
            false => Ok(Self { slots }),
        }
    }

    /// Returns the limit at a minute of the week. Before the first slot, the last one of the week before
    /// counts.
    fn at(&self, minute: u32) -> Option<u64> {
        let begun = self.slots.iter().rev().find(|(from, _)| *from <= minute);
        begun.or(self.slots.last()).and_then(|(_, limit)| *limit)
    }
}

impl TryFrom<String> for Timetable {
    type Error = TimetableError;

    fn try_from(text: String) -> Result<Self, TimetableError> {
        Self::parse(&text)
    }
}

/// Parses `08:00`, which is of every day, or `Mon-08:00`.
fn minutes(text: &str) -> Result<Vec<u32>, &'static str> {
    const WHY: &str = "a time is HH:MM or Mon-HH:MM";
    let (day, time) = match text.split_once('-') {
        Some((day, time)) => (Some(day.to_ascii_lowercase()), time),
        None => (None, text),
    };
    let (hour, minute) = time.split_once(':').ok_or(WHY)?;
    let number = |text: &str, end: u32| text.parse().ok().filter(|number: &u32| *number < end).ok_or(WHY);
    let within = number(hour, 24)? * 60 + number(minute, 60)?;
    match day {
        Some(day) => {
            let day = (0u32..).zip(DAYS).find(|(_, name)| *name == day).ok_or(WHY)?.0;
            Ok(vec![day * DAY + within])
        }
        None => Ok((0..7).map(|day| day * DAY + within).collect()),
    }
}

fn rate(text: &str) -> Result<Option<u64>, &'static str> {
    const WHY: &str = "a rate is 'off', or a number above 0 with K, M or G behind it";
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let text = text.trim_end_matches(['B', 'b', 'i']);
    let (number, unit) = match text.char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (&text[..at], unit.to_ascii_uppercase()),
        // A number alone is in KiB, as rclone has it.
        _ => (text, 'K'),
    };
    let shift = match unit {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => return Err(WHY),
    };
    let number: f64 = number.parse().map_err(|_| WHY)?;
    let bytes = number * f64::from(1u32 << shift);
    if bytes.is_finite() && bytes >= 1.0 { Ok(Some(bytes as u64)) } else { Err(WHY) }
}

/// Returns the minutes since the beginning of Monday, in the time zone of the caller.
pub type WeekClock = Arc<dyn Fn() -> u32 + Send + Sync>;

/// The limit in force.
pub(crate) struct Pace {
    timetable: Timetable,
    clock: WeekClock,
    /// When the bytes that were let through so far are paid for.
    paid: Mutex<Instant>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("timetable", &self.timetable).finish_non_exhaustive()
    }
}

impl Pace {
    pub(crate) fn new(timetable: Timetable, clock: WeekClock) -> Self {
        Self { timetable, clock, paid: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` that have come may be passed on.
    pub(crate) async fn pass(&self, bytes: usize) {
        if self.timetable.slots.is_empty() {
            return;
        }
        let Some(rate) = self.timetable.at((self.clock)()) else { return };
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = (*paid).max(Instant::now());
            *paid = begin + Duration::from_secs_f64(bytes as f64 / rate as f64);
            begin
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_timetable_has_the_limit_of_each_time() {
        let table = Timetable::parse("08:00,512K 19:00,off Sat-00:00,1.5M").expect("a timetable");
        for (minute, limit) in [
            (8 * 60, Some(512 << 10)),
            (19 * 60 - 1, Some(512 << 10)),
            (19 * 60, None),
            (DAY, None),
            // Monday morning still has the limit of Sunday evening.
            (0, None),
            (5 * DAY + 1, Some(3 << 19)),
            (5 * DAY + 8 * 60, Some(512 << 10)),
        ] {
            assert_eq!(table.at(minute), limit, "{minute}");
        }
        assert_eq!(Timetable::parse("10").expect("a rate").at(5), Some(10 << 10));
        assert_eq!(Timetable::parse("off").expect("a rate").at(5), None);
        for wrong in ["8,1M", "25:00,1M", "08:00,fast", "Xxx-08:00,1M", "08:00,1M 08:00,2M", "-1M", "1X"] {
            assert!(Timetable::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_flow_at_the_limit_of_the_time() {
        let minute = Arc::new(AtomicU32::new(8 * 60));
        let clock = minute.clone();
        let table = Timetable::parse("08:00,1K 19:00,off").expect("a timetable");
        let pace = Pace::new(table, Arc::new(move || clock.load(Ordering::Relaxed)));
        let begun = Instant::now();
        for _ in 0..11 {
            pace.pass(1024).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 10);
        minute.store(20 * 60, Ordering::Relaxed);
        for _ in 0..1000 {
            pace.pass(1 << 20).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
