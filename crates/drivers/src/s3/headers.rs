//! Attributes of an object as the storage's headers, in both directions.
//!
//! User metadata is sent unchanged if it is ASCII, and otherwise as encoded words (RFC 2047), in which S3
//! shows it too. Text that looks like an encoded word is encoded as well, so that decoding always returns the
//! original text.

use super::Dialect;
use crate::{
    backend::wire::Reply,
    model::{
        Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectChecksum, TagSet, Timestamp,
        encoded_words,
    },
    store::{
        Result,
        condition::{ETagMatch, ReadConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Returns attributes as headers of a request. Tags and ACL are stored elsewhere.
pub(super) fn of_attributes(attributes: &Attributes, dialect: Dialect) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let plain = [
        (header::CONTENT_TYPE, &attributes.content_type),
        (header::CACHE_CONTROL, &attributes.cache_control),
        (header::CONTENT_DISPOSITION, &attributes.content_disposition),
        (header::CONTENT_ENCODING, &attributes.content_encoding),
        (header::CONTENT_LANGUAGE, &attributes.content_language),
        (expires(dialect), &attributes.expires),
    ];
    for (name, text) in plain {
        if let Some(text) = text {
            headers.insert(name, encoded(text)?);
        }
    }
    if let Some(target) = &attributes.website_redirect {
        headers.insert(redirect(dialect), encoded(target)?);
    }
    if !attributes.acl.is_private() {
        headers.insert(acl(dialect), encoded(&attributes.acl.text())?);
    }
    if let Some(id) = &attributes.owner {
        headers.insert(owner(dialect), encoded(id.as_str())?);
    }
    for (name, text) in &attributes.user {
        if name.starts_with(OWN) {
            let words = format!("User metadata on this bucket's storage cannot begin with {OWN}");
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        }
        let name = HeaderName::try_from(format!("{}{name}", dialect.meta()));
        let name = name.map_err(|_| {
            StoreError::new(StoreErrorKind::InvalidRequest, "A name of user metadata is not valid")
        })?;
        headers.insert(name, encoded(text)?);
    }
    Ok(headers)
}

/// The prefix of Causeway's own entries in user metadata: attributes that S3 keeps of an object and the
/// storage does not, or should not. An ACL grants access through Causeway, so it is never set at the storage.
pub(super) const OWN: &str = "causeway-";

pub(super) fn redirect(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::S3 => HeaderName::from_static("x-amz-website-redirect-location"),
        Dialect::Gcs => HeaderName::from_static("x-goog-meta-causeway-website-redirect"),
    }
}

pub(super) fn expires(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::S3 => header::EXPIRES,
        Dialect::Gcs => HeaderName::from_static("x-goog-meta-causeway-expires"),
    }
}

pub(super) fn acl(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::S3 => HeaderName::from_static("x-amz-meta-causeway-acl"),
        Dialect::Gcs => HeaderName::from_static("x-goog-meta-causeway-acl"),
    }
}

pub(super) fn owner(dialect: Dialect) -> HeaderName {
    match dialect {
        Dialect::S3 => HeaderName::from_static("x-amz-meta-causeway-owner"),
        Dialect::Gcs => HeaderName::from_static("x-goog-meta-causeway-owner"),
    }
}

/// If a storage drops `Expires`, the value is kept in this entry.
pub(super) const OWN_EXPIRES: HeaderName = HeaderName::from_static("x-amz-meta-causeway-expires");

pub(super) fn keep_expires(described: &mut HeaderMap) {
    if let Some(date) = described.remove(header::EXPIRES) {
        described.insert(OWN_EXPIRES, date);
    }
}

/// Encodes tags as `a=b&c=d`, the format of `x-amz-tagging`.
pub(super) fn tagging(tags: &TagSet) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    tags.iter()
        .map(|tag| format!("{}={}", encode(&tag.key), encode(&tag.value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Returns the read conditions that are sent to the storage. Only those that count are sent, because not
/// every storage knows that an ETag overrides a date (RFC 9110 section 13.2.2). The conditions are evaluated
/// again with the reply.
pub(super) fn of_conditions(conditions: &ReadConditions, prefix: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let tags = |tags: &ETagMatch| match tags {
        ETagMatch::Any => "*".to_owned(),
        ETagMatch::OneOf(tags) => tags.iter().map(ETag::quoted).collect::<Vec<_>>().join(", "),
    };
    let said = [
        ("if-match", conditions.if_match.as_ref().map(tags)),
        ("if-none-match", conditions.if_none_match.as_ref().map(tags)),
        (
            "if-modified-since",
            conditions
                .if_modified_since
                .filter(|_| conditions.if_none_match.is_none())
                .map(Timestamp::http_date),
        ),
        (
            "if-unmodified-since",
            conditions
                .if_unmodified_since
                .filter(|_| conditions.if_match.is_none())
                .map(Timestamp::http_date),
        ),
    ];
    for (name, value) in said {
        if let Some((name, value)) = value.and_then(|value| {
            Some((HeaderName::try_from(format!("{prefix}{name}")).ok()?, HeaderValue::from_str(&value).ok()?))
        }) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Returns the checksum of an object, if the reply contains one.
pub(super) fn checksum(headers: &HeaderMap) -> Option<ObjectChecksum> {
    let kind = headers.get("x-amz-checksum-type").and_then(|kind| ChecksumKind::parse(kind.to_str().ok()?));
    ChecksumAlgorithm::ALL.into_iter().find_map(|algorithm| {
        object_checksum(algorithm, headers.get(algorithm.header())?.to_str().ok()?, kind)
    })
}

/// Returns the time of a reply by the storage's clock.
pub(super) fn answered(reply: &Reply) -> Timestamp {
    reply.header("date").and_then(Timestamp::parse_http_date).unwrap_or_else(Timestamp::now)
}

/// Parses `base64`, or `base64-N` of a composite. Where a storage does not report the type, the form shows
/// it.
pub(super) fn object_checksum(
    algorithm: ChecksumAlgorithm,
    text: &str,
    kind: Option<ChecksumKind>,
) -> Option<ObjectChecksum> {
    let (value, parts) = match text.trim().split_once('-') {
        Some((value, parts)) => (value, parts.parse().ok()?),
        None => (text.trim(), 0),
    };
    let kind = match parts {
        0 => ChecksumKind::FullObject,
        _ => kind.unwrap_or(ChecksumKind::Composite),
    };
    Some(ObjectChecksum { checksum: Checksum::from_base64(algorithm, value)?, kind, parts })
}

pub(super) fn encoded(text: &str) -> Result<HeaderValue> {
    // SigV4 treats several spaces as one, and so do many intermediaries that sign.
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b))
        && text.trim() == text
        && !text.contains("=?")
        && !text.contains("  ");
    let text = if plain { text.to_owned() } else { format!("=?UTF-8?B?{}?=", STANDARD.encode(text)) };
    HeaderValue::try_from(text).map_err(|_| {
        StoreError::new(StoreErrorKind::InvalidRequest, "A header cannot be passed on to the storage")
    })
}

pub(super) fn decoded(value: &HeaderValue) -> String {
    encoded_words::decode(&String::from_utf8_lossy(value.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encoded_words_of_others_are_read_too() {
        assert_eq!(decoded(&HeaderValue::from_static("=?UTF-8?Q?caf=C3=A9_x?=")), "café x");
        assert_eq!(decoded(&HeaderValue::from_static("=?UTF-8?B?w6Q=?=")), "ä");
        assert_eq!(decoded(&HeaderValue::from_static("=?latin-1?Q?x?=")), "=?latin-1?Q?x?=");
        assert_eq!(
            decoded(&HeaderValue::from_static("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=")),
            "äö",
            "S3 folds long values"
        );
        assert_eq!(encoded("plain text").expect("a value"), "plain text");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            prop_assert_eq!(decoded(&encoded(&text).expect("a value")), text);
        }
    }
}
