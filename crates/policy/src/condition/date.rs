//! Points in time: ISO 8601 in the profile of the W3C, or seconds since 1970.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// Nanoseconds since 1970. A text of digits alone is a number of seconds.
pub(crate) fn parse(text: &str) -> Option<i128> {
    if !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i128>().ok().map(|seconds| seconds * 1_000_000_000);
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| number(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| number(part, 2))?;
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let (time, offset) = match time {
        // The profile has no time without a complete date.
        Some(time) if text.find(['T', 't']) == Some(10) => clock(time)?,
        Some(_) => return None,
        None => (Time::MIDNIGHT, UtcOffset::UTC),
    };
    Some(PrimitiveDateTime::new(date, time).assume_offset(offset).unix_timestamp_nanos())
}

/// A time of day with its zone.
fn clock(text: &str) -> Option<(Time, UtcOffset)> {
    let zone = text.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = text.split_at(zone);
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => UtcOffset::UTC,
        (sign @ ("+" | "-"), rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let (hours, minutes) =
                (i8::try_from(number(hours, 2)?).ok()?, i8::try_from(number(minutes, 2)?).ok()?);
            let sign = if sign == "-" { -1 } else { 1 };
            UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?
        }
        _ => return None,
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) if !fraction.is_empty() && fraction.len() <= 9 => (clock, fraction),
        Some(_) => return None,
        None => (clock, ""),
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = match parts.next() {
        Some(part) => number(part, 2)?,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    let byte = |number: u32| u8::try_from(number).ok();
    let nanos = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<9}"), 9)? };
    Some((Time::from_hms_nano(byte(hour)?, byte(minute)?, byte(second)?, nanos).ok()?, offset))
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
