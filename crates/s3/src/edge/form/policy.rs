//! The policy of a form: until when it holds, and the conditions that its fields must fulfil (S3 API
//! reference, "POST policy").
//!
//! Owns the document and its decision. Does not own who signed it (`authentication`), nor what a principal
//! may do (the gate of `s3`): a policy only narrows what its signer may do. Invariants:
//! - a field that no condition names is refused, and so is a condition on a field that did not come;
//! - names of fields are compared without regard to case, values exactly.

use super::fields::{Fields, is_exempt};
use crate::{
    model::Timestamp,
    s3::{ErrorCode, S3Error},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// The least and the greatest length of the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LengthRange {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl LengthRange {
    pub(super) const ANY: Self = Self { least: 0, most: u64::MAX };

    fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    StartsWith,
}

#[derive(Debug)]
struct Condition {
    comparison: Comparison,
    /// In lower case.
    field: String,
    value: String,
    /// As S3 shows it: `["eq", "$key", "a"]`.
    shown: String,
}

#[derive(Debug)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
    range: LengthRange,
}

impl Policy {
    /// Reads a policy in base64, as it was signed.
    pub(super) fn parse(text: &str) -> Result<Self, S3Error> {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| invalid("It is not a text in base64."))?;
        let Ok(Value::Object(members)) = serde_json::from_str(&without_escapes_of_s3(&decoded)) else {
            return Err(invalid("Invalid JSON."));
        };
        if let Some(other) = members.keys().find(|name| !matches!(name.as_str(), "expiration" | "conditions"))
        {
            return Err(invalid(format!("Unexpected: '{other}'.")));
        }
        let expiration = members.get("expiration").ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = expiration.as_str().unwrap_or_default();
        let end = Timestamp::parse_iso8601(expiration).filter(|_| expiration.contains('T'));
        let expiration =
            end.ok_or_else(|| invalid(format!("Invalid 'expiration' value: '{expiration}'.")))?;
        let Some(Value::Array(listed)) = members.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let mut policy = Self { expiration, conditions: Vec::new(), range: LengthRange::ANY };
        for condition in listed {
            match condition {
                Value::Object(simple) => policy.conditions.push(Condition::simple(simple)?),
                Value::Array(words) => policy.add(words)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(invalid("Invalid condition: it must be an object or a list."));
                }
            }
        }
        Ok(policy)
    }

    /// `["eq", "$key", "a"]`, `["starts-with", "$key", "a"]` or `["content-length-range", 1, 10]`.
    fn add(&mut self, words: &[Value]) -> Result<(), S3Error> {
        let [operator, first, second] = words else {
            return Err(invalid("Invalid condition: a list must have three values."));
        };
        let operator = operator.as_str().unwrap_or_default().to_ascii_lowercase();
        let comparison = match operator.as_str() {
            "content-length-range" => {
                let (Some(least), Some(most)) = (length(first), length(second)) else {
                    return Err(invalid("Invalid content-length-range: it must have two lengths."));
                };
                self.range = self.range.and(LengthRange { least, most });
                return Ok(());
            }
            "eq" => Comparison::Equals,
            "starts-with" => Comparison::StartsWith,
            _ => return Err(invalid(format!("Invalid condition: unknown operation '{operator}'."))),
        };
        let (Some(field), Some(value)) = (first.as_str(), second.as_str()) else {
            return Err(invalid("Invalid condition: a field and its value must be strings."));
        };
        let Some(field) = field.strip_prefix('$') else {
            return Err(invalid("Invalid condition: the name of a field must begin with '$'."));
        };
        self.conditions.push(Condition::new(comparison, field, value));
        Ok(())
    }

    /// Whether the fields of a form are as the policy says, at this time; and how long the file may be.
    pub(super) fn check(
        &self,
        fields: &Fields,
        bucket: &str,
        now: Timestamp,
    ) -> Result<LengthRange, S3Error> {
        if self.expiration <= now {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| if name == "bucket" { Some(bucket) } else { fields.get(name) };
        for condition in &self.conditions {
            if !value(&condition.field).is_some_and(|value| condition.holds(value)) {
                return Err(denied(format!("Policy Condition failed: {}", condition.shown)));
            }
        }
        // The bucket is a field of every form, whether it is written or not.
        let names = fields.names().chain(fields.get("bucket").is_none().then_some("bucket"));
        let is_covered = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        let extra: Vec<&str> = names.filter(|name| !is_exempt(name) && !is_covered(name)).collect();
        if !extra.is_empty() {
            return Err(denied(format!("Extra input fields: {}", extra.join(", "))));
        }
        Ok(self.range)
    }
}

impl Condition {
    fn new(comparison: Comparison, field: &str, value: &str) -> Self {
        let operator = match comparison {
            Comparison::Equals => "eq",
            Comparison::StartsWith => "starts-with",
        };
        let shown = format!("[\"{operator}\", {}, {}]", Value::from(format!("${field}")), Value::from(value));
        Self { comparison, field: field.to_ascii_lowercase(), value: value.to_owned(), shown }
    }

    /// `{"acl": "private"}`
    fn simple(members: &Map<String, Value>) -> Result<Self, S3Error> {
        let mut members = members.iter();
        let (Some((field, value)), None) = (members.next(), members.next()) else {
            return Err(invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
            ));
        };
        let value =
            value.as_str().ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
        Ok(Self::new(Comparison::Equals, field, value))
    }

    fn holds(&self, value: &str) -> bool {
        match self.comparison {
            Comparison::Equals => value == self.value,
            // A list of types is as the condition says if each of them is.
            Comparison::StartsWith if self.field == "content-type" => {
                value.split(',').all(|value| value.trim_start().starts_with(&self.value))
            }
            Comparison::StartsWith => value.starts_with(&self.value),
        }
    }
}

/// Some clients write numbers as texts.
fn length(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// JSON lacks two escapes that S3 has in policies: `\$` and `\v`.
fn without_escapes_of_s3(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('$') => plain.push('$'),
            Some('v') => plain.push_str("\\u000b"),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

fn invalid(why: impl std::fmt::Display) -> S3Error {
    S3Error::new(ErrorCode::InvalidPolicyDocument, format!("Invalid Policy: {why}"))
}

fn denied(why: impl std::fmt::Display) -> S3Error {
    S3Error::new(ErrorCode::AccessDenied, format!("Invalid according to Policy: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    fn now() -> Timestamp {
        Timestamp::parse_iso8601(NOW).expect("a time")
    }

    fn policy(json: &str) -> Result<Policy, String> {
        Policy::parse(&STANDARD.encode(json)).map_err(|error| {
            assert_eq!(error.code, ErrorCode::InvalidPolicyDocument);
            error.message
        })
    }

    /// What a policy with these conditions says of these fields, which are sent to `photos`.
    fn decided(conditions: &str, fields: &[(&str, &str)]) -> Result<LengthRange, String> {
        let json = format!(r#"{{"expiration": "2026-01-02T03:04:06.000Z", "conditions": [{conditions}]}}"#);
        let fields = Fields::of_pairs(fields);
        policy(&json).expect("a policy").check(&fields, "photos", now()).map_err(|error| {
            assert_eq!(error.code, ErrorCode::AccessDenied);
            error.message.strip_prefix("Invalid according to Policy: ").expect("S3's words").to_owned()
        })
    }

    fn failed(condition: &str) -> Result<LengthRange, String> {
        Err(format!("Policy Condition failed: {condition}"))
    }

    #[test]
    fn fields_are_compared_exactly_or_by_their_beginning() {
        let conditions =
            r#"{"bucket": "photos"}, ["starts-with", "$key", "user/"], ["eq", "$acl", "private"]"#;
        let with = |key, acl| decided(conditions, &[("key", key), ("acl", acl)]);
        assert_eq!(with("user/a", "private"), Ok(LengthRange::ANY));
        assert_eq!(with("users", "private"), failed(r#"["starts-with", "$key", "user/"]"#));
        assert_eq!(with("user/a", "Private"), failed(r#"["eq", "$acl", "private"]"#));
        assert_eq!(decided(r#"{"bucket": "photo"}"#, &[]), failed(r#"["eq", "$bucket", "photo"]"#));
    }

    #[test]
    fn names_and_operators_are_compared_without_regard_to_case() {
        let conditions = r#"{"bUcKeT": "photos"}, ["StArTs-WiTh", "$KeY", ""], {"Content-Type": "a"}"#;
        assert!(decided(conditions, &[("key", "k"), ("content-type", "a")]).is_ok());
    }

    #[test]
    fn every_field_needs_a_condition_but_those_that_s3_exempts() {
        let all = r#"{"bucket": "photos"}, ["starts-with", "$key", ""]"#;
        let exempt = ["x-amz-signature", "policy", "x-ignore-that", "awsaccesskeyid", "signature"]
            .map(|name| (name, "x"));
        let with = |field| decided(all, &[&exempt[..], &[("key", "k"), (field, "x")]].concat());
        assert!(with("x-ignore-more").is_ok());
        for field in [
            "acl",
            "x-amz-meta-a",
            "content-md5",
            "x-amz-checksum-sha256",
            "x-amz-security-token",
            "submit",
            "x-amz-date",
        ] {
            assert_eq!(with(field), Err(format!("Extra input fields: {field}")));
        }
        let without_bucket = decided(r#"["starts-with", "$key", ""]"#, &[("key", "k"), ("acl", "x")]);
        assert_eq!(without_bucket, Err("Extra input fields: acl, bucket".to_owned()));
    }

    #[test]
    fn a_condition_on_a_field_that_did_not_come_fails() {
        assert_eq!(
            decided(r#"{"bucket": "photos"}, ["starts-with", "$x-amz-meta-a", ""]"#, &[]),
            failed(r#"["starts-with", "$x-amz-meta-a", ""]"#)
        );
    }

    #[test]
    fn each_of_several_content_types_must_fit() {
        let with = |types| {
            decided(
                r#"{"bucket": "photos"}, ["starts-with", "$Content-Type", "image/"]"#,
                &[("content-type", types)],
            )
        };
        assert!(with("image/jpg,image/png, image/gif").is_ok());
        assert_eq!(with("image/jpg,text/plain"), failed(r#"["starts-with", "$Content-Type", "image/"]"#));
        let meta = decided(
            r#"{"bucket": "photos"}, ["starts-with", "$x-amz-meta-a", "b"]"#,
            &[("x-amz-meta-a", "b,c")],
        );
        assert!(meta.is_ok(), "no other field is a list");
    }

    #[test]
    fn the_narrowest_of_all_ranges_counts() {
        let range = decided(
            r#"{"bucket": "photos"}, ["content-length-range", 1, 10], ["content-length-range", "0", "5"]"#,
            &[],
        );
        assert_eq!(range, Ok(LengthRange { least: 1, most: 5 }));
    }

    #[test]
    fn a_policy_that_expired_allows_nothing() {
        let policy = policy(&format!(r#"{{"expiration": "{NOW}", "conditions": []}}"#)).expect("a policy");
        let error = policy.check(&Fields::of_pairs(&[]), "photos", now()).expect_err("expired");
        assert_eq!(error.message, "Invalid according to Policy: Policy expired.");
    }

    #[test]
    fn escapes_that_only_s3_has_are_read() {
        assert!(
            decided(r#"{"bucket": "photos"}, {"key": "\$a\\$b\u0024\v"}"#, &[("key", "$a\\$b$\u{b}")])
                .is_ok()
        );
    }

    #[test]
    fn documents_that_are_no_policy_are_refused_with_the_reason() {
        let refused = |json: &str| policy(json).map(|_| ()).expect_err(json).replace("Invalid Policy: ", "");
        let with =
            |conditions: &str| refused(&format!(r#"{{"expiration": "{NOW}", "conditions": {conditions}}}"#));
        assert_eq!(refused("{"), "Invalid JSON.");
        assert_eq!(refused("[]"), "Invalid JSON.");
        assert_eq!(refused(r#"{"EXPIRATION": "x", "conditions": []}"#), "Unexpected: 'EXPIRATION'.");
        assert_eq!(refused(r#"{"conditions": []}"#), "Policy missing expiration.");
        assert_eq!(refused(&format!(r#"{{"expiration": "{NOW}"}}"#)), "Policy missing conditions.");
        for time in ["2026-01-02 03:04:05+00:00", "tomorrow", ""] {
            let expected = format!("Invalid 'expiration' value: '{time}'.");
            assert_eq!(refused(&format!(r#"{{"expiration": "{time}", "conditions": []}}"#)), expected);
        }
        assert_eq!(with("{}"), "Policy missing conditions.");
        for conditions in [
            "[{}]",
            r#"[{"a": "b", "c": "d"}]"#,
            r#"[{"a": 1}]"#,
            r#"["eq"]"#,
            r#"[["eq", "$a"]]"#,
            r#"[["eq", "a", "b"]]"#,
            r#"[["eq", "$a", 1]]"#,
            r#"[["in", "$a", "b"]]"#,
            r#"[["content-length-range", 0]]"#,
            r#"[["content-length-range", -1, 0]]"#,
        ] {
            assert!(with(conditions).starts_with("Invalid "), "{conditions}");
        }
        assert!(Policy::parse("no base64").is_err());
    }
}
