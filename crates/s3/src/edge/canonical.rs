//! The text that is signed: the canonical request and the string to sign (S3 API reference, "Authenticating
//! requests").
//!
//! Invariant, held by [`check_coverage`]: the host and every `x-amz-*` header of a request are signed, and
//! every header named as signed is present. Without it, a header added to a presigned URL would act with the
//! rights of its signer.

use super::{
    claim::{Algorithm, SigningTime},
    encoding,
    presigned::{self, Pairs},
};
use crate::s3::{ErrorCode, S3Error};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{Entry, GetAll},
};
use ring::digest;
use std::borrow::Cow;

/// A request as its signer saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Decoded.
    pub(super) path: &'a str,
    /// Decoded, whole.
    pub(super) query: &'a Pairs,
    pub(super) headers: &'a HeaderMap,
    pub(super) host: &'a str,
    /// Names of headers, separated by semicolons.
    pub(super) names: &'a str,
    /// `x-amz-content-sha256` as it came.
    pub(super) payload: &'a str,
}

/// In which order the values of one parameter are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The documented order.
    Sorted,
    /// The order in which they were sent, which is how MinIO's clients sign them.
    AsSent,
}

/// How the bytes above 0x7F of a header's value were signed.
///
/// Both readings are injective, and whichever applies, the text that the request means is the signed one,
/// read as UTF-8. So one signature never covers two texts, and a byte changed on the way invalidates it in
/// either reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The client signed the bytes that it sent.
    Bytes,
    /// The client signed the UTF-8 form of the characters that these bytes are in Latin-1. The AWS SDK for
    /// JavaScript signs text, and Node.js sends every character of it as one byte.
    Latin1,
}

impl Reading {
    fn signed(self, value: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Latin1 if !value.is_ascii() => {
                value.iter().copied().map(char::from).collect::<String>().into_bytes().into()
            }
            Self::Bytes | Self::Latin1 => value.into(),
        }
    }
}

/// Writes the values of headers as UTF-8 that were sent in Latin-1.
pub(super) fn decode_latin1(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        let Entry::Occupied(mut values) = headers.entry(name) else { continue };
        for value in values.iter_mut() {
            // The encoding of a character that a header can hold has no byte that one cannot.
            if let Ok(text) = HeaderValue::from_bytes(&Reading::Latin1.signed(value.as_bytes())) {
                *value = text;
            }
        }
    }
}

/// Answers 403 unless the signature covers what it must.
pub(super) fn check_coverage(headers: &HeaderMap, names: &str) -> Result<(), S3Error> {
    let signed = |wanted: &str| names.split(';').any(|name| name == wanted);
    let is_unsigned = |name: &&str| name.starts_with("x-amz-") && !signed(name);
    let mut unsigned: Vec<&str> = headers.keys().map(|name| name.as_str()).filter(is_unsigned).collect();
    if !signed("host") {
        unsigned.push("host");
    }
    if !unsigned.is_empty() {
        let message = "There were headers present in the request which were not signed";
        return Err(
            S3Error::new(ErrorCode::AccessDenied, message).detail("HeadersNotSigned", unsigned.join(", "))
        );
    }
    let is_there = |name: &str| {
        name == "host" || (!name.bytes().any(|byte| byte.is_ascii_uppercase()) && headers.contains_key(name))
    };
    match names.split(';').find(|name| !is_there(name)) {
        None => Ok(()),
        Some(name) => {
            let message = "There were signed headers which were not present in the request";
            Err(S3Error::new(ErrorCode::AccessDenied, message).detail("HeadersNotPresent", name))
        }
    }
}

impl Signed<'_> {
    /// The orders in which the query may have been signed, the documented one first.
    pub(super) fn orders(&self) -> &'static [Order] {
        let mut names: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let is_repeated = names.windows(2).any(|pair| pair[0] == pair[1]);
        if is_repeated { &[Order::Sorted, Order::AsSent] } else { &[Order::Sorted] }
    }

    /// The readings in which headers may have been signed, the usual one first.
    pub(super) fn readings(&self) -> &'static [Reading] {
        if self.names_outside_ascii().next().is_some() {
            &[Reading::Bytes, Reading::Latin1]
        } else {
            &[Reading::Bytes]
        }
    }

    /// The signed headers whose values have bytes above 0x7F.
    pub(super) fn names_outside_ascii(&self) -> impl Iterator<Item = HeaderName> {
        let is_plain =
            |values: GetAll<'_, HeaderValue>| values.iter().all(|value| value.as_bytes().is_ascii());
        let names = self.names.split(';').filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        names.filter(move |name| !is_plain(self.headers.get_all(name)))
    }

    pub(super) fn canonical_request(&self, order: Order, reading: Reading) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        encoding::encode_path(self.path, &mut out);
        out.push(b'\n');
        canonical_query(self.query, order, &mut out);
        out.push(b'\n');
        for name in self.names.split(';') {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            if name == "host" {
                canonical_value(self.host.as_bytes(), &mut out);
            } else {
                for (index, value) in self.headers.get_all(name).iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    canonical_value(&reading.signed(value.as_bytes()), &mut out);
                }
            }
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(self.names.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.payload.as_bytes());
        out
    }
}

pub(super) fn string_to_sign(
    algorithm: Algorithm,
    time: &SigningTime,
    scope: &str,
    canonical_request: &[u8],
) -> String {
    let mut text = String::with_capacity(algorithm.name().len() + 16 + scope.len() + 64 + 3);
    text.push_str(algorithm.name());
    for line in [time.as_str(), scope] {
        text.push('\n');
        text.push_str(line);
    }
    text.push('\n');
    push_sha256(&mut text, canonical_request);
    text
}

pub(super) fn push_sha256(text: &mut String, bytes: &[u8]) {
    let mut hex = [0; 64];
    // The lengths agree, so this cannot fail; an empty digest would match no signature.
    if hex::encode_to_slice(digest::digest(&digest::SHA256, bytes), &mut hex).is_ok() {
        text.push_str(std::str::from_utf8(&hex).unwrap_or_default());
    }
}

/// Parameters are sorted by encoded name, and the values of one name in this order.
fn canonical_query(query: &Pairs, order: Order, out: &mut Vec<u8>) {
    let mut encoded = Vec::with_capacity(256);
    let mut parts = Vec::with_capacity(query.len());
    for (name, value) in query.iter().filter(|(name, _)| !presigned::is_signature(name)) {
        let start = encoded.len();
        encoding::encode_parameter(name, &mut encoded);
        let middle = encoded.len();
        encoding::encode_parameter(value, &mut encoded);
        parts.push((start..middle, middle..encoded.len()));
    }
    let text = |range: &std::ops::Range<usize>| encoded.get(range.clone()).unwrap_or_default();
    // Equal parts stay as they were sent.
    parts.sort_by(|a, b| match order {
        Order::Sorted => (text(&a.0), text(&a.1)).cmp(&(text(&b.0), text(&b.1))),
        Order::AsSent => text(&a.0).cmp(text(&b.0)),
    });
    for (index, (name, value)) in parts.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(text(name));
        out.push(b'=');
        out.extend_from_slice(text(value));
    }
}

/// Trimmed, with every inner run of spaces as one.
fn canonical_value(value: &[u8], out: &mut Vec<u8>) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_canonical_request_is_that_of_the_s3_documentation() {
        // S3 API reference, "Signature calculations: transfer payload in a single chunk", example "GET
        // Object".
        let headers = headers(&[
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-amz-date", "20130524T000000Z"),
        ]);
        let signed = Signed {
            method: "GET",
            path: "/test.txt",
            query: &Vec::new(),
            headers: &headers,
            host: "examplebucket.s3.amazonaws.com",
            names: "host;range;x-amz-content-sha256;x-amz-date",
            payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        };
        let time = SigningTime::parse("20130524T000000Z").expect("a time");
        let text = string_to_sign(
            Algorithm::Hmac,
            &time,
            "20130524/us-east-1/s3/aws4_request",
            &signed.canonical_request(Order::Sorted, Reading::Bytes),
        );
        let expected = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                        7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        assert_eq!(text, expected);
    }

    #[test]
    fn values_are_trimmed_collapsed_and_joined_and_the_query_is_sorted_by_its_parts() {
        let query = super::super::encoding::parse_query("a-b=1&a=2&a=10&%C3%A9=x&z&X-Amz-Signature=no")
            .expect("parses");
        let signed = Signed {
            method: "PUT",
            path: "/b/a+b/../c//",
            query: &query,
            headers: &headers(&[("x-amz-meta-a", "  a   b  "), ("x-amz-meta-a", "c")]),
            host: "localhost:9000",
            names: "host;x-amz-meta-a",
            payload: "UNSIGNED-PAYLOAD",
        };
        let expected = "PUT\n/b/a%2Bb/../c//\n%C3%A9=x&a=10&a=2&a-b=1&z=\nhost:localhost:9000\nx-amz-meta-a:a b,c\n\n\
                        host;x-amz-meta-a\nUNSIGNED-PAYLOAD";
        assert_eq!(
            String::from_utf8_lossy(&signed.canonical_request(Order::Sorted, Reading::Bytes)),
            expected
        );
        let as_sent = expected.replace("a=10&a=2", "a=2&a=10");
        assert_eq!(
            String::from_utf8_lossy(&signed.canonical_request(Order::AsSent, Reading::Bytes)),
            as_sent
        );
        assert_eq!(signed.orders(), [Order::Sorted, Order::AsSent]);
        let query = super::super::encoding::parse_query("a=1&b=1").expect("parses");
        assert_eq!(
            Signed { query: &query, ..signed }.orders(),
            [Order::Sorted],
            "a common request is verified once"
        );
    }

    #[test]
    fn host_and_every_amz_header_must_be_signed_and_what_is_signed_must_be_there() {
        let headers = headers(&[("x-amz-date", "d"), ("x-amz-copy-source", "/b/k"), ("range", "bytes=0-1")]);
        let refused =
            |names: &str| check_coverage(&headers, names).map_err(|error| (error.code, error.details)).err();
        assert_eq!(refused("host;x-amz-copy-source;x-amz-date"), None);
        assert_eq!(refused("host;range;x-amz-copy-source;x-amz-date"), None);
        let not_signed =
            |names: &str| Some((ErrorCode::AccessDenied, vec![("HeadersNotSigned", names.to_owned())]));
        assert_eq!(refused("host;x-amz-date"), not_signed("x-amz-copy-source"));
        assert_eq!(refused("x-amz-copy-source;x-amz-date"), not_signed("host"));
        assert_eq!(refused(""), not_signed("x-amz-date, x-amz-copy-source, host"));
        for names in [
            "content-type;host;x-amz-copy-source;x-amz-date",
            "Range;host;x-amz-copy-source;x-amz-date",
            "host;;x-amz-copy-source;x-amz-date",
        ] {
            assert_eq!(refused(names).map(|(code, _)| code), Some(ErrorCode::AccessDenied), "{names}");
        }
    }
}
