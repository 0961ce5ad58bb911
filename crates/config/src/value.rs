//! The contract of a setting, and settings that are text, paths, names or plain numbers. Each reads itself
//! from a raw value of any source, and shows itself as TOML.
//!
//! Does not own numbers with a unit (`unit`), nor closed sets of words (`choice`).

use super::{
    seal,
    tree::{Node, Raw},
};
use crate::model::{AccessKey, Endpoint};
use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf, str::FromStr};

/// What the reading of a value may use besides the value itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) seal: seal::Sources<'a>,
    /// The path of the value's key: sealed secrets are bound to it.
    pub(super) key: &'a str,
}

impl<'a> Context<'a> {
    /// Returns the context of a value that comes from the environment and belongs to no key.
    pub(super) fn of(environment: &'a BTreeMap<String, String>) -> Self {
        Self { environment, seal: seal::Sources { environment, file: None, new: None }, key: "" }
    }
}

pub(super) trait Setting: Sized {
    /// The required form in words, for messages and for the reference.
    const KIND: &'static str;

    /// Reads the value. An error is text that follows the name of the key.
    fn parse(node: &Node, context: &Context<'_>) -> Result<Self, String>;

    /// Returns the value as TOML; `None` if it is unset.
    fn show(&self) -> Option<String>;

    /// Returns the value of a key that no source sets and that has no default. `None`: the key is required.
    fn absent() -> Option<Self> {
        None
    }
}

/// Formats `must be KIND, not VALUE`.
pub(super) fn refuse<T: Setting, V>(node: &Node) -> Result<V, String> {
    let given = match &node.raw {
        Raw::Text(text) => format!("'{text}'"),
        Raw::Integer(number) => number.to_string(),
        Raw::Boolean(truth) => truth.to_string(),
        Raw::Fraction(text) => text.clone(),
        Raw::Other(name) => (*name).to_owned(),
        Raw::List(_) => "a list".to_owned(),
        Raw::Table(_) => "a table".to_owned(),
    };
    Err(format!("must be {}, not {given}", T::KIND))
}

pub(super) fn text<T: Setting>(node: &Node) -> Result<&str, String> {
    match &node.raw {
        Raw::Text(text) => Ok(text),
        _ => refuse::<T, _>(node),
    }
}

/// Reads one text, several texts separated by commas, or a list.
pub(super) fn texts<T: Setting>(node: &Node) -> Result<Vec<&str>, String> {
    let texts: Vec<&str> = match &node.raw {
        Raw::Text(text) => text.split(',').map(str::trim).collect(),
        Raw::List(items) => items.iter().map(|item| text::<T>(item)).collect::<Result<_, _>>()?,
        _ => return refuse::<T, _>(node),
    };
    if texts.is_empty() { refuse::<T, _>(node) } else { Ok(texts) }
}

/// Reads a whole number within a range. It may be given as text.
pub(super) fn number<T: Setting, N: TryFrom<i64> + FromStr + PartialOrd>(
    node: &Node,
    range: RangeInclusive<N>,
) -> Result<N, String> {
    let number = match &node.raw {
        Raw::Integer(number) => N::try_from(*number).ok(),
        Raw::Text(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| range.contains(number)).map_or_else(|| refuse::<T, _>(node), Ok)
}

pub(super) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn quote_all(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.map(|text| quote(&text)).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;

    fn parse(node: &Node, context: &Context<'_>) -> Result<Self, String> {
        T::parse(node, context).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Setting::show)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Host names below which buckets are addressed, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains(pub Vec<String>);

impl Setting for Domains {
    const KIND: &'static str = "a host name such as s3.example.com, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let host = |text: &str| {
            if text.split('.').all(label) && text.parse::<std::net::IpAddr>().is_err() {
                Ok(text.to_ascii_lowercase())
            } else {
                refuse::<Self, _>(&Node::text(text, node.origin.clone()))
            }
        };
        texts::<Self>(node)?.into_iter().map(host).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().cloned()))
    }
}

impl Setting for String {
    const KIND: &'static str = "text";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        text::<Self>(node).map(str::to_owned)
    }

    fn show(&self) -> Option<String> {
        Some(quote(self))
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "a path";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        match text::<Self>(node)? {
            "" => refuse::<Self, _>(node),
            path => Ok(path.into()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string_lossy()))
    }
}

impl Setting for AccessKey {
    const KIND: &'static str = "1 to 128 printable ASCII characters without blanks, '/', ',' and '='";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        match text::<Self>(node)? {
            key if (1..=128).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_graphic() && !b"/,=".contains(&b)) =>
            {
                Ok(Self(key.into()))
            }
            _ => refuse::<Self, _>(node),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.as_str()))
    }
}

/// A count that is never zero.
impl Setting for usize {
    const KIND: &'static str = "a whole number above 0";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        // A million is more than any machine has descriptors or memory for, and fits every counter.
        number::<Self, Self>(node, 1..=1_000_000)
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// The port of a service on another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub u16);

impl Setting for Port {
    const KIND: &'static str = "a port from 1 to 65535";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        number::<Self, _>(node, 1..=u16::MAX).map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// The permissions of owner, group and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Setting for FileMode {
    const KIND: &'static str = "a mode in octal digits, as text: \"0640\"";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        // A number is refused: people write a mode in octal, and TOML reads it as decimal.
        let Raw::Text(text) = &node.raw else { return refuse::<Self, _>(node) };
        match u32::from_str_radix(text, 8) {
            Ok(mode) if text.len() >= 3 && mode <= 0o777 && mode & 0o600 == 0o600 => Ok(Self(mode)),
            Ok(mode) if mode <= 0o777 && mode & 0o600 != 0o600 => {
                Err("must let the owner read and write".to_owned())
            }
            _ => refuse::<Self, _>(node),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&format!("{:04o}", self.0)))
    }
}

/// The keys that a server may have. An empty list means any key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyPins(pub Vec<String>);

impl Setting for HostKeyPins {
    const KIND: &'static str = "a fingerprint such as SHA256:…, a public key, a list of them, or \"any\"";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let pins = texts::<Self>(node)?;
        let is_pin = |pin: &&str| {
            pin.starts_with("SHA256:") || pin.split(' ').nth(1).is_some_and(|key| key.starts_with("AAAA"))
        };
        match pins.as_slice() {
            ["any"] => Ok(Self(Vec::new())),
            [_, ..] if pins.iter().all(is_pin) => Ok(Self(pins.into_iter().map(str::to_owned).collect())),
            _ => refuse::<Self, _>(node),
        }
    }

    fn show(&self) -> Option<String> {
        if self.0.is_empty() { Some(quote("any")) } else { Some(quote_all(self.0.iter().cloned())) }
    }
}

impl Setting for bool {
    const KIND: &'static str = "true or false";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        match &node.raw {
            Raw::Boolean(truth) => Ok(*truth),
            Raw::Text(text) => text.parse().or_else(|_| refuse::<Self, _>(node)),
            _ => refuse::<Self, _>(node),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Endpoint {
    const KIND: &'static str = "a URL such as https://s3.example.com, without a query";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        // A URL may hold a password, so the error does not repeat it.
        Endpoint::parse(text::<Self>(node)?).ok_or_else(|| format!("must be {}", Self::KIND))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

/// Levels by target, as the log understands them: `info`, `info,access=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(pub String);

impl Setting for LogLevel {
    const KIND: &'static str = "off, error, warn, info, debug or trace, also by target: info,access=debug";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let level = |text: &str| matches!(text, "off" | "error" | "warn" | "info" | "debug" | "trace");
        let directive = |text: &str| match text.split_once('=') {
            Some((target, text)) => !target.is_empty() && level(text),
            None => level(text),
        };
        let directives = texts::<Self>(node)?;
        if directives.iter().all(|text| directive(text)) {
            Ok(Self(directives.join(",")))
        } else {
            refuse::<Self, _>(node)
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            address::Addresses,
            error::Origin,
            unit::{Interval, Size},
        },
        *,
    };
    use crate::model::Role;
    use std::time::Duration;

    fn parse<T: Setting>(text: &str) -> Result<T, String> {
        T::parse(&Node::text(text, Origin::Default), &Context::of(&BTreeMap::new()))
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_value() {
        fn round<T: Setting + PartialEq + std::fmt::Debug>(text: &str) {
            let value: T = parse(text).unwrap_or_else(|why| panic!("{text} {why}"));
            let shown: toml::Table = format!("v = {}", value.show().expect("shown")).parse().expect("TOML");
            let again = match &shown["v"] {
                toml::Value::String(text) => parse(text),
                toml::Value::Integer(number) => parse(&number.to_string()),
                toml::Value::Array(items) => {
                    parse(&items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","))
                }
                other => panic!("{other}"),
            };
            assert_eq!(again, Ok(value));
        }
        round::<Duration>("1500ms");
        round::<Interval>("off");
        round::<Size>("10MB");
        round::<Addresses>("127.0.0.1:9000, [::1]:9000, :9000, localhost:9000");
        round::<Domains>("S3.example.com");
        round::<LogLevel>("info,access=debug");
        round::<Role>("readonly");
        round::<usize>("12");
        round::<Port>("2222");
        round::<HostKeyPins>("any");
        round::<HostKeyPins>("SHA256:abc, ssh-ed25519 AAAAC3Nz a comment");
        round::<String>("a \"quoted\" \\ thing");
    }

    #[test]
    fn log_levels_are_not_taken_for_targets() {
        assert!(parse::<LogLevel>("verbose").is_err());
        assert!(parse::<LogLevel>("info,access").is_err());
    }
}
