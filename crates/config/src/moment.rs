//! A point in time, as a setting.

use super::{
    tree::Node,
    value::{Context, Setting, quote, refuse, text},
};
use crate::model::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Setting for Moment {
    const KIND: &'static str = "a time such as \"2030-01-31T12:00:00Z\", or a day such as \"2030-01-31\"";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        Timestamp::parse_day_or_time(text::<Self>(node)?)
            .map_or_else(|| refuse::<Self, _>(node), |at| Ok(Self(at)))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0.iso8601()))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::Origin, *};
    use std::collections::BTreeMap;

    #[test]
    fn a_moment_is_a_day_or_a_time_and_shows_itself_as_one() {
        let parse =
            |text: &str| Moment::parse(&Node::text(text, Origin::Default), &Context::of(&BTreeMap::new()));
        let day = parse("2030-01-31").expect("a day");
        assert_eq!(day.show().as_deref(), Some("\"2030-01-31T00:00:00.000Z\""));
        assert_eq!(parse(day.show().expect("shown").trim_matches('"')), Ok(day));
        assert!(parse("soon").expect_err("no time").contains("2030-01-31T12:00:00Z"));
    }
}
