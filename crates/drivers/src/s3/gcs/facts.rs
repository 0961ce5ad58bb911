//! What S3 knows of an object and GCS has no place for, as entries of the object's own metadata.
//!
//! | entry of `x-goog-meta-` | value |
//! |---|---|
//! | `causeway-tags` | `key=value&key=value`, with `%`, `&` and `=` as percent escapes |
//! | `causeway-checksum` | `SHA256 base64`, or `SHA256 base64-N` of a composite |
//! | `causeway-parts` | runs of sizes and checksums, as JSON (`backend::parts`) |
//! | `causeway-upload` | the upload it was made by |
//! | `causeway-etag` | S3's ETag of an object made of parts, and of its copies: GCS's own changes with the metadata |
//! | `causeway-modified` | when it was written, in milliseconds, if its metadata were changed since |
//!
//! GCS takes 8 KiB of metadata. Attributes and tags that are longer are refused; of what no client sent, the
//! checksums of parts go first, then the parts. An object without a checksum of ours shows the CRC32C that
//! GCS knows of every object.

use crate::{
    backend::parts::Parts,
    model::{
        Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag, ObjectChecksum,
        ObjectInfo, ObjectPart, Tag, TagSet, Timestamp, UploadId,
    },
    s3::Dialect,
    s3::headers,
    store::{
        Result,
        condition::{ETagMatch, ReadConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

const TAGS: HeaderName = HeaderName::from_static("x-goog-meta-causeway-tags");
const CHECKSUM: HeaderName = HeaderName::from_static("x-goog-meta-causeway-checksum");
const PARTS: HeaderName = HeaderName::from_static("x-goog-meta-causeway-parts");
/// The upload an object was made by: a Complete that is repeated knows its own.
const UPLOAD: HeaderName = HeaderName::from_static("x-goog-meta-causeway-upload");

/// What no other's metadata say counts for objects without an MD5 only: those that were made of parts.
const ETAG: HeaderName = HeaderName::from_static("x-goog-meta-causeway-etag");
const MODIFIED: HeaderName = HeaderName::from_static("x-goog-meta-causeway-modified");

/// GCS: "the combined size of all custom metadata", names and values.
const ROOM: usize = 8 << 10;
/// Room for the longest checksum, an ETag, a time and the id of an upload, which are added in the end.
const RESERVED: usize = 320;

/// Beyond its attributes and tags.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::s3) struct Facts {
    pub(in crate::s3) checksum: Option<ObjectChecksum>,
    pub(in crate::s3) parts: Vec<ObjectPart>,
    pub(in crate::s3) upload: Option<UploadId>,
    pub(in crate::s3) etag: Option<ETag>,
    pub(in crate::s3) modified: Option<Timestamp>,
}

impl Facts {
    /// Everything a new object is to say of itself.
    pub(super) fn headers(&self, attributes: &Attributes) -> Result<HeaderMap> {
        let mut headers = headers::of_attributes(attributes, Dialect::Gcs)?;
        if !attributes.tags.is_empty() {
            headers.insert(TAGS, headers::encoded(&written(&attributes.tags))?);
        }
        if weight(&headers) > ROOM - RESERVED {
            let words = "The storage behind this bucket keeps 8 KB of user metadata and tags together";
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        }
        if let Some(sum) = &self.checksum {
            headers
                .insert(CHECKSUM, headers::encoded(&format!("{} {}", sum.algorithm().as_str(), sum.text()))?);
        }
        if let Some(upload) = &self.upload {
            headers.insert(UPLOAD, headers::encoded(upload.as_str())?);
        }
        if let Some(etag) = &self.etag {
            headers.insert(ETAG, headers::encoded(etag.as_str())?);
        }
        if let Some(modified) = self.modified {
            headers.insert(MODIFIED, modified.millis().into());
        }
        let mut parts = Parts::of(&self.parts);
        let mut left = !parts.is_empty();
        while left {
            let text = serde_json::to_string(&parts).unwrap_or_default();
            match HeaderValue::from_str(&text) {
                Ok(value) if weight(&headers) + entry(&PARTS, &value) <= ROOM => {
                    headers.insert(PARTS, value);
                    left = false;
                }
                _ => left = parts.take_sums().is_some(),
            }
        }
        Ok(headers)
    }

    pub(in crate::s3) fn read(headers: &HeaderMap, size: u64) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let parts = text(&PARTS).and_then(|text| serde_json::from_str::<Parts>(text).ok());
        let parts = parts.map(|parts| parts.list()).unwrap_or_default();
        // Metadata may have been taken over for other bytes by other tools.
        let of_this = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.size)) == Some(size);
        Self {
            checksum: text(&CHECKSUM).and_then(read_checksum),
            parts: if of_this { parts } else { Vec::new() },
            upload: text(&UPLOAD).and_then(UploadId::parse),
            etag: text(&ETAG).map(ETag::parse),
            modified: text(&MODIFIED).and_then(read_time),
        }
    }

    pub(super) fn is_of(&self, upload: &UploadId) -> bool {
        self.upload.as_ref() == Some(upload)
    }
}

/// Puts what is known into what HEAD says.
pub(in crate::s3) fn show(headers: &HeaderMap, info: &mut ObjectInfo) {
    let facts = Facts::read(headers, info.size);
    info.attributes.tags =
        headers.get(&TAGS).and_then(|value| read_tags(&headers::decoded(value))).unwrap_or_default();
    info.tag_count = info.attributes.tags.len();
    info.checksum = facts.checksum.or_else(|| native(headers));
    info.parts = facts.parts;
    let generation = headers.get("x-goog-generation").and_then(|value| value.to_str().ok());
    info.etag = shown_etag(info.etag.as_md5(), facts.etag, generation.unwrap_or(info.etag.as_str()));
    info.last_modified = facts.modified.unwrap_or(info.last_modified);
}

/// The facts that an entry of a listing can show, by the names of metadata without `x-goog-meta-`.
pub(super) struct Listed {
    pub(super) etag: ETag,
    pub(super) modified: Option<Timestamp>,
    pub(super) checksum: ChecksumSpec,
}

pub(super) fn listed<'m>(
    md5: Option<[u8; 16]>,
    generation: &str,
    metadata: impl Fn(&str) -> Option<&'m str>,
) -> Listed {
    let named = |name: &HeaderName| metadata(&name.as_str()[Dialect::Gcs.meta().len()..]);
    let checksum = named(&CHECKSUM).and_then(read_checksum);
    Listed {
        etag: shown_etag(md5, named(&ETAG).map(ETag::parse), generation),
        modified: named(&MODIFIED).and_then(read_time),
        checksum: ChecksumSpec {
            algorithm: checksum.as_ref().map_or(ChecksumAlgorithm::Crc32c, ObjectChecksum::algorithm),
            kind: checksum.map_or(ChecksumKind::FullObject, |sum| sum.kind),
        },
    }
}

/// The MD5 where GCS knows it. Of an object that others composed, something that changes when it does.
fn shown_etag(md5: Option<[u8; 16]>, ours: Option<ETag>, generation: &str) -> ETag {
    match (md5, ours) {
        (Some(md5), _) => ETag::from_md5(md5),
        (None, Some(etag)) => etag,
        (None, None) => ETag::opaque(format!("{}-0", hex::encode(Md5::digest(generation)))),
    }
}

fn read_checksum(text: &str) -> Option<ObjectChecksum> {
    let (algorithm, value) = text.split_once(' ')?;
    headers::object_checksum(ChecksumAlgorithm::parse(algorithm)?, value, None)
}

fn read_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_millis)
}

/// Conditions of a read that GCS may judge: by ETags that it has too, and by a time that is not before ours.
/// All are judged again by what is shown.
pub(in crate::s3) fn conditions_there(conditions: &ReadConditions) -> ReadConditions {
    let known = |tags: &Option<ETagMatch>| match tags {
        Some(ETagMatch::OneOf(tags)) => tags.iter().all(|tag| tag.as_md5().is_some()),
        Some(ETagMatch::Any) | None => true,
    };
    match known(&conditions.if_match) && known(&conditions.if_none_match) {
        true => ReadConditions { if_unmodified_since: None, ..conditions.clone() },
        false => ReadConditions::default(),
    }
}

/// Made by an upload whose parts there was no room for.
pub(in crate::s3) fn has_forgotten_parts(headers: &HeaderMap, info: &ObjectInfo) -> bool {
    info.parts.is_empty() && headers.contains_key(&UPLOAD)
}

/// The CRC32C that GCS has of every object.
pub(super) fn native(headers: &HeaderMap) -> Option<ObjectChecksum> {
    hash(headers, "crc32c=")
        .and_then(|text| Checksum::from_base64(ChecksumAlgorithm::Crc32c, text))
        .map(ObjectChecksum::full)
}

/// An item of `x-goog-hash`, which comes as a list, as several lines, or both.
pub(super) fn hash<'h>(headers: &'h HeaderMap, prefix: &str) -> Option<&'h str> {
    let lines = headers.get_all("x-goog-hash").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|item| item.trim().strip_prefix(prefix))
}

fn entry(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() - Dialect::Gcs.meta().len() + value.len()
}

fn weight(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(Dialect::Gcs.meta()))
        .map(|(name, value)| entry(name, value))
        .sum()
}

fn written(tags: &TagSet) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('&', "%26").replace('=', "%3D");
    tags.iter()
        .map(|tag| format!("{}={}", escaped(&tag.key), escaped(&tag.value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn read_tags(text: &str) -> Option<TagSet> {
    let plain = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let tag = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some(Tag { key: plain(key)?, value: plain(value)? })
    };
    TagSet::new(text.split('&').map(tag).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::ChecksumHasher, records};
    use proptest::prelude::*;

    fn sum(algorithm: ChecksumAlgorithm) -> Checksum {
        ChecksumHasher::new(algorithm).finish()
    }

    fn shown(headers: &HeaderMap, size: u64) -> ObjectInfo {
        let mut info = ObjectInfo {
            size,
            etag: ETag::parse("e"),
            last_modified: Timestamp::from_millis(0),
            attributes: Attributes::default(),
            tag_count: 0,
            checksum: None,
            parts: Vec::new(),
            notes: Default::default(),
        };
        show(headers, &mut info);
        info
    }

    fn parts(count: u16, size: impl Fn(u16) -> u64) -> Vec<ObjectPart> {
        (1..=count)
            .map(|number| ObjectPart {
                number,
                size: size(number),
                checksum: Some(sum(ChecksumAlgorithm::Sha256)),
            })
            .collect()
    }

    #[test]
    fn checksums_of_every_kind_come_back() {
        for algorithm in ChecksumAlgorithm::ALL {
            for kind in [ChecksumKind::FullObject, ChecksumKind::Composite] {
                let parts = if kind == ChecksumKind::Composite { 3 } else { 0 };
                let facts = Facts {
                    checksum: Some(ObjectChecksum { checksum: sum(algorithm), kind, parts }),
                    ..Default::default()
                };
                assert_eq!(Facts::read(&facts.headers(&Attributes::default()).expect("fits"), 0), facts);
            }
        }
    }

    #[test]
    fn an_object_without_a_checksum_of_ours_shows_its_crc32c() {
        let mut headers = HeaderMap::new();
        headers
            .append("x-goog-hash", HeaderValue::from_static("md5=1B2M2Y8AsgTpgAmY7PhCfg==, crc32c=AAAAAA=="));
        let right = ObjectChecksum::full(sum(ChecksumAlgorithm::Crc32c));
        assert_eq!(shown(&headers, 0).checksum, Some(right));
        headers.insert(CHECKSUM, HeaderValue::from_static("CRC32 AAAAAA=="));
        assert_eq!(shown(&headers, 0).checksum, Some(ObjectChecksum::full(sum(ChecksumAlgorithm::Crc32))));
    }

    #[test]
    fn what_there_is_no_room_for_is_forgotten_by_its_worth() {
        let kept = |parts: Vec<ObjectPart>| {
            let size = parts.iter().map(|part| part.size).sum();
            let headers =
                Facts { parts, ..Default::default() }.headers(&Attributes::default()).expect("fits");
            assert!(weight(&headers) <= ROOM);
            Facts::read(&headers, size).parts
        };
        let few = parts(100, |_| 5 << 20);
        assert_eq!(kept(few.clone()), few);
        let many = kept(parts(10_000, |_| 5 << 20));
        assert!(
            many.len() == 10_000 && many.iter().all(|part| part.checksum.is_none()),
            "their checksums go first"
        );
        assert_eq!(kept(parts(10_000, |n| (5 << 20) + u64::from(n))), [], "then they themselves");
    }

    #[test]
    fn parts_of_other_bytes_do_not_count() {
        let headers = Facts { parts: parts(2, |_| 5), ..Default::default() }
            .headers(&Attributes::default())
            .expect("fits");
        assert_eq!(Facts::read(&headers, 10).parts.len(), 2);
        assert_eq!(Facts::read(&headers, 11).parts, []);
    }

    #[test]
    fn tags_that_are_too_long_are_refused_rather_than_forgotten() {
        let with = |value: String| {
            let tags = (0..10).map(|n| Tag { key: n.to_string(), value: value.clone() }).collect();
            Facts::default()
                .headers(&Attributes { tags: TagSet::new(tags).expect("valid tags"), ..Default::default() })
        };
        assert!(with("v".repeat(256)).is_ok());
        assert_eq!(
            with("\u{10348}".repeat(256)).map_err(|error| error.kind()),
            Err(StoreErrorKind::InvalidRequest)
        );
    }

    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn records_are_written_as_ever() {
        let (info, upload) = records::full();
        let ObjectInfo { size, etag, last_modified, attributes, checksum, parts, .. } = info;
        let (upload, etag, modified) = (Some(upload), Some(etag), Some(last_modified));
        let facts = Facts { checksum, parts, upload, etag, modified };
        // A storage class and encryption are asked for in other headers.
        let headers = facts.headers(&attributes).expect("fits");
        assert_eq!(Facts::read(&headers, size), facts);
        let plain = Facts::default().headers(&records::plain().attributes).expect("fits");
        records::is_golden("gcs.txt", &[listed(&headers), listed(&plain)].concat());
    }

    proptest! {
        #[test]
        fn any_tags_come_back(pairs in prop::collection::btree_map("\\PC{1,20}", "\\PC{0,40}", 0..10)) {
            let tags = TagSet::new(pairs.into_iter().map(|(key, value)| Tag { key, value }).collect());
            prop_assume!(tags.is_ok());
            let tags = tags.expect("checked");
            let headers = Facts::default().headers(&Attributes { tags: tags.clone(), ..Default::default() }).expect("fits");
            let info = shown(&headers, 0);
            prop_assert_eq!((info.tag_count, info.attributes.tags), (tags.len(), tags));
        }
    }
}
