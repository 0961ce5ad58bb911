//! Encodes S3's metadata as names and values that blob metadata can have: readable where Azure allows it, and
//! always reversible.
//!
//! Azure requires names that are identifiers of C#, and HTTP requires values in ASCII without spaces at the
//! ends. In a name, every other byte becomes `_` and two hex digits, and so does a `_` that is followed by
//! two hex digits. Other values become encoded words of RFC 2047, in which S3 itself shows them.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The name of Causeway's own entry. No name of a user is encoded as this.
pub(super) const OWN: &str = "causeway";
const HEX: &[u8; 16] = b"0123456789abcdef";
const WORD: (&str, &str) = ("=?utf-8?b?", "?=");

pub(super) fn encode_name(name: &str) -> String {
    let bytes = name.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(|byte| HEX.contains(byte));
    let mut encoded = String::with_capacity(name.len() + 8);
    for (at, &byte) in bytes.iter().enumerate() {
        let plain = match byte {
            b'a'..=b'z' => at > 0 || name != OWN,
            b'0'..=b'9' => at > 0,
            b'_' => !(is_hex(at + 1) && is_hex(at + 2)),
            _ => false,
        };
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.extend([
                '_',
                char::from(HEX[usize::from(byte >> 4)]),
                char::from(HEX[usize::from(byte & 15)]),
            ]);
        }
    }
    encoded
}

/// Decodes a name. Names that other programs gave are unchanged, except that they become lower case as
/// headers do.
pub(super) fn decode_name(encoded: &str) -> String {
    let bytes = encoded.as_bytes();
    let digit = |at: usize| HEX.iter().position(|hex| bytes.get(at) == Some(hex));
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'_', Some(high), Some(low)) => {
                // Both digits are below 16.
                name.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                name.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(name).unwrap_or_else(|_| encoded.to_owned())
}

/// Returns whether all comparison rules sort the names in the same order. The service sorts the headers that
/// a signature covers by its own rules, `_` before digits; this client signs them in the order of their
/// bytes.
pub(super) fn have_one_order<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    let theirs =
        |name: &str| name.bytes().map(|byte| if byte == b'_' { 0 } else { byte }).collect::<Vec<_>>();
    sorted.is_sorted_by_key(|name| theirs(name))
}

/// Returns whether a text can be a header value unchanged.
pub(super) fn is_plain(text: &str) -> bool {
    let trimmed = !text.is_empty() && !text.starts_with(' ') && !text.ends_with(' ');
    // Signatures cover the spaces, but the service may merge several of them into one.
    trimmed && !text.contains("  ") && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

pub(super) fn encode_value(value: &str) -> String {
    if is_plain(value) && !value.starts_with(WORD.0) {
        value.to_owned()
    } else {
        format!("{}{}{}", WORD.0, STANDARD.encode(value), WORD.1)
    }
}

pub(super) fn decode_value(encoded: &str) -> String {
    let word = || encoded.strip_prefix(WORD.0)?.strip_suffix(WORD.1);
    let decoded = word().and_then(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok());
    decoded.unwrap_or_else(|| encoded.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_azure_permits_stays_readable() {
        for (name, encoded) in [
            ("mtime", "mtime"),
            ("my_name", "my_name"),
            ("is_deleted", "is_5fdeleted"),
            ("s3cmd-attrs", "s3cmd_2dattrs"),
            ("1st", "_31st"),
            ("causeway", "_63auseway"),
            ("causeways", "causeways"),
            ("ü", "_c3_bc"),
        ] {
            assert_eq!((encode_name(name).as_str(), decode_name(encoded).as_str()), (encoded, name));
        }
        for (value, encoded) in [
            ("plain text, 1", "plain text, 1"),
            ("", "=?utf-8?b??="),
            ("ä", "=?utf-8?b?w6Q=?="),
            (" a", "=?utf-8?b?IGE=?="),
        ] {
            assert_eq!((encode_value(value).as_str(), decode_value(encoded).as_str()), (encoded, value));
        }
        assert_eq!(decode_value("=?utf-8?b?%%?="), "=?utf-8?b?%%?=", "what others wrote is shown as it is");
    }

    #[test]
    fn an_underline_beside_a_digit_has_two_orders() {
        let alike = |names: &[&str]| have_one_order(names.iter().copied());
        assert!(alike(&["a_b", "ab", "a", "b1", "causeway"]) && alike(&[]));
        assert!(!alike(&["a_b", "causeway", "a1"]));
    }

    proptest! {
        #[test]
        fn every_name_comes_back_from_an_identifier(name in "[a-f0-9_\\-.é]{1,8}|[ -~]{1,8}") {
            let encoded = encode_name(&name);
            prop_assert!(encoded.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'));
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            prop_assert_ne!(&encoded, OWN);
            prop_assert_eq!(decode_name(&encoded), name);
        }

        #[test]
        fn every_value_comes_back_from_ascii(value in "\\PC{0,12}|[ =?utf8b-]{0,12}|\\s{0,3}") {
            let encoded = encode_value(&value);
            prop_assert!(is_plain(&encoded));
            prop_assert_eq!(decode_value(&encoded), value);
        }
    }
}
