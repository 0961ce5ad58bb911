//! A second evaluator, naive on purpose: it reads the JSON of policies anew for each request, compares
//! character by character with recursion, and shares no code with the crate.
//!
//! Written from the IAM User Guide alone: "Policy evaluation logic", "Condition operators", "Multivalued
//! context keys", "Policy variables", and the pages about each element.

use crate::{
    case::{Case, Kind, Sender},
    values::{dates, decimals, network, unbase},
};
use serde_json::Value;
use std::{cmp::Ordering, net::IpAddr};

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// The name of the policy, and the number of the statement.
    Deny(String, usize),
    Implicit,
}

/// A character of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Any,
    One,
    Plain(char),
    /// A character of a variable's value.
    Filled(char),
}

pub fn decide(case: &Case) -> Verdict {
    let keys = keys(case);
    let own = case.sender.account == case.owner && has_account(&case.sender);
    let is_root = case.sender.kind == Kind::Root;
    let is_policy = ["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"]
        .contains(&case.action.to_lowercase().as_str());
    if own && is_root && is_policy {
        return Verdict::Allow;
    }
    for (name, policy) in every(case) {
        for (index, statement) in statements(policy).iter().enumerate() {
            if statement["Effect"] == "Deny" && speaks(policy, statement, case, &keys) {
                return Verdict::Deny(name, index + 1);
            }
        }
    }
    let allows = |policy: &Value| {
        statements(policy).iter().any(|s| s["Effect"] == "Allow" && speaks(policy, s, case, &keys))
    };
    let by_identity = is_root || case.identity.iter().any(allows);
    let by_boundary = case.boundary.as_ref().is_none_or(allows);
    let by_session = case.session.as_ref().is_none_or(|all| all.iter().any(allows));
    let mut ways: Vec<&str> = Vec::new();
    if let Some(policy) = &case.bucket {
        for statement in statements(policy) {
            if statement["Effect"] == "Allow" && speaks(policy, statement, case, &keys) {
                ways.extend(how_named(statement, case));
            }
        }
    }
    let allowed = if !has_account(&case.sender) {
        !ways.is_empty()
    } else if own {
        let direct = ways.contains(&"itself") || (ways.contains(&"user") && case.session.is_none());
        let by_bucket = ways.iter().any(|way| *way != "account");
        direct || ((by_identity || by_bucket) && by_boundary && by_session)
    } else {
        !ways.is_empty() && by_identity && by_boundary && by_session
    };
    if allowed { Verdict::Allow } else { Verdict::Implicit }
}

/// Whether a sender may take on a role. The policy of the bucket is the trust policy of the role.
pub fn decide_trust(case: &Case) -> Verdict {
    let keys = keys(case);
    let Some(trust) = &case.bucket else { return Verdict::Implicit };
    match trusted(trust, case, &keys) {
        Verdict::Allow => decide(case),
        other => other,
    }
}

/// Whether somebody whom a provider vouches for may take on a role: the trust policy alone says so.
pub fn decide_federated(case: &Case) -> Verdict {
    case.bucket.as_ref().map_or(Verdict::Implicit, |trust| trusted(trust, case, &keys(case)))
}

fn trusted(trust: &Value, case: &Case, keys: &[(String, Vec<String>)]) -> Verdict {
    let mut verdict = Verdict::Implicit;
    for (index, statement) in statements(trust).iter().enumerate() {
        if speaks(trust, statement, case, keys) {
            if statement["Effect"] == "Deny" {
                return Verdict::Deny("bucket".into(), index + 1);
            }
            verdict = Verdict::Allow;
        }
    }
    verdict
}

/// Whether a statement, by the name of its policy and its number, allows the request.
pub fn allows(case: &Case, name: &str, number: usize) -> bool {
    let keys = keys(case);
    every(case).iter().any(|(other, policy)| {
        let list = statements(policy);
        other == name
            && list.get(number - 1).is_some_and(|s| s["Effect"] == "Allow" && speaks(policy, s, case, &keys))
    })
}

pub fn is_public(policy: &Value) -> bool {
    statements(policy).iter().any(|statement| {
        let everyone =
            statement["Principal"] == "*" || listed(&statement["Principal"]["AWS"]).contains(&"*".into());
        statement["Effect"] == "Allow" && everyone && !is_narrowed(policy, statement)
    })
}

fn is_narrowed(policy: &Value, statement: &Value) -> bool {
    let who = [
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceip",
        "aws:sourceowner",
        "aws:userid",
    ];
    let Some(conditions) = statement["Condition"].as_object() else { return false };
    conditions.iter().any(|(operator, keys)| {
        let operator = operator.to_lowercase();
        let operator = operator.strip_prefix("foranyvalue:").unwrap_or(&operator);
        keys.as_object().expect("keys").iter().any(|(key, values)| {
            who.contains(&key.to_lowercase().as_str())
                && listed(values).iter().all(|value| {
                    let has_variable = policy["Version"] == "2012-10-17"
                        && value.replace("${*}", "").replace("${?}", "").replace("${$}", "").contains("${");
                    let cleaned = match policy["Version"] == "2012-10-17" {
                        true => value.replace("${*}", "").replace("${?}", ""),
                        false => value.clone(),
                    };
                    let has_wildcard = cleaned.contains('*') || cleaned.contains('?');
                    match operator {
                        "stringequals" | "stringequalsignorecase" => !has_variable,
                        "stringlike" | "arnlike" | "arnequals" => !has_variable && !has_wildcard,
                        "ipaddress" => {
                            let (bits, prefix) = network(value).expect("a network");
                            prefix >= if bits.len() == 32 { 8 } else { 32 }
                        }
                        _ => false,
                    }
                })
        })
    })
}

/// All policies in the order in which they are read.
fn every(case: &Case) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for (number, policy) in case.identity.iter().enumerate() {
        all.push((format!("identity{number}"), policy));
    }
    all.extend(case.boundary.iter().map(|policy| ("boundary".to_owned(), policy)));
    for (number, policy) in case.session.iter().flatten().enumerate() {
        all.push((format!("session{number}"), policy));
    }
    all.extend(case.bucket.iter().map(|policy| ("bucket".to_owned(), policy)));
    all
}

fn statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(list) => list.iter().collect(),
        single => vec![single],
    }
}

fn listed(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(listed).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Null | Value::Object(_) => vec![],
    }
}

fn has_account(sender: &Sender) -> bool {
    !matches!(sender.kind, Kind::Anonymous | Kind::Service)
}

/// The request's keys, with those that say who sends it.
fn keys(case: &Case) -> Vec<(String, Vec<String>)> {
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |key: &str, value: &str| {
        let key = key.to_lowercase();
        match keys.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.push(value.to_owned()),
            None => keys.push((key, vec![value.to_owned()])),
        }
    };
    for (key, value) in &case.context {
        add(key, value);
    }
    let sender = &case.sender;
    match sender.kind {
        Kind::Anonymous => {
            add("aws:PrincipalType", "Anonymous");
            add("aws:userid", "anonymous");
        }
        Kind::Service => {
            add("aws:PrincipalIsAWSService", "true");
            add("aws:PrincipalServiceName", &sender.arn);
        }
        Kind::Root | Kind::User | Kind::Session => {
            add("aws:PrincipalAccount", &sender.account);
            add("aws:PrincipalIsAWSService", "false");
            for (key, value) in &sender.tags {
                add(&format!("aws:PrincipalTag/{key}"), value);
            }
        }
    }
    match sender.kind {
        Kind::Root => {
            add("aws:PrincipalType", "Account");
            add("aws:PrincipalArn", &sender.arn);
            add("aws:userid", &sender.account);
        }
        Kind::User => {
            add("aws:PrincipalType", "User");
            add("aws:PrincipalArn", &sender.arn);
            add("aws:userid", &sender.id);
            add("aws:username", &sender.name);
        }
        Kind::Session => {
            add("aws:PrincipalType", "AssumedRole");
            add("aws:PrincipalArn", &sender.role);
            add("aws:userid", &format!("{}:{}", sender.id, sender.name));
            if !sender.provider.is_empty() {
                add("aws:FederatedProvider", &sender.provider);
            }
        }
        Kind::Anonymous | Kind::Service => {}
    }
    keys
}

fn found<'k>(keys: &'k [(String, Vec<String>)], key: &str) -> Option<&'k Vec<String>> {
    keys.iter().find(|(other, _)| *other == key.to_lowercase()).map(|(_, values)| values)
}

fn speaks(policy: &Value, statement: &Value, case: &Case, keys: &[(String, Vec<String>)]) -> bool {
    let version_2012 = policy["Version"] == "2012-10-17";
    let has_action = |element: &str| {
        listed(&statement[element]).iter().any(|action| {
            like(
                &signs(&action.to_lowercase(), true, false, keys).expect("no variables"),
                &chars(&case.action.to_lowercase()),
            )
        })
    };
    let has_resource = |element: &str| {
        listed(&statement[element]).iter().any(|name| arn_like(name, &case.resource, version_2012, keys))
    };
    let about_action =
        if statement["NotAction"].is_null() { has_action("Action") } else { !has_action("NotAction") };
    let about_resource = if statement["Resource"].is_null() && statement["NotResource"].is_null() {
        // A trust policy is about its role.
        true
    } else if statement["NotResource"].is_null() {
        has_resource("Resource")
    } else {
        !has_resource("NotResource")
    };
    let about_sender = if !statement["NotPrincipal"].is_null() {
        case.boundary.is_some() || !left_out(&statement["NotPrincipal"], case)
    } else if !statement["Principal"].is_null() {
        !names(&statement["Principal"], case).is_empty()
    } else {
        true
    };
    let about_circumstances = match &statement["Condition"] {
        Value::Object(operators) => operators.iter().all(|(operator, conditions)| {
            let conditions = conditions.as_object().expect("keys");
            conditions.iter().all(|(key, wanted)| holds(operator, key, &listed(wanted), version_2012, keys))
        }),
        _ => true,
    };
    about_action && about_resource && about_sender && about_circumstances
}

fn how_named(statement: &Value, case: &Case) -> Vec<&'static str> {
    names(&statement["Principal"], case)
}

/// The ways in which an element names the sender.
fn names(element: &Value, case: &Case) -> Vec<&'static str> {
    let sender = &case.sender;
    let mut ways = Vec::new();
    if *element == "*" {
        ways.push("everyone");
    }
    let is_meant = |arn: &str| match &case.pins {
        None => true,
        Some(pins) => pins.iter().any(|(other, id)| other == arn && id.as_deref() == Some(&sender.id)),
    };
    for value in listed(&element["AWS"]) {
        if value == "*" {
            ways.push("everyone");
        }
        if has_account(sender)
            && (value == sender.account || value == format!("arn:aws:iam::{}:root", sender.account))
        {
            ways.push("account");
        }
        if sender.kind == Kind::User && ((value == sender.arn && is_meant(&value)) || value == sender.id) {
            ways.push("user");
        }
        if sender.kind == Kind::Session && ((value == sender.role && is_meant(&value)) || value == sender.id)
        {
            ways.push("role");
        }
        if sender.kind == Kind::Session && value == sender.arn {
            ways.push("itself");
        }
    }
    if has_account(sender) && listed(&element["CanonicalUser"]).contains(&sender.canonical) {
        ways.push("account");
    }
    if sender.kind == Kind::Service && listed(&element["Service"]).contains(&sender.arn) {
        ways.push("itself");
    }
    if sender.kind == Kind::Session && listed(&element["Federated"]).contains(&sender.provider) {
        ways.push("federated");
    }
    ways
}

fn left_out(element: &Value, case: &Case) -> bool {
    let ways = names(element, case);
    let all = |needed: &[&str]| needed.iter().all(|way| ways.contains(way));
    ways.contains(&"everyone")
        || match case.sender.kind {
            Kind::Anonymous => *element == "*" || listed(&element["AWS"]).contains(&"*".to_owned()),
            Kind::Root => all(&["account"]),
            Kind::User => all(&["account", "user"]),
            Kind::Session => all(&["account", "role", "itself"]),
            Kind::Service => all(&["itself"]),
        }
}

fn holds(
    operator: &str,
    key: &str,
    wanted: &[String],
    variables: bool,
    keys: &[(String, Vec<String>)],
) -> bool {
    let mut name = operator.to_lowercase();
    let mut set = "";
    for prefix in ["forallvalues:", "foranyvalue:"] {
        if name.starts_with(prefix) {
            set = prefix;
            name = name[prefix.len()..].to_owned();
        }
    }
    let if_exists = name.ends_with("ifexists");
    if if_exists {
        name = name[..name.len() - "ifexists".len()].to_owned();
    }
    let values = found(keys, key);
    if name == "null" {
        let is_null = match values {
            None => true,
            Some(values) => values.iter().all(String::is_empty),
        };
        return wanted[0].to_lowercase() == is_null.to_string();
    }
    let is_not = name.contains("not");
    let name = name.replace("not", "");
    let Some(values) = values else {
        if if_exists || set == "forallvalues:" {
            return true;
        }
        return set.is_empty() && is_not;
    };
    let equal = |value: &String| wanted.iter().any(|wanted| one(&name, value, wanted, variables, keys));
    let answer = |value: &String| if is_not { !equal(value) } else { equal(value) };
    let empty = values.iter().all(String::is_empty);
    match set {
        "forallvalues:" => empty || values.iter().filter(|value| !answer(value)).count() == 0,
        "foranyvalue:" => !empty && values.iter().filter(|value| answer(value)).count() > 0,
        // A negated operator is the opposite of the positive one.
        _ if is_not => !values.iter().any(equal),
        _ => values.iter().any(equal),
    }
}

fn one(name: &str, value: &str, wanted: &str, variables: bool, keys: &[(String, Vec<String>)]) -> bool {
    let texts = |wildcards| signs(wanted, wildcards, variables, keys);
    let compared = |ordering: Option<Ordering>, suffix: &str| match (ordering, suffix) {
        (None, _) => false,
        (Some(o), "equals") => o == Ordering::Equal,
        (Some(o), "lessthan") => o == Ordering::Less,
        (Some(o), "lessthanequals") => o != Ordering::Greater,
        (Some(o), "greaterthan") => o == Ordering::Greater,
        (Some(o), "greaterthanequals") => o != Ordering::Less,
        (_, other) => panic!("{other}"),
    };
    match name {
        "stringequals" => texts(false).is_some_and(|signs| text_of(&signs) == value),
        "stringequalsignorecase" => {
            texts(false).is_some_and(|signs| text_of(&signs).to_lowercase() == value.to_lowercase())
        }
        "stringlike" => texts(true).is_some_and(|signs| like(&signs, &chars(value))),
        "bool" => {
            ["true", "false"].contains(&value.to_lowercase().as_str())
                && value.to_lowercase() == wanted.to_lowercase()
        }
        "binaryequals" => unbase(value).is_some() && unbase(value) == unbase(wanted),
        "ipaddress" => match (value.parse::<IpAddr>(), network(wanted)) {
            (Ok(_), Some((bits, prefix))) => {
                let (other, _) = network(value).expect("an address");
                bits.len() == other.len() && bits[..prefix] == other[..prefix]
            }
            _ => false,
        },
        "arnequals" | "arnlike" => wanted == "*" || arn_like(wanted, value, variables, keys),
        _ => match (name.strip_prefix("numeric"), name.strip_prefix("date")) {
            (Some(suffix), _) => compared(decimals(value, wanted), suffix),
            (_, Some(suffix)) => compared(dates(value, wanted), suffix),
            _ => panic!("{name}"),
        },
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn text_of(signs: &[Sign]) -> String {
    signs
        .iter()
        .map(|sign| match sign {
            Sign::Plain(c) | Sign::Filled(c) => *c,
            Sign::Any => '*',
            Sign::One => '?',
        })
        .collect()
}

/// A pattern with its variables filled in. `None`: one has no value.
fn signs(text: &str, wildcards: bool, variables: bool, keys: &[(String, Vec<String>)]) -> Option<Vec<Sign>> {
    let text = chars(text);
    let (mut signs, mut at) = (Vec::new(), 0);
    while at < text.len() {
        if variables && text[at] == '$' && text.get(at + 1) == Some(&'{') {
            let (mut inside, mut end, mut quoted) = (String::new(), at + 2, false);
            while quoted || text[end] != '}' {
                quoted ^= text[end] == '\'';
                inside.push(text[end]);
                end += 1;
            }
            at = end + 1;
            if ["*", "?", "$"].contains(&inside.as_str()) {
                signs.push(Sign::Plain(chars(&inside)[0]));
                continue;
            }
            let (key, default) = match inside.split_once(',') {
                Some((key, default)) => {
                    let default = default.trim();
                    (key.trim(), Some(default[1..default.len() - 1].replace("''", "'")))
                }
                None => (inside.trim(), None),
            };
            let value = match found(keys, key) {
                Some(values) if values.len() == 1 => Some(values[0].clone()),
                _ => default,
            };
            signs.extend(value?.chars().map(Sign::Filled));
            continue;
        }
        signs.push(match text[at] {
            '*' if wildcards => Sign::Any,
            '?' if wildcards => Sign::One,
            other => Sign::Plain(other),
        });
        at += 1;
    }
    Some(signs)
}

fn like(pattern: &[Sign], text: &[char]) -> bool {
    match pattern.first() {
        None => text.is_empty(),
        Some(Sign::Any) => like(&pattern[1..], text) || (!text.is_empty() && like(pattern, &text[1..])),
        Some(Sign::One) => !text.is_empty() && like(&pattern[1..], &text[1..]),
        Some(Sign::Plain(c) | Sign::Filled(c)) => text.first() == Some(c) && like(&pattern[1..], &text[1..]),
    }
}

/// Component by component. Only colons that the policy itself has separate them.
fn arn_like(pattern: &str, text: &str, variables: bool, keys: &[(String, Vec<String>)]) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(signs) = signs(pattern, true, variables, keys) else { return false };
    let mut patterns: Vec<Vec<Sign>> = vec![vec![]];
    for sign in signs.iter().copied() {
        if sign == Sign::Plain(':') && patterns.len() < 6 {
            patterns.push(vec![]);
        } else {
            patterns.last_mut().expect("one").push(sign);
        }
    }
    let texts: Vec<&str> = text.splitn(6, ':').collect();
    if texts.len() < 6 || texts[0] != "arn" {
        return false;
    }
    if patterns.len() < 6 {
        return like(&signs, &chars(text));
    }
    (0..6).all(|i| like(&patterns[i], &chars(texts[i])))
}
