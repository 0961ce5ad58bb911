//! The website of a bucket: which object is the index of a folder, which one is shown for errors, and where
//! requests are redirected (S3 User Guide, "Hosting a static website using Amazon S3").
//!
//! Owns the limits of a website configuration. Does not own how clients write it (XML), which rule a request
//! meets (`routing_rule`), nor how pages are served (`s3`).
//!
//! Invariants of a configuration that was checked:
//! - it redirects all requests, or it has an index document;
//! - a host in it has no character that could end the host, or the header that it is sent in.

use super::{
    key::ObjectKey,
    routing_rule::RoutingRule,
    website_error::{MAX_RULES, WebsiteError},
    website_host::{WebsiteProtocol, is_host},
};
use serde::{Deserialize, Serialize};

/// The website configuration of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Website {
    RedirectAll(RedirectAll),
    Pages(Pages),
}

/// Sends every request to another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectAll {
    pub host: String,
    /// `None` means that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<WebsiteProtocol>,
}

/// Serves the objects of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// The last part of the key of a folder's index document, such as `index.html`.
    pub index: String,
    /// The key of the document that is shown for errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RoutingRule>,
}

impl Website {
    /// Checks the limits of S3.
    pub fn check(&self) -> Result<(), WebsiteError> {
        match self {
            Self::RedirectAll(RedirectAll { host, .. }) if is_host(host) => Ok(()),
            Self::RedirectAll(RedirectAll { host, .. }) => Err(WebsiteError::Host(host.clone())),
            Self::Pages(pages) => pages.check(),
        }
    }
}

impl Pages {
    fn check(&self) -> Result<(), WebsiteError> {
        if self.index.contains('/') || ObjectKey::new(self.index.as_str()).is_err() {
            return Err(WebsiteError::Index(self.index.clone()));
        }
        if let Some(error) = self.error.as_ref().filter(|error| ObjectKey::new(error.as_str()).is_err()) {
            return Err(WebsiteError::ErrorDocument(error.clone()));
        }
        if self.rules.len() > MAX_RULES {
            return Err(WebsiteError::TooMany(self.rules.len()));
        }
        self.rules.iter().try_for_each(RoutingRule::check)
    }

    /// The first rule that applies to a request: see [`RoutingRule::applies`].
    pub fn rule(&self, key: &str, failed: Option<u16>) -> Option<&RoutingRule> {
        self.rules.iter().find(|rule| rule.applies(key, failed))
    }

    /// The key of the object for a path without its first slash: that of the index, for a folder.
    pub fn object(&self, path: &str) -> String {
        let index = if path.is_empty() || path.ends_with('/') { &*self.index } else { "" };
        format!("{path}{index}")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::routing_rule::RoutingRedirect, *};

    fn pages(index: &str, error: Option<&str>) -> Website {
        Website::Pages(Pages { index: index.to_owned(), error: error.map(str::to_owned), rules: Vec::new() })
    }

    #[test]
    fn an_index_is_a_name_without_a_slash_and_an_error_document_has_a_key() {
        assert_eq!(pages("index.html", None).check(), Ok(()));
        for index in ["", "a/b", "/", &"x".repeat(1025)] {
            assert_eq!(pages(index, None).check(), Err(WebsiteError::Index(index.to_owned())));
        }
        assert_eq!(pages("i", Some("errors/404.html")).check(), Ok(()));
        for error in ["", &"x".repeat(1025)] {
            let expected = Err(WebsiteError::ErrorDocument(error.to_owned()));
            assert_eq!(pages("i", Some(error)).check(), expected);
        }
    }

    #[test]
    fn there_are_fifty_rules_at_most() {
        let rule = |n: usize| RoutingRule {
            condition: None,
            redirect: RoutingRedirect { code: Some(302), host: Some(format!("h{n}")), ..Default::default() },
        };
        let of = |count| {
            Website::Pages(Pages { index: "i".into(), error: None, rules: (0..count).map(rule).collect() })
        };
        assert_eq!(of(50).check(), Ok(()));
        assert_eq!(of(51).check(), Err(WebsiteError::TooMany(51)));
    }

    #[test]
    fn folders_have_an_index_and_other_paths_are_keys() {
        let Website::Pages(pages) = pages("index.html", None) else { panic!("pages") };
        for (path, key) in [
            ("", "index.html"),
            ("a/", "a/index.html"),
            ("a", "a"),
            ("a//", "a//index.html"),
            ("/", "/index.html"),
        ] {
            assert_eq!(pages.object(path), key);
        }
    }

    #[test]
    fn a_stored_website_is_read_back_as_it_was() {
        for website in [
            pages("index.html", Some("404.html")),
            Website::RedirectAll(RedirectAll { host: "x".into(), protocol: Some(WebsiteProtocol::Https) }),
        ] {
            let stored = serde_json::to_string(&website).expect("JSON");
            assert_eq!(serde_json::from_str::<Website>(&stored).expect("read"), website);
        }
    }
}
