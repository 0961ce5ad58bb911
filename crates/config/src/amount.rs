//! Settings of amounts: rates, shares, counts that may be very large, and sets of operations.

use super::{
    tree::{Node, Raw},
    unit::{SIZES, bytes, unscaled},
    value::{Context, Setting, number, quote, quote_all, refuse, texts},
};
use crate::store::operation::Operations;

/// A number of bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRate(pub u64);

fn per_second(text: &str) -> &str {
    let text = text.trim();
    text.strip_suffix("/s").unwrap_or(text).trim_end()
}

impl Setting for ByteRate {
    const KIND: &'static str = "a size per second such as 10MiB or 10MiB/s";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        match bytes::<Self>(node, per_second)? {
            0 => refuse::<Self, _>(node),
            bytes => Ok(Self(bytes)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&format!("{}/s", unscaled(self.0, &SIZES[5..]))))
    }
}

/// A count that may be very large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

impl Setting for Count {
    const KIND: &'static str = "a whole number above 0";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        // The range of numbers in TOML.
        number::<Self, _>(node, 1..=i64::MAX.unsigned_abs()).map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A share of all, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Setting for Share {
    const KIND: &'static str = "a share such as 0.05 or 5%";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let number = |text: &str| {
            text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse::<f64>().ok()).flatten()
        };
        let share = match &node.raw {
            Raw::Integer(whole @ 0..=1) => Some(*whole as f64),
            Raw::Text(text) | Raw::Fraction(text) => match text.trim().strip_suffix('%') {
                Some(percent) => number(percent.trim_end()).map(|percent| percent / 100.0),
                None => number(text.trim()),
            },
            _ => None,
        };
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .map(Self)
            .map_or_else(|| refuse::<Self, _>(node), Ok)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl Setting for Operations {
    const KIND: &'static str = "all, reads, lists, writes, upkeep, the name of an operation such as put or complete_upload, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let named = |word: &str| {
            Operations::named(word)
                .map_or_else(|| refuse::<Self, _>(&Node::text(word, node.origin.clone())), Ok)
        };
        texts::<Self>(node)?.into_iter().map(named).try_fold(Operations::NONE, |all, more| Ok(all.and(more?)))
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.words().into_iter().map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::Origin, *};
    use std::collections::BTreeMap;

    fn parse<T: Setting>(text: &str) -> Result<T, String> {
        T::parse(&Node::text(text, Origin::Default), &Context::of(&BTreeMap::new()))
    }

    #[test]
    fn a_rate_of_bytes_may_say_that_it_is_per_second() {
        for text in ["10MiB", "10MiB/s", "10 MiB /s", "10485760"] {
            assert_eq!(parse(text), Ok(ByteRate(10 << 20)), "{text}");
        }
        for wrong in ["0", "10MiB/m", "/s", "fast"] {
            assert!(parse::<ByteRate>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_a_part_of_all() {
        for (text, share) in
            [("0.05", 0.05), ("5%", 0.05), ("2.5 %", 0.025), ("0", 0.0), ("1", 1.0), ("100%", 1.0)]
        {
            assert_eq!(parse(text), Ok(Share(share)), "{text}");
        }
        for wrong in ["", "%", "1.01", "101%", "-0.1", "1e-3", "nan", "half"] {
            assert!(parse::<Share>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_value() {
        fn round<T: Setting + PartialEq + std::fmt::Debug>(text: &str) {
            let value: T = parse(text).unwrap_or_else(|why| panic!("{text} {why}"));
            let shown: toml::Table = format!("v = {}", value.show().expect("shown")).parse().expect("TOML");
            let again = match &shown["v"] {
                toml::Value::String(text) => parse(text),
                toml::Value::Array(items) => {
                    parse(&items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","))
                }
                number => parse(&number.to_string()),
            };
            assert_eq!(again, Ok(value));
        }
        round::<ByteRate>("1MB/s");
        round::<Count>("5000000000");
        round::<Share>("7.5%");
        round::<Share>("1");
        round::<Operations>("reads, put");
        round::<Operations>("all");
    }
}
