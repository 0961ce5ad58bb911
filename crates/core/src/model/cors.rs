//! Cross-origin resource sharing: the rules of a bucket, and which of them a request meets (S3 User Guide,
//! "Elements of a CORS configuration").
//!
//! Owns the limits of rules and the matching. Does not own how clients write rules (XML), nor the headers of
//! replies.
//!
//! Invariants:
//! - a pattern has one `*` at most;
//! - a rule allows at least one origin and one method;
//! - every header that a rule exposes is the name of a header, so that it can be sent.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MAX_RULES: usize = 100;
const MAX_ID: usize = 255;

/// A method that a rule can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CorsMethod {
    Get,
    Put,
    Head,
    Post,
    Delete,
}

impl CorsMethod {
    pub const ALL: [Self; 5] = [Self::Get, Self::Put, Self::Head, Self::Post, Self::Delete];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// Methods are case-sensitive.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// Text in which one `*` stands for any characters, also for none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CorsPattern(String);

impl CorsPattern {
    /// `None` means that the text has more than one `*`.
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.bytes().filter(|byte| *byte == b'*').count() <= 1).then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches everything.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    fn matches(&self, text: &str, same: fn(&[u8], &[u8]) -> bool) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return same(pattern, text) };
        let (before, after) = (&pattern[..star], &pattern[star + 1..]);
        // The `*` stands for what is between the two, which must not overlap.
        let Some(rest) = text.len().checked_sub(after.len()).filter(|rest| *rest >= before.len()) else {
            return false;
        };
        same(before, &text[..before.len()]) && same(after, &text[rest..])
    }
}

impl TryFrom<String> for CorsPattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(text).ok_or("a pattern has one wildcard at most")
    }
}

impl From<CorsPattern> for String {
    fn from(pattern: CorsPattern) -> Self {
        pattern.0
    }
}

/// Origins are compared exactly: browsers write scheme and host in lower case.
fn same_origin(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// What is wrong with rules, in the words of S3 where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    #[error("The number of CORS rules should not exceed allowed limit of {MAX_RULES} rules.")]
    TooMany,
    #[error("A CORS rule needs an allowed origin and an allowed method.")]
    Incomplete,
    #[error("AllowedOrigin \"{0}\" can not have more than one wildcard.")]
    Origin(String),
    #[error("AllowedHeader \"{0}\" can not have more than one wildcard.")]
    Header(String),
    #[error("Found unsupported HTTP method in CORS config. Unsupported method is {0}")]
    Method(String),
    #[error("ExposeHeader \"{0}\" contains wildcard. We currently do not support wildcard for ExposeHeader.")]
    ExposedWildcard(String),
    #[error("ExposeHeader \"{0}\" is not the name of a header.")]
    Exposed(String),
    #[error("A rule ID must not be longer than {MAX_ID} characters.")]
    Id,
    #[error("Rule ID must be unique. Found same ID for more than one rule: {0}")]
    SameId(String),
}

/// What one rule allows. Its fields are as their author wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub origins: Vec<CorsPattern>,
    pub methods: Vec<CorsMethod>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<CorsPattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<String>,
    /// How many seconds a browser may keep the answer to a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

impl CorsRule {
    /// The first of its origins that the origin of a request matches, if the rule also allows the method.
    fn admits(&self, origin: &str, method: &str) -> Option<&CorsPattern> {
        let allowed = self.methods.iter().any(|known| known.as_str() == method);
        self.origins.iter().find(|pattern| allowed && pattern.matches(origin, same_origin))
    }

    /// Names of headers are not case-sensitive.
    fn allows_header(&self, name: &str) -> bool {
        self.headers.iter().any(|pattern| pattern.matches(name, <[u8]>::eq_ignore_ascii_case))
    }

    fn check(&self) -> Result<(), CorsError> {
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(CorsError::Incomplete);
        }
        if self.id.as_ref().is_some_and(|id| id.chars().count() > MAX_ID) {
            return Err(CorsError::Id);
        }
        for name in &self.exposed {
            if name.contains('*') {
                return Err(CorsError::ExposedWildcard(name.clone()));
            }
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(CorsError::Exposed(name.clone()));
            }
        }
        Ok(())
    }
}

/// A rule that a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsMatch<'a> {
    pub rule: &'a CorsRule,
    /// The origin of the rule that matched.
    pub origin: &'a CorsPattern,
}

/// The rules of a bucket, in order: the first that a request meets applies. None, and at most 100, are
/// possible. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<CorsRule>", into = "Vec<CorsRule>")]
pub struct CorsRules(Option<Arc<[CorsRule]>>);

impl CorsRules {
    pub fn new(rules: Vec<CorsRule>) -> Result<Self, CorsError> {
        if rules.len() > MAX_RULES {
            return Err(CorsError::TooMany);
        }
        for (at, rule) in rules.iter().enumerate() {
            rule.check()?;
            if let Some(id) = &rule.id
                && rules[..at].iter().any(|other| other.id.as_ref() == Some(id))
            {
                return Err(CorsError::SameId(id.clone()));
            }
        }
        Ok(Self((!rules.is_empty()).then(|| rules.into())))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, CorsRule> {
        self.0.as_deref().unwrap_or_default().iter()
    }

    /// The rule for a request.
    pub fn of_request(&self, origin: &str, method: &str) -> Option<CorsMatch<'_>> {
        self.of_preflight(origin, method, &[])
    }

    /// The rule for a preflight: it must also allow each of the headers that are to follow.
    pub fn of_preflight(&self, origin: &str, method: &str, headers: &[&str]) -> Option<CorsMatch<'_>> {
        self.iter().find_map(|rule| {
            let origin = rule.admits(origin, method)?;
            headers.iter().all(|name| rule.allows_header(name)).then_some(CorsMatch { rule, origin })
        })
    }
}

impl TryFrom<Vec<CorsRule>> for CorsRules {
    type Error = CorsError;

    fn try_from(rules: Vec<CorsRule>) -> Result<Self, CorsError> {
        Self::new(rules)
    }
}

impl From<CorsRules> for Vec<CorsRule> {
    fn from(rules: CorsRules) -> Self {
        rules.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> CorsPattern {
        CorsPattern::parse(text).expect("a pattern")
    }

    fn rule(origins: &[&str], methods: &[CorsMethod], headers: &[&str]) -> CorsRule {
        CorsRule {
            id: None,
            origins: origins.iter().map(|text| pattern(text)).collect(),
            methods: methods.to_vec(),
            headers: headers.iter().map(|text| pattern(text)).collect(),
            exposed: Vec::new(),
            max_age: None,
        }
    }

    fn rules(rules: Vec<CorsRule>) -> CorsRules {
        CorsRules::new(rules).expect("rules")
    }

    /// The same, one character at a time.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', after)), None) => naive(after, text),
            (Some((b'*', after)), Some((_, rest))) => naive(after, text) || naive(pattern, rest),
            (Some((one, after)), Some((other, rest))) => one == other && naive(after, rest),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_a_naive_matcher_matches(
            before in "[ab.]{0,4}", star in proptest::bool::ANY, after in "[ab.]{0,4}", text in "[ab.]{0,9}"
        ) {
            let written = format!("{before}{}{after}", if star { "*" } else { "" });
            let found = pattern(&written).matches(&text, same_origin);
            prop_assert_eq!(found, naive(written.as_bytes(), text.as_bytes()));
            let upper = text.to_ascii_uppercase();
            let header = pattern(&written).matches(&upper, <[u8]>::eq_ignore_ascii_case);
            prop_assert_eq!(header, found, "the case of a header's name does not matter");
        }

        #[test]
        fn an_origin_between_the_parts_of_a_pattern_is_matched(
            before in "[a-z:/]{0,9}", after in "[a-zé.]{0,9}", between in ".{0,9}"
        ) {
            let written = pattern(&format!("{before}*{after}"));
            let matched = written.matches(&format!("{before}{between}{after}"), same_origin);
            prop_assert!(matched);
        }

        #[test]
        fn the_first_rule_that_a_request_meets_applies_and_others_do_not_change_it(
            origins in proptest::collection::vec("[ab]{0,2}\\*?[ab]{0,2}", 1..6), origin in "[ab]{0,4}"
        ) {
            let all: Vec<_> =
                origins.iter().map(|text| rule(&[text.as_str()], &[CorsMethod::Get], &[])).collect();
            let first = origins.iter().find(|text| naive(text.as_bytes(), origin.as_bytes()));
            let rules = rules(all);
            let found = rules.of_request(&origin, "GET").map(|found| found.origin.as_str().to_owned());
            prop_assert_eq!(found.as_ref(), first);
            prop_assert!(rules.of_request(&origin, "PUT").is_none());
        }
    }

    #[test]
    fn a_star_matches_anything_and_two_are_refused() {
        for (text, origin, matches) in [
            ("*", "https://example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("start*end", "startend", true),
            ("start*rtend", "startend", false),
            ("https://example.com", "https://example.com", true),
            ("https://example.com", "https://EXAMPLE.com", false),
            ("", "", true),
        ] {
            assert_eq!(pattern(text).matches(origin, same_origin), matches, "{text} {origin}");
        }
        assert_eq!(CorsPattern::parse("a*b*"), None);
    }

    #[test]
    fn a_preflight_meets_a_rule_that_allows_all_of_its_headers() {
        let rules = rules(vec![
            rule(&["*"], &[CorsMethod::Put], &["content-type"]),
            rule(&["https://a"], &[CorsMethod::Put], &["Content-*", "x-amz-*"]),
        ]);
        let origin = |headers: &[&str]| {
            rules.of_preflight("https://a", "PUT", headers).map(|found| found.origin.as_str())
        };
        assert_eq!(origin(&[]), Some("*"));
        assert_eq!(origin(&["Content-Type"]), Some("*"));
        assert_eq!(origin(&["content-type", "X-Amz-Date"]), Some("https://a"));
        assert_eq!(origin(&["authorization"]), None);
        assert!(rules.of_preflight("https://a", "put", &[]).is_none(), "methods are case-sensitive");
    }

    #[test]
    fn rules_beyond_the_limits_of_s3_are_refused() {
        let valid = rule(&["*"], &[CorsMethod::Get], &[]);
        let exposing = |name: &str| CorsRule { exposed: vec![name.to_owned()], ..valid.clone() };
        let named = |id: &str| CorsRule { id: Some(id.to_owned()), ..valid.clone() };
        assert!(CorsRules::new(vec![valid.clone(); 100]).is_ok());
        for (wrong, error) in [
            (vec![valid.clone(); 101], CorsError::TooMany),
            (vec![rule(&[], &[CorsMethod::Get], &[])], CorsError::Incomplete),
            (vec![rule(&["*"], &[], &[])], CorsError::Incomplete),
            (vec![exposing("x-*")], CorsError::ExposedWildcard("x-*".to_owned())),
            (vec![exposing("a\r\nb")], CorsError::Exposed("a\r\nb".to_owned())),
            (vec![named(&"x".repeat(256))], CorsError::Id),
            (vec![named("x"), named("x")], CorsError::SameId("x".to_owned())),
        ] {
            assert_eq!(CorsRules::new(wrong), Err(error));
        }
    }

    #[test]
    fn rules_are_read_back_as_they_were_written() {
        let full = CorsRule {
            id: Some("one".to_owned()),
            exposed: vec!["ETag".to_owned()],
            max_age: Some(3000),
            ..rule(&["https://*"], &CorsMethod::ALL, &["*"])
        };
        let rules = rules(vec![full, rule(&["a"], &[CorsMethod::Get], &[])]);
        let text = serde_json::to_string(&rules).expect("JSON");
        assert_eq!(serde_json::from_str::<CorsRules>(&text).expect("rules"), rules);
        assert!(serde_json::from_str::<CorsRules>(&text.replace("https://*", "**")).is_err());
        assert_eq!(serde_json::to_string(&CorsRules::default()).expect("JSON"), "[]");
    }
}
