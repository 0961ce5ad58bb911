//! Settings of numbers with a unit: times, and sizes in bytes.

use super::{
    tree::{Node, Raw},
    value::{Context, Setting, quote, refuse, text},
};
use std::time::Duration;

const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Parses a number directly followed by one of `units`.
pub(super) fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

pub(super) fn unscaled(value: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().filter(|(_, scale)| value.is_multiple_of(*scale)).max_by_key(|(_, scale)| *scale);
    fits.map_or_else(|| value.to_string(), |(name, scale)| format!("{}{name}", value / scale))
}

impl Setting for Duration {
    const KIND: &'static str = "a time such as 500ms, 30s, 10m, 12h or 7d";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        // The maximum is a century, so that adding it to any clock does not overflow.
        match scaled(text::<Self>(node)?.trim(), DURATIONS) {
            Some(millis @ 1..=3_155_760_000_000) => Ok(Duration::from_millis(millis)),
            _ => refuse::<Self, _>(node),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&unscaled(u64::try_from(self.as_millis()).unwrap_or(u64::MAX), DURATIONS)))
    }
}

/// An interval or a delay; `None` means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Option<Duration>);

impl Setting for Interval {
    const KIND: &'static str = "a time such as 30s, 10m, 12h or 7d, or \"off\"";

    fn parse(node: &Node, context: &Context<'_>) -> Result<Self, String> {
        if text::<Self>(node)? == "off" {
            return Ok(Self(None));
        }
        Duration::parse(node, context).map(|time| Self(Some(time))).or_else(|_| refuse::<Self, _>(node))
    }

    fn show(&self) -> Option<String> {
        self.0.map_or_else(|| Some(quote("off")), |time| time.show())
    }
}

pub(super) const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Setting for Size {
    const KIND: &'static str = "a size such as 64KiB or 10MiB";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        bytes::<Self>(node, str::trim).map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(quote(&unscaled(self.0, &SIZES[5..])))
    }
}

/// Reads a number of bytes, which may be text with a unit. `bare` removes what is around the amount, such as
/// `/s`.
pub(super) fn bytes<T: Setting>(node: &Node, bare: impl FnOnce(&str) -> &str) -> Result<u64, String> {
    let bytes = match &node.raw {
        Raw::Integer(bytes) => u64::try_from(*bytes).ok(),
        _ => scaled(bare(text::<T>(node)?), SIZES),
    };
    bytes.map_or_else(|| refuse::<T, _>(node), Ok)
}

#[cfg(test)]
mod tests {
    use super::{super::error::Origin, *};
    use std::collections::BTreeMap;

    fn parse<T: Setting>(text: &str) -> Result<T, String> {
        T::parse(&Node::text(text, Origin::Default), &Context::of(&BTreeMap::new()))
    }

    #[test]
    fn durations_have_units_and_are_never_zero() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(7 * 86400)));
        assert_eq!(parse("500 ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "30", "0s", "-1s", "1.5h", "s", "99999999999999999999s", "1y"] {
            assert!(parse::<Duration>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("off"), Ok(Interval(None)));
    }

    #[test]
    fn sizes_are_decimal_or_binary_by_their_unit() {
        assert_eq!(parse("64KiB"), Ok(Size(65536)));
        assert_eq!(parse("64 kB"), Ok(Size(64000)));
        assert_eq!(parse("5"), Ok(Size(5)));
        assert!(parse::<Size>("64 Kib/s").is_err());
    }
}
