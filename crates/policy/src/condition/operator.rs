//! The names of condition operators, and what their parts mean.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperator {
    ForAll,
    ForAny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Family {
    Text { wildcards: bool },
    AnyCase,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// An operator's name, taken apart.
pub(super) struct Parsed {
    pub(super) family: Family,
    pub(super) negated: bool,
    pub(super) set: Option<SetOperator>,
    pub(super) if_exists: bool,
}

impl Parsed {
    /// Names are compared without regard to case, as IAM does.
    pub(super) fn read(name: &str) -> Result<Self, String> {
        let lower = name.to_ascii_lowercase();
        let unknown = || format!("{name:?} is no condition operator");
        let (set, rest) = match lower.split_once(':') {
            Some(("forallvalues", rest)) => (Some(SetOperator::ForAll), rest),
            Some(("foranyvalue", rest)) => (Some(SetOperator::ForAny), rest),
            Some(_) => return Err(unknown()),
            None => (None, &*lower),
        };
        let (rest, if_exists) = match rest.strip_suffix("ifexists") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (family, negated) = family(rest).ok_or_else(unknown)?;
        if matches!(family, Family::Null) && (set.is_some() || if_exists) {
            return Err("Null takes neither a set operator nor IfExists".to_owned());
        }
        Ok(Self { family, negated, set, if_exists })
    }
}

/// The family, and whether the operator is negated.
fn family(name: &str) -> Option<(Family, bool)> {
    Some(match name {
        "stringequals" => (Family::Text { wildcards: false }, false),
        "stringnotequals" => (Family::Text { wildcards: false }, true),
        "stringequalsignorecase" => (Family::AnyCase, false),
        "stringnotequalsignorecase" => (Family::AnyCase, true),
        "stringlike" => (Family::Text { wildcards: true }, false),
        "stringnotlike" => (Family::Text { wildcards: true }, true),
        "bool" => (Family::Bool, false),
        "binaryequals" => (Family::Binary, false),
        "ipaddress" => (Family::Address, false),
        "notipaddress" => (Family::Address, true),
        "arnequals" | "arnlike" => (Family::Arn, false),
        "arnnotequals" | "arnnotlike" => (Family::Arn, true),
        "null" => (Family::Null, false),
        _ => {
            let (of, rest) = match (name.strip_prefix("numeric"), name.strip_prefix("date")) {
                (Some(rest), _) => (Family::Number as fn(Order) -> Family, rest),
                (_, Some(rest)) => (Family::Date as fn(Order) -> Family, rest),
                (None, None) => return None,
            };
            let (order, negated) = match rest {
                "equals" => (Order::Equal, false),
                "notequals" => (Order::Equal, true),
                "lessthan" => (Order::Less, false),
                "lessthanequals" => (Order::LessOrEqual, false),
                "greaterthan" => (Order::Greater, false),
                "greaterthanequals" => (Order::GreaterOrEqual, false),
                _ => return None,
            };
            (of(order), negated)
        }
    })
}
