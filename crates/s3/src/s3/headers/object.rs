//! What HEAD and GET report about an object.

use super::{checksum::checksum_headers, keeping, notes, user_metadata};
use crate::model::ObjectInfo;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The type that S3 shows if none was given.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// What decides the headers of a reply besides the object itself.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::s3) struct ReplyView {
    /// The checksum was asked for, and the reply is the whole object: it would not fit the bytes of a range.
    pub checksum: bool,
    /// The request was for a part: say how many there are.
    pub parts: bool,
    /// The client may read tags: the reply says how many there are.
    pub tags: bool,
}

/// Everything but the length and range of the body.
pub(in crate::s3) fn object_headers(info: &ObjectInfo, view: ReplyView) -> HeaderMap {
    let attributes = &info.attributes;
    let mut headers = HeaderMap::with_capacity(16 + attributes.user.len());
    // Values came from headers; a record that another program wrote may hold what no header can.
    let mut insert = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            headers.insert(name, value);
        }
    };
    insert(header::ETAG, &info.etag.quoted());
    insert(header::LAST_MODIFIED, &info.last_modified.http_date());
    if let Some(content_type) = &attributes.content_type {
        insert(header::CONTENT_TYPE, content_type);
    }
    let optional = [
        (header::CACHE_CONTROL, &attributes.cache_control),
        (header::CONTENT_DISPOSITION, &attributes.content_disposition),
        (header::CONTENT_ENCODING, &attributes.content_encoding),
        (header::CONTENT_LANGUAGE, &attributes.content_language),
        (header::EXPIRES, &attributes.expires),
        (HeaderName::from_static("x-amz-website-redirect-location"), &attributes.website_redirect),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            insert(name, text);
        }
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(DEFAULT_CONTENT_TYPE));
    let (user, missing) = user_metadata::write(&attributes.user);
    headers.extend(user);
    if view.tags && info.tag_count > 0 {
        headers.insert(HeaderName::from_static("x-amz-tagging-count"), info.tag_count.into());
    }
    if missing > 0 {
        headers.insert(HeaderName::from_static("x-amz-missing-meta"), missing.into());
    }
    if let Some(class) = attributes.storage_class {
        headers.insert(
            HeaderName::from_static(keeping::STORAGE_CLASS),
            HeaderValue::from_static(class.as_str()),
        );
    }
    headers.extend(keeping::encryption_headers(attributes.encryption.as_ref()));
    headers.extend(notes::notes(&info.notes));
    if view.parts && !info.parts.is_empty() {
        headers.insert(HeaderName::from_static("x-amz-mp-parts-count"), info.parts.len().into());
    }
    if let Some(checksum) = info.checksum.as_ref().filter(|_| view.checksum) {
        headers.extend(checksum_headers(checksum));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Attributes, Checksum, ChecksumAlgorithm, ETag, ObjectChecksum, ObjectPart, Tag, TagSet, Timestamp,
    };

    fn info(attributes: Attributes) -> ObjectInfo {
        let crc = Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).expect("4 bytes");
        ObjectInfo {
            size: 3,
            etag: ETag::parse("abc"),
            last_modified: Timestamp::from_millis(1_255_369_830_042),
            tag_count: attributes.tags.len(),
            attributes,
            checksum: Some(ObjectChecksum::full(crc)),
            parts: vec![ObjectPart { number: 1, size: 3, checksum: None }],
            version: None,
            notes: Default::default(),
        }
    }

    fn shown(attributes: Attributes, view: ReplyView) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).expect("UTF-8");
        let mut all: Vec<_> = object_headers(&info(attributes), view)
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_plain_object_shows_what_it_has_and_no_more() {
        let expected = [
            ("accept-ranges", "bytes"),
            ("content-type", "binary/octet-stream"),
            ("etag", "\"abc\""),
            ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
        ];
        assert_eq!(
            shown(Attributes::default(), ReplyView::default()),
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn checksum_and_parts_are_shown_when_asked_for() {
        let all = shown(Attributes::default(), ReplyView { checksum: true, parts: true, tags: true });
        for (name, value) in [
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-mp-parts-count", "1"),
        ] {
            assert!(all.contains(&(name.to_owned(), value.to_owned())), "{name}");
        }
    }

    #[test]
    fn metadata_that_no_header_can_carry_is_counted() {
        let user =
            [("good", "ä"), ("bad", "a\nb"), ("b d", "")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let tags = TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("valid");
        let all = shown(
            Attributes { user, tags, ..Default::default() },
            ReplyView { tags: true, ..Default::default() },
        );
        for (name, value) in [
            ("x-amz-meta-good", "=?UTF-8?B?w6Q=?="),
            ("x-amz-missing-meta", "2"),
            ("x-amz-tagging-count", "1"),
        ] {
            assert!(all.contains(&(name.to_owned(), value.to_owned())), "{name}");
        }
    }
}
