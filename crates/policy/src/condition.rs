//! One condition of a statement: an operator, a key, and the values that the key is compared with.
//!
//! Values are parsed with the policy, so a decision parses only those of the request. Semantics (IAM User
//! Guide, "Condition operators" and "Multivalued context keys"):
//! - a positive operator without its key is false, a negated one is true, one with `IfExists` is true;
//! - several values of a policy are alternatives; a negated operator is true when none of them matches;
//! - `ForAllValues` is true without a value, `ForAnyValue` is false; a key whose values are all empty texts
//!   counts as one without a value there, and for `Null`;
//! - without a set operator, a key with several values matches if one of them does.

mod date;
mod network;
mod number;
mod operator;

use crate::{
    arn::{Arn, ArnPattern},
    context::Context,
    pattern::{Pattern, Syntax},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use network::Network;
use operator::{Family, Order, Parsed, SetOperator};
use std::{borrow::Cow, cmp::Ordering};

#[derive(Debug, Clone)]
enum Wanted {
    Texts(Vec<Pattern>),
    AnyCase(Vec<Pattern>),
    Numbers(Order, Vec<i128>),
    Dates(Order, Vec<i128>),
    Bools(Vec<bool>),
    Binaries(Vec<Vec<u8>>),
    Networks(Vec<Network>),
    Arns(Vec<ArnPattern>),
    /// Whether the key must be absent.
    Null(bool),
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// In lower case.
    key: Box<str>,
    set: Option<SetOperator>,
    if_exists: bool,
    negated: bool,
    wanted: Wanted,
}

/// How precisely a condition says what a request must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Values without wildcards and variables.
    Fixed,
    /// Resource names whose account is fixed.
    FixedAccount,
    Open,
}

impl Condition {
    /// The error says which value, operator or key is wrong. Only version 2012-10-17 has variables.
    pub(crate) fn parse(
        operator: &str,
        key: &str,
        values: &[Cow<'_, str>],
        variables: bool,
    ) -> Result<Self, String> {
        let Parsed { family, negated, set, if_exists } = Parsed::read(operator)?;
        if key.trim().is_empty() {
            return Err("a condition key has no name".to_owned());
        }
        let each = |kind: &str| {
            let kind = kind.to_owned();
            move |value: &Cow<'_, str>| format!("{value:?} is no {kind}")
        };
        let wanted = match family {
            Family::Text { wildcards } => Wanted::Texts(patterns(values, Syntax { wildcards, variables })?),
            Family::AnyCase => Wanted::AnyCase(patterns(values, Syntax { wildcards: false, variables })?),
            Family::Number(order) => {
                Wanted::Numbers(order, all(values, number::parse, each("decimal number"))?)
            }
            Family::Date(order) => {
                Wanted::Dates(order, all(values, date::parse, each("date in ISO 8601 or number of seconds"))?)
            }
            Family::Bool => Wanted::Bools(all(values, boolean, each("boolean: use true or false"))?),
            Family::Binary => Wanted::Binaries(all(values, binary, each("base64 text"))?),
            Family::Address => {
                Wanted::Networks(all(values, Network::parse, each("IP address or CIDR range"))?)
            }
            Family::Arn => {
                let syntax = Syntax { wildcards: true, variables };
                let arns = values.iter().map(|value| ArnPattern::parse(value, syntax));
                Wanted::Arns(arns.collect::<Result<_, _>>()?)
            }
            Family::Null => match values {
                [value] => {
                    Wanted::Null(boolean(value).ok_or_else(|| each("boolean: use true or false")(value))?)
                }
                _ => return Err("Null takes one value".to_owned()),
            },
        };
        Ok(Self { key: key.to_ascii_lowercase().into(), set, if_exists, negated, wanted })
    }

    /// The key, in lower case.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn holds(&self, context: &Context<'_>) -> bool {
        let values = context.get(&self.key);
        // What AWS calls a null data set.
        let is_null = values.is_none_or(|values| values.iter().all(|value| value.is_empty()));
        if let Wanted::Null(absent) = self.wanted {
            return is_null == absent;
        }
        let Some(values) = values else {
            return self.if_exists
                || match self.set {
                    Some(SetOperator::ForAll) => true,
                    Some(SetOperator::ForAny) => false,
                    None => self.negated,
                };
        };
        let one = |value: &Cow<'_, str>| self.matches(value, context);
        match self.set {
            Some(SetOperator::ForAll) => is_null || values.iter().all(|value| one(value) != self.negated),
            Some(SetOperator::ForAny) => !is_null && values.iter().any(|value| one(value) != self.negated),
            None => values.iter().any(one) != self.negated,
        }
    }

    /// Whether a value is one of those wanted, before negation.
    fn matches(&self, value: &str, context: &Context<'_>) -> bool {
        match &self.wanted {
            Wanted::Texts(patterns) => patterns.iter().any(|pattern| pattern.matches(value, context)),
            Wanted::AnyCase(texts) => texts.iter().any(|text| text.equals_ignoring_case(value, context)),
            Wanted::Numbers(order, numbers) => ordered(*order, number::parse(value), numbers),
            Wanted::Dates(order, dates) => ordered(*order, date::parse(value), dates),
            Wanted::Bools(bools) => boolean(value).is_some_and(|value| bools.contains(&value)),
            Wanted::Binaries(all) => binary(value).is_some_and(|value| all.contains(&value)),
            Wanted::Networks(networks) => {
                value.parse().is_ok_and(|address| networks.iter().any(|network| network.has(address)))
            }
            Wanted::Arns(patterns) => {
                let arn = Arn::parse(value);
                patterns.iter().any(|pattern| pattern.matches(value, arn.as_ref(), context))
            }
            Wanted::Null(_) => false,
        }
    }

    /// The order in which conditions are looked at, the cheapest first. All have to hold, so it changes no
    /// decision.
    pub(crate) fn cost(&self) -> u8 {
        match &self.wanted {
            Wanted::Null(_) => 0,
            Wanted::Bools(_) => 1,
            Wanted::Texts(_) => 2,
            Wanted::Numbers(..) | Wanted::Networks(_) | Wanted::Arns(_) => 3,
            Wanted::AnyCase(_) | Wanted::Dates(..) | Wanted::Binaries(_) => 4,
        }
    }

    /// How far the condition narrows a statement. One that is true without its key narrows nothing.
    pub(crate) fn width(&self) -> Width {
        if self.negated || self.if_exists || self.set == Some(SetOperator::ForAll) {
            return Width::Open;
        }
        let fixed = |is_fixed: bool| if is_fixed { Width::Fixed } else { Width::Open };
        match &self.wanted {
            Wanted::Texts(patterns) | Wanted::AnyCase(patterns) => {
                fixed(patterns.iter().all(Pattern::is_fixed))
            }
            Wanted::Networks(networks) => fixed(networks.iter().all(Network::is_narrow)),
            Wanted::Arns(arns) if arns.iter().all(ArnPattern::is_fixed) => Width::Fixed,
            Wanted::Arns(arns) => {
                let has_account =
                    |arn: &ArnPattern| arn.components().is_some_and(|parts| parts[4].is_fixed());
                if arns.iter().all(has_account) { Width::FixedAccount } else { Width::Open }
            }
            Wanted::Numbers(..)
            | Wanted::Dates(..)
            | Wanted::Bools(_)
            | Wanted::Binaries(_)
            | Wanted::Null(_) => Width::Open,
        }
    }
}

fn patterns(values: &[Cow<'_, str>], syntax: Syntax) -> Result<Vec<Pattern>, String> {
    values.iter().map(|value| Pattern::parse(value, syntax)).collect()
}

fn all<T>(
    values: &[Cow<'_, str>],
    parse: impl Fn(&str) -> Option<T>,
    wrong: impl Fn(&Cow<'_, str>) -> String,
) -> Result<Vec<T>, String> {
    values.iter().map(|value| parse(value).ok_or_else(|| wrong(value))).collect()
}

fn ordered(order: Order, value: Option<i128>, wanted: &[i128]) -> bool {
    let is = |ordering: Ordering| match order {
        Order::Equal => ordering.is_eq(),
        Order::Less => ordering.is_lt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::Greater => ordering.is_gt(),
        Order::GreaterOrEqual => ordering.is_ge(),
    };
    value.is_some_and(|value| wanted.iter().any(|wanted| is(value.cmp(wanted))))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
