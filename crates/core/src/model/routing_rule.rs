//! Routing rules of a website: which requests are redirected, and where (S3 User Guide, "Configure
//! redirection rules to use advanced conditional redirects").
//!
//! Owns the matching of rules, and their limits. Does not own the form of the address: `s3` encodes it.
//!
//! Invariants:
//! - a rule whose condition names a status applies only to requests that failed with it; every other rule
//!   applies before the object is read;
//! - a rule replaces a key or the prefix of a key, never both.

use super::{
    website_error::WebsiteError,
    website_host::{WebsiteProtocol, is_host},
};
use serde::{Deserialize, Serialize};

/// S3 says "3XX except 300". 306 was never a status that redirects.
const REDIRECT_CODES: [u16; 7] = [301, 302, 303, 304, 305, 307, 308];
/// The status of a redirect that names none.
const PERMANENTLY: u16 = 301;

/// Where requests are sent that meet a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    /// `None` means that the rule applies to every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<RoutingCondition>,
    pub redirect: RoutingRedirect,
}

/// What a request has to meet: all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingCondition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The status with which the request failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// The parts of the address that a rule changes. The others are those of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRedirect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<WebsiteProtocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<NewKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewKey {
    /// Replaces the key.
    Whole(String),
    /// Replaces the prefix of the condition, or comes before the key where the condition names none.
    Prefix(String),
}

/// The key of the address that a request is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetKey<'a> {
    /// What the owner of the bucket wrote. It may hold a query or a fragment.
    pub written: &'a str,
    /// What is left of the key that the client asked for.
    pub asked: &'a str,
}

impl RoutingRule {
    /// Whether the rule applies to a request for `key`. `failed` is the status of its failure; `None` means
    /// that the object was not read yet.
    pub fn applies(&self, key: &str, failed: Option<u16>) -> bool {
        let condition = self.condition.as_ref();
        let status = condition.and_then(|condition| condition.status);
        status == failed && key.starts_with(self.prefix())
    }

    fn prefix(&self) -> &str {
        self.condition.as_ref().and_then(|condition| condition.prefix.as_deref()).unwrap_or_default()
    }

    /// The key that a request for `key`, to which the rule applies, is sent to.
    pub fn key<'a>(&'a self, key: &'a str) -> TargetKey<'a> {
        match &self.redirect.key {
            None => TargetKey { written: "", asked: key },
            Some(NewKey::Whole(whole)) => TargetKey { written: whole, asked: "" },
            Some(NewKey::Prefix(new)) => {
                TargetKey { written: new, asked: key.strip_prefix(self.prefix()).unwrap_or(key) }
            }
        }
    }

    pub fn code(&self) -> u16 {
        self.redirect.code.unwrap_or(PERMANENTLY)
    }

    pub(super) fn check(&self) -> Result<(), WebsiteError> {
        if let Some(condition) = &self.condition {
            if *condition == RoutingCondition::default() {
                return Err(WebsiteError::EmptyCondition);
            }
            if let Some(status) = condition.status.filter(|status| !(400..600).contains(status)) {
                return Err(WebsiteError::ErrorCode(status));
            }
        }
        if self.redirect == RoutingRedirect::default() {
            return Err(WebsiteError::EmptyRedirect);
        }
        if let Some(host) = self.redirect.host.as_ref().filter(|host| !is_host(host)) {
            return Err(WebsiteError::Host(host.clone()));
        }
        match self.redirect.code.filter(|code| !REDIRECT_CODES.contains(code)) {
            Some(code) => Err(WebsiteError::RedirectCode(code)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(prefix: Option<&str>, status: Option<u16>, key: Option<NewKey>) -> RoutingRule {
        let condition = RoutingCondition { prefix: prefix.map(str::to_owned), status };
        let condition = Some(condition).filter(|condition| *condition != RoutingCondition::default());
        let redirect = RoutingRedirect { key, ..RoutingRedirect::default() };
        RoutingRule { condition, redirect }
    }

    #[test]
    fn a_prefix_is_replaced_and_the_rest_of_the_key_is_kept() {
        let new = |key| Some(NewKey::Prefix(key));
        for (prefix, key, asked, expected) in [
            (Some("docs/"), new("documents/".to_owned()), "docs/a/b", ("documents/", "a/b")),
            (Some("docs/"), new(String::new()), "docs/a", ("", "a")),
            (None, new("new/".to_owned()), "a", ("new/", "a")),
            (Some("docs/"), Some(NewKey::Whole("one".to_owned())), "docs/a", ("one", "")),
            (Some("docs/"), None, "docs/a", ("", "docs/a")),
        ] {
            let rule = rule(prefix, None, key);
            let target = rule.key(asked);
            assert_eq!((target.written, target.asked), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_condition_names_something_and_only_statuses_of_failures() {
        let redirect = RoutingRedirect { host: Some("example.com".to_owned()), ..Default::default() };
        let check = |condition| RoutingRule { condition, redirect: redirect.clone() }.check();
        assert_eq!(check(None), Ok(()));
        assert_eq!(check(Some(RoutingCondition::default())), Err(WebsiteError::EmptyCondition));
        for (status, expected) in [
            (399, Err(WebsiteError::ErrorCode(399))),
            (400, Ok(())),
            (599, Ok(())),
            (600, Err(WebsiteError::ErrorCode(600))),
        ] {
            assert_eq!(check(Some(RoutingCondition { prefix: None, status: Some(status) })), expected);
        }
    }

    #[test]
    fn a_redirect_changes_something_and_has_a_status_of_redirects() {
        let check = |redirect| RoutingRule { condition: None, redirect }.check();
        assert_eq!(check(RoutingRedirect::default()), Err(WebsiteError::EmptyRedirect));
        for code in 290..400 {
            let known = [301, 302, 303, 304, 305, 307, 308].contains(&code);
            let expected = if known { Ok(()) } else { Err(WebsiteError::RedirectCode(code)) };
            assert_eq!(check(RoutingRedirect { code: Some(code), ..Default::default() }), expected, "{code}");
        }
    }

    /// The words of the user guide, one after the other.
    fn naive(rules: &[RoutingRule], key: &str, failed: Option<u16>) -> Option<usize> {
        for (at, rule) in rules.iter().enumerate() {
            let (prefix, status) = match &rule.condition {
                None => (None, None),
                Some(condition) => (condition.prefix.clone(), condition.status),
            };
            let is_key_met = match prefix {
                None => true,
                Some(prefix) => {
                    key.len() >= prefix.len() && key.as_bytes()[..prefix.len()] == *prefix.as_bytes()
                }
            };
            let is_status_met = match (status, failed) {
                (None, None) => true,
                (Some(wanted), Some(found)) => wanted == found,
                (None, Some(_)) | (Some(_), None) => false,
            };
            if is_key_met && is_status_met {
                return Some(at);
            }
        }
        None
    }

    fn any_rule() -> impl Strategy<Value = RoutingRule> {
        let prefix = prop::option::of("[ab/é]{0,3}");
        let status = prop::option::of(prop::sample::select(vec![403, 404, 500]));
        (prefix, status, prop::option::of("[ab/]{0,3}"))
            .prop_map(|(prefix, status, new)| rule(prefix.as_deref(), status, new.map(NewKey::Prefix)))
    }

    proptest! {
        #[test]
        fn the_first_rule_applies_that_a_naive_model_finds(
            rules in prop::collection::vec(any_rule(), 0..6),
            key in "[ab/é]{0,5}",
            failed in prop::option::of(prop::sample::select(vec![403, 404, 412])),
        ) {
            let found = rules.iter().position(|rule| rule.applies(&key, failed));
            prop_assert_eq!(found, naive(&rules, &key, failed));
        }

        #[test]
        fn a_new_prefix_and_the_old_one_leave_the_same_rest(rule in any_rule(), rest in "[ab/é]{0,4}") {
            let key = format!("{}{rest}", rule.prefix());
            let target = rule.key(&key);
            match &rule.redirect.key {
                Some(NewKey::Prefix(new)) => prop_assert_eq!((target.written, target.asked), (&**new, &*rest)),
                _ => prop_assert_eq!((target.written, target.asked), ("", &*key)),
            }
        }
    }
}
