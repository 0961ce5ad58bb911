//! Addresses, numbers, dates and bytes for the naive evaluator: as texts, digit by digit.

use std::{cmp::Ordering, net::IpAddr};

/// Bits of an address as texts of 0 and 1, and how many of them count.
pub fn network(text: &str) -> Option<(String, usize)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<usize>().ok()?)),
        None => (text, None),
    };
    let bits: String = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => v4.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
        IpAddr::V6(v6) => v6.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
    };
    let prefix = prefix.unwrap_or(bits.len());
    let mapped = format!("{}{}", "0".repeat(80), "1".repeat(16));
    match bits.strip_prefix(&mapped) {
        Some(rest) if prefix >= 96 => Some((rest.to_owned(), prefix - 96)),
        _ => Some((bits, prefix)),
    }
}

pub fn decimals(a: &str, b: &str) -> Option<Ordering> {
    let padded = |text: &str| -> Option<(bool, String)> {
        let digits = text.trim_start_matches(['-', '+']);
        let (integer, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some((integer, fraction)) => (integer, fraction),
            None => (digits, ""),
        };
        let all = format!("{integer}{fraction}");
        if integer.is_empty() || !all.chars().all(|c| c.is_ascii_digit()) || text.len() - digits.len() > 1 {
            return None;
        }
        let all = format!("{integer:0>30}{fraction:0<12}");
        Some((text.starts_with('-') && all.contains(|c| c != '0'), all))
    };
    let ((a_negative, a), (b_negative, b)) = (padded(a)?, padded(b)?);
    Some(match (a_negative, b_negative) {
        (false, false) => a.cmp(&b),
        (true, true) => b.cmp(&a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

pub fn dates(a: &str, b: &str) -> Option<Ordering> {
    Some(seconds(a)?.cmp(&seconds(b)?))
}

/// Seconds since 1970, counted year by year.
fn seconds(text: &str) -> Option<i64> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mut numbers = Vec::new();
    for piece in text.split(|c: char| !c.is_ascii_digit()).filter(|piece| !piece.is_empty()) {
        numbers.push(piece.parse::<i64>().ok()?);
    }
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let known = [
        "9999-99",
        "9999-99-99",
        "9999-99-99T99:99Z",
        "9999-99-99T99:99:99Z",
        "9999-99-99T99:99:99+99:99",
        "9999-99-99T99:99:99-99:99",
    ];
    if !known.contains(&shape.as_str()) {
        return None;
    }
    let at = |index: usize, default: i64| numbers.get(index).copied().unwrap_or(default);
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let months =
        |year: i64| [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (year, month, day) = (numbers[0], at(1, 1), at(2, 1));
    if !(1..=12).contains(&month) || day < 1 || day > months(year)[month as usize - 1] || year < 1970 {
        return None;
    }
    let mut days = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<i64>();
    days += months(year)[..month as usize - 1].iter().sum::<i64>() + day - 1;
    let offset = (at(6, 0) * 3600 + at(7, 0) * 60) * if shape.contains("9+9") { 1 } else { -1 };
    if at(3, 0) > 23 || at(4, 0) > 59 || at(5, 0) > 59 {
        return None;
    }
    Some(days * 86_400 + at(3, 0) * 3600 + at(4, 0) * 60 + at(5, 0) - offset)
}

pub fn unbase(text: &str) -> Option<Vec<bool>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    let mut bits = Vec::new();
    for digit in digits.chars() {
        let value = DIGITS.find(digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let spare = bits.len() % 8;
    if text.len() - digits.len() > 2 || bits.split_off(bits.len() - spare).contains(&true) {
        return None;
    }
    Some(bits)
}
