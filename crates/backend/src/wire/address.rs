//! Names in URLs. They are percent-encoded once, here, and never normalised: `..`, `a//b` and control
//! characters reach the storage unchanged.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The unreserved characters of RFC 3986 section 2.3, as SigV4 requires.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Encodes a name for a path: its slashes stay.
pub fn encode_path(name: &str) -> String {
    utf8_percent_encode(name, PATH).to_string()
}

/// Encodes pairs as `name=value&name&…`, without the `?`. A pair without a value becomes its name alone.
pub fn encode_query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(utf8_percent_encode(name, QUERY));
        if let Some(value) = value {
            text.push('=');
            text.extend(utf8_percent_encode(value, QUERY));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_once_and_stay_what_they_are() {
        assert_eq!(encode_path("a//../b c+é%2F\u{1}"), "a//../b%20c%2B%C3%A9%252F%01");
        assert_eq!(
            encode_query(&[("uploads", None), ("prefix", Some("a/b&c")), ("marker", Some(""))]),
            "uploads&prefix=a%2Fb%26c&marker="
        );
    }
}
