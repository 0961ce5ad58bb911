//! User metadata in headers, both ways. Text outside ASCII is sent as encoded words (RFC 2047), as by S3, and
//! received as such or as raw UTF-8. Storages keep the decoded text.
//!
//! Invariant: the text that is sent means the text that was received. An ASCII text that is itself an encoded
//! word is sent as it is: objects hold such texts whose clients encoded them, and decode them again.

use crate::{
    model::{MAX_USER_METADATA, encoded_words},
    s3::{ErrorCode, S3Error},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

const PREFIX: &str = "x-amz-meta-";

pub(super) fn read(headers: &HeaderMap) -> Result<BTreeMap<String, String>, S3Error> {
    let mut user = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX).filter(|name| !name.is_empty()) else { continue };
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| S3Error::argument(format!("{PREFIX}{name}"), "", "User metadata must be UTF-8"))?;
        let value = decoded(value.trim());
        // Repeated fields are one list (RFC 9110 section 5.3), as S3 joins them.
        user.entry(name.to_owned()).and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
    }
    let size: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_USER_METADATA {
        return Err(S3Error::from(ErrorCode::MetadataTooLarge)
            .detail("Size", size.to_string())
            .detail("MaxSizeAllowed", MAX_USER_METADATA.to_string()));
    }
    Ok(user)
}

/// Control characters that no header could bring stay encoded.
fn decoded(text: &str) -> String {
    let decoded = encoded_words::decode(text);
    if has_controls(&decoded) { text.to_owned() } else { decoded.into_owned() }
}

fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// The headers, and how many names or values no header can carry.
pub(super) fn write(user: &BTreeMap<String, String>) -> (HeaderMap, usize) {
    let headers: HeaderMap =
        user.iter().filter_map(|(name, text)| Some((header(name)?, value(text)?))).collect();
    let missing = user.len() - headers.len();
    (headers, missing)
}

fn header(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(format!("{PREFIX}{name}")).ok()
}

fn value(text: &str) -> Option<HeaderValue> {
    if has_controls(text) {
        return None;
    }
    // Blanks at the ends of a value are not part of it (RFC 9110 section 5.5).
    let plain = text.is_ascii() && text.trim() == text;
    if plain {
        HeaderValue::from_str(text).ok()
    } else {
        HeaderValue::try_from(encoded_words::encode(text)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;
    use proptest::prelude::*;

    fn sent(text: &str) -> Option<String> {
        value(text).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    fn came(value: &str) -> String {
        read(&request(&[("x-amz-meta-a", value)]).headers).expect("fine").remove("a").expect("a value")
    }

    #[test]
    fn text_outside_ascii_goes_out_encoded_and_the_rest_as_it_is() {
        for (text, value) in [
            ("plain, text", "plain, text"),
            ("ä", "=?UTF-8?B?w6Q=?="),
            (" a", "=?UTF-8?B?IGE=?="),
            ("=?UTF-8?Q?a?=", "=?UTF-8?Q?a?="),
        ] {
            assert_eq!(sent(text).as_deref(), Some(value), "{text}");
        }
        assert_eq!(sent("a\nb"), None);
        let folded = sent(&"é".repeat(40)).expect("a value");
        assert_eq!(folded.split(' ').map(str::len).collect::<Vec<_>>(), [72, 60]);
    }

    #[test]
    fn text_comes_in_raw_or_encoded() {
        for (value, text) in [
            ("blué", "blué"),
            ("=?UTF-8?B?w6Q=?=", "ä"),
            ("=?ISO-8859-1?Q?caf=E9?=", "café"),
            ("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=", "äö"),
            ("=?UTF-8?B?bad?=", "=?UTF-8?B?bad?="),
            ("=?UTF-8?B?YQpi?=", "=?UTF-8?B?YQpi?="),
        ] {
            assert_eq!(came(value), text, "{value}");
        }
    }

    #[test]
    fn the_limit_is_that_of_the_text() {
        let fits = encoded_words::encode(&("é".repeat(1023) + "x"));
        assert_eq!(came(&fits).len(), 2047);
        let over = encoded_words::encode(&"é".repeat(1024));
        assert_eq!(
            read(&request(&[("x-amz-meta-a", &over)]).headers).expect_err("too large").code,
            ErrorCode::MetadataTooLarge
        );
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in_again(text in "\\PC{0,60}|[ \\t=?a-zé]{0,20}|(=\\?UTF-8\\?Q\\?a\\?=| |é){0,5}") {
            let sent = sent(&text).expect("no control characters");
            // A text that goes out as it is means what it encodes, if it is an encoded word.
            let meant = if sent == text { encoded_words::decode(&text).into_owned() } else { text };
            prop_assert_eq!(came(&sent), meant);
        }
    }
}
