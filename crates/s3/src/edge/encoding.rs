//! Percent-encoding as S3 and SigV4 mean it: decoding of paths and queries, and the one canonical way back.
//!
//! Invariant: what is signed is what is addressed. Both are made from the same decoded text, so two spellings
//! of one address have one canonical form and one meaning.

use crate::s3::{ErrorCode, S3Error};
use std::borrow::Cow;

/// `A-Z a-z 0-9 - . _ ~`: the bytes that SigV4 leaves as they are.
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

/// The meaning of `+`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    /// In a path, `+` is itself.
    Itself,
    /// In a query, `+` is a space, as in HTML forms.
    Space,
}

/// The path of a request as text.
pub(super) fn decode_path(raw: &str) -> Result<Cow<'_, str>, S3Error> {
    decode(raw, Plus::Itself)
}

/// Names and values in order; a parameter without `=` has an empty value.
///
/// Public for fuzzing.
pub fn parse_query(raw: &str) -> Result<Vec<(String, String)>, S3Error> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name, Plus::Space)?.into_owned(), decode(value, Plus::Space)?.into_owned()))
        })
        .collect()
}

fn decode(raw: &str, plus: Plus) -> Result<Cow<'_, str>, S3Error> {
    if !raw.bytes().any(|byte| byte == b'%' || (byte == b'+' && plus == Plus::Space)) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    let digit = |bytes: &mut std::str::Bytes<'_>| bytes.next().and_then(|byte| char::from(byte).to_digit(16));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => match (digit(&mut bytes), digit(&mut bytes)) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return Err(ErrorCode::InvalidURI.into()),
            },
            b'+' if plus == Plus::Space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| ErrorCode::InvalidURI.into())
}

/// A decoded path in its canonical form: slashes stay.
pub(super) fn encode_path(path: &str, out: &mut Vec<u8>) {
    encode(path, |byte| byte == b'/', out);
}

/// A decoded name or value of the query in its canonical form.
pub(super) fn encode_parameter(text: &str, out: &mut Vec<u8>) {
    encode(text, |_| false, out);
}

/// Most text is left as it is, and is copied run by run.
fn encode(text: &str, keep: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text.as_bytes();
    let is_escaped = |byte: &u8| !UNRESERVED[usize::from(*byte)] && !keep(*byte);
    while let Some(at) = rest.iter().position(is_escaped) {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, behind)) = escaped.split_first() else { break };
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        rest = behind;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        let mut out = Vec::new();
        encode_path(text, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_plus_is_itself_in_a_path_and_a_space_in_a_query() {
        assert_eq!(decode_path("/b/a+b%2Bc").expect("decodes"), "/b/a+b+c");
        let query = parse_query("prefix=a+b%2Bc&&versions&x=1=2").expect("decodes");
        let expected = [("prefix", "a b+c"), ("versions", ""), ("x", "1=2")];
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn broken_escapes_and_other_encodings_than_utf_8_are_an_invalid_uri() {
        for raw in ["/%", "/%4", "/%4g", "/%+1", "/%ff", "/%c3", "/a%ed%a0%80"] {
            assert_eq!(decode_path(raw).map_err(|error| error.code), Err(ErrorCode::InvalidURI), "{raw}");
        }
        assert_eq!(parse_query("a=%zz").map_err(|error| error.code), Err(ErrorCode::InvalidURI));
    }

    #[test]
    fn every_spelling_of_a_path_has_one_canonical_form() {
        for raw in ["/b/a+b~c", "/b/a%2bb%7Ec", "/%62/a%2Bb~c"] {
            assert_eq!(path(&decode_path(raw).expect("decodes")), "/b/a%2Bb~c");
        }
        assert_eq!(path("/b/../é //\0"), "/b/../%C3%A9%20//%00");
    }
}
