//! The protocol and the host that a website redirects to.
//!
//! Invariant: a host that was checked has no character that could end it, or the header that it is sent in.

use serde::{Deserialize, Serialize};

/// The longest name of a host is shorter; S3 takes a path after it, too.
const MAX_HOST: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebsiteProtocol {
    Http,
    Https,
}

impl WebsiteProtocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|protocol| protocol.as_str() == text)
    }
}

/// Whether a text is a host for the address of a redirect: `example.com`, `example.com:8080`, or with a path
/// behind it, as S3 takes it. Neither user nor query can be in it, so the host is what it looks like.
pub(super) fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
    (1..=MAX_HOST).contains(&text.len())
        && text.bytes().all(is_plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_holds_nothing_that_would_end_it() {
        for host in ["example.com", "example.com:8080", "[::1]:80", "example.com/path", "a"] {
            assert!(is_host(host), "{host}");
        }
        for text in
            ["", "/example.com", "a@b", "a b", "a\r\nb", "a?b", "a#b", "a\\b", "é.com", "-a", ".a", ":80"]
        {
            assert!(!is_host(text), "{text}");
        }
    }
}
