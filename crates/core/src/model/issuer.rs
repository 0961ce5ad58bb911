//! Issuers of OpenID Connect tokens, and patterns of them.
//!
//! Invariants: an issuer is the text that tokens have, letter for letter; a wildcard in the host of a pattern
//! never stands for a slash, so that no path can look like a host.

/// `https://` or `http://`, a host with an optional port, and an optional path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(Box<str>);

impl Issuer {
    pub fn parse(text: &str) -> Option<Self> {
        let (_, host, path) = split(text)?;
        let is_sound = !host.is_empty() && host.bytes().all(is_of_host) && path.bytes().all(is_of_path);
        is_sound.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An issuer with at most one `*` in its host and one in its path. `/*` at the end stands for any path, and
/// for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerPattern(Box<str>);

impl IssuerPattern {
    pub fn parse(text: &str) -> Option<Self> {
        let (_, host, path) = split(text)?;
        let is_wild = |part: &str| part.bytes().filter(|b| *b == b'*').count() <= 1;
        let is_sound = !host.is_empty()
            && host.bytes().all(|b| is_of_host(b) || b == b'*')
            && path.bytes().all(is_of_path)
            && is_wild(host)
            && is_wild(path);
        is_sound.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, issuer: &Issuer) -> bool {
        let Some((scheme, host, path)) = split(&self.0) else { return false };
        let Some((own_scheme, own_host, own_path)) = split(&issuer.0) else { return false };
        scheme == own_scheme
            && stands_for(&host.to_ascii_lowercase(), &own_host.to_ascii_lowercase())
            && (stands_for(path, own_path) || path.strip_suffix("/*").is_some_and(|path| path == own_path))
    }
}

/// The scheme, the host with its port, and the path with the slash that it begins with.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    ["https", "http"].contains(&scheme).then_some((scheme, host, path))
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"?#@".contains(&byte)
}

fn stands_for(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_address_without_user_and_query() {
        for text in ["https://id.example.com", "http://[::1]:8080/realm", "https://id.example.com/a/"] {
            assert_eq!(Issuer::parse(text).expect(text).as_str(), text);
        }
        for text in [
            "",
            "id.example.com",
            "ftp://id",
            "https://",
            "https:///a",
            "https://a@b",
            "https://a?b",
            "https://a b",
            "https://a\\b",
            "https://*.a",
        ] {
            assert_eq!(Issuer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_no_issuer_whose_path_looks_like_a_host() {
        for (pattern, issuer, expected) in [
            ("https://id.example.com", "https://id.example.com", true),
            ("https://id.example.com", "https://ID.example.com", true),
            ("https://id.example.com", "http://id.example.com", false),
            ("https://id.example.com", "https://id.example.com/realm", false),
            ("https://id.example.com/*", "https://id.example.com/realm", true),
            ("https://id.example.com/*", "https://id.example.com", true),
            ("https://id.example.com/*", "https://id.example.com.evil.example", false),
            ("https://id.example.com/a/*", "https://id.example.com/ab", false),
            ("https://id.example.com/a*/x", "https://id.example.com/ab/x", true),
            ("https://*.example.com/*", "https://a.b.example.com/x", true),
            ("https://*.example.com/*", "https://example.com/x", false),
            ("https://*.example.com/*", "https://evil.example/.example.com/x", false),
            ("https://*.example.com/*", "https://evil.example:1/x.example.com/", false),
            ("https://*/*", "https://anything:8443/x/y", true),
        ] {
            let (of, issuer) = (IssuerPattern::parse(pattern).expect(pattern), Issuer::parse(issuer));
            assert_eq!(of.matches(&issuer.expect("an issuer")), expected, "{pattern}");
        }
        for text in ["*", "https://*.*.a", "https://a/*/*", "https:///*", "*://a", "https://a/?*"] {
            assert_eq!(IssuerPattern::parse(text), None, "{text}");
        }
    }
}
