//! The attributes of an S3 object that GCS has no field for, as entries of the object's own metadata.
//!
//! | entry of `x-goog-meta-` | value |
//! |---|---|
//! | `causeway-tags` | `key=value&key=value`, with `%`, `&` and `=` as percent escapes |
//! | `causeway-checksum` | `SHA256 base64`, or `SHA256 base64-N` of a composite |
//! | `causeway-parts` | runs of sizes and checksums, as JSON (`store::record::Parts`) |
//! | `causeway-upload` | the upload it was made by |
//! | `causeway-version`, `-lock`, `-sealed`, `-restore` | the field of the record, as JSON |
//! | `causeway-etag` | S3's ETag of an object made of parts, and of its copies: GCS's own changes with the metadata |
//! | `causeway-modified` | when it was written, in milliseconds, if its metadata were changed since |
//!
//! GCS takes 8 KiB of metadata. Attributes, tags and the fields of the last row that are longer are refused;
//! of what no client sent, the checksums of parts go first, then the parts. An object without a checksum of
//! ours shows the CRC32C that GCS knows of every object.

use crate::{
    model::{
        Attributes, CanonicalId, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag,
        ObjectChecksum, ObjectInfo, ObjectLock, Tag, TagSet, Timestamp, UploadId,
    },
    s3::Dialect,
    s3::headers,
    store::{
        Result,
        condition::{ETagMatch, ReadConditions},
        error::{StoreError, StoreErrorKind},
        record::{Field, ObjectRecord, Parts},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

const TAGS: HeaderName = HeaderName::from_static("x-goog-meta-causeway-tags");
const CHECKSUM: HeaderName = HeaderName::from_static("x-goog-meta-causeway-checksum");
const PARTS: HeaderName = HeaderName::from_static("x-goog-meta-causeway-parts");
/// The upload that created the object: a Complete that is repeated finds its id here.
const UPLOAD: HeaderName = HeaderName::from_static("x-goog-meta-causeway-upload");

/// Used only for objects without an MD5, that is, for those made of parts: other tools may copy metadata to
/// other objects.
const ETAG: HeaderName = HeaderName::from_static("x-goog-meta-causeway-etag");
const MODIFIED: HeaderName = HeaderName::from_static("x-goog-meta-causeway-modified");
/// Fields that each have an entry of their own, as JSON.
const STATES: [(Field, HeaderName); 4] = [
    (Field::Version, HeaderName::from_static("x-goog-meta-causeway-version")),
    (Field::Lock, HeaderName::from_static("x-goog-meta-causeway-lock")),
    (Field::Sealed, HeaderName::from_static("x-goog-meta-causeway-sealed")),
    (Field::Restore, HeaderName::from_static("x-goog-meta-causeway-restore")),
];

/// The maximum size of metadata: "the combined size of all custom metadata", names and values.
const ROOM: usize = 8 << 10;
/// Space for the longest checksum, an ETag, a time and the id of an upload, which are added at the end.
const RESERVED: usize = 320;

/// The record of an object, as its own metadata keep it. GCS itself says the size, and of most objects the
/// ETag and the time.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::s3) struct Facts {
    pub(in crate::s3) object: ObjectRecord,
    /// The metadata say the ETag, because GCS has another one.
    pub(in crate::s3) says_etag: bool,
    /// The metadata say the time, because the object is older than they are.
    pub(in crate::s3) says_time: bool,
}

impl Facts {
    /// What is known of an object before its body has arrived.
    pub(super) fn of(attributes: Attributes) -> Self {
        Self::new(ObjectRecord { attributes, ..ObjectRecord::unsaid() })
    }

    /// An object whose ETag and time GCS will say.
    pub(super) fn new(object: ObjectRecord) -> Self {
        Self { object, says_etag: false, says_time: false }
    }

    /// Returns the headers with all attributes of a new object.
    pub(super) fn headers(&self) -> Result<HeaderMap> {
        let ObjectRecord { attributes, checksum, parts, upload, etag, modified, .. } = &self.object;
        let mut headers = headers::of_attributes(attributes, Dialect::Gcs)?;
        if !attributes.tags.is_empty() {
            headers.insert(TAGS, headers::encoded(&written(&attributes.tags))?);
        }
        for (field, name) in STATES {
            if let Some(text) = self.object.text(field) {
                headers.insert(name, headers::encoded(&text)?);
            }
        }
        if weight(&headers) > ROOM - RESERVED {
            let words = "The storage behind this bucket keeps 8 KB of user metadata and tags together";
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        }
        if let Some(sum) = checksum {
            headers
                .insert(CHECKSUM, headers::encoded(&format!("{} {}", sum.algorithm().as_str(), sum.text()))?);
        }
        if let Some(upload) = upload {
            headers.insert(UPLOAD, headers::encoded(upload.as_str())?);
        }
        if self.says_etag {
            headers.insert(ETAG, headers::encoded(etag.as_str())?);
        }
        if self.says_time {
            headers.insert(MODIFIED, modified.millis().into());
        }
        let mut parts = parts.clone();
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
        let mut object = ObjectRecord { size, ..ObjectRecord::unsaid() };
        object.checksum = text(&CHECKSUM).and_then(read_checksum);
        object.upload = text(&UPLOAD).and_then(UploadId::parse);
        // Other tools may have copied the metadata to an object with other bytes.
        let is_of_this = |parts: &Parts| {
            let sizes = parts.list().into_iter().map(|part| part.size);
            sizes.into_iter().try_fold(0u64, u64::checked_add) == Some(size)
        };
        let parts = text(&PARTS).and_then(|text| serde_json::from_str(text).ok());
        object.parts = parts.filter(is_of_this).unwrap_or_default();
        for (field, name) in STATES {
            let understood =
                headers.get(name).is_none_or(|value| object.set_text(field, &headers::decoded(value)));
            if field == Field::Lock && !understood {
                object.lock = Some(ObjectLock::UNREADABLE);
            }
        }
        let (etag, modified) = (text(&ETAG).map(ETag::parse), text(&MODIFIED).and_then(read_time));
        let (says_etag, says_time) = (etag.is_some(), modified.is_some());
        object.etag = etag.unwrap_or(object.etag);
        object.modified = modified.unwrap_or(object.modified);
        Self { object, says_etag, says_time }
    }

    pub(super) fn is_of(&self, upload: &UploadId) -> bool {
        self.object.upload.as_ref() == Some(upload)
    }
}

/// Adds the stored attributes to the result of HEAD.
pub(in crate::s3) fn show(headers: &HeaderMap, info: &mut ObjectInfo) {
    let facts = Facts::read(headers, info.size);
    info.attributes.tags =
        headers.get(&TAGS).and_then(|value| read_tags(&headers::decoded(value))).unwrap_or_default();
    info.tag_count = info.attributes.tags.len();
    let Facts { object, says_etag, says_time } = facts;
    info.checksum = object.checksum.or_else(|| native(headers));
    info.parts = object.parts.list();
    info.version = object.version;
    let generation = headers.get("x-goog-generation").and_then(|value| value.to_str().ok());
    info.etag = shown_etag(
        info.etag.as_md5(),
        says_etag.then_some(object.etag),
        generation.unwrap_or(info.etag.as_str()),
    );
    if says_time {
        info.last_modified = object.modified;
    }
}

/// The attributes that a listing can show, from metadata with names without `x-goog-meta-`.
pub(super) struct Listed {
    pub(super) etag: ETag,
    pub(super) modified: Option<Timestamp>,
    pub(super) checksum: ChecksumSpec,
    pub(super) owner: Option<CanonicalId>,
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
        owner: named(&headers::owner(Dialect::Gcs)).and_then(CanonicalId::parse),
    }
}

/// Returns the MD5 if GCS knows it. A foreign composite object gets an ETag that changes with its generation.
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

/// Returns the conditions of a read that GCS may evaluate: conditions on ETags only if GCS has the same ones,
/// and no `If-Unmodified-Since`, because GCS's time may be later than the object's time here. All conditions
/// are evaluated again with the attributes that clients see.
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

/// Returns whether an upload created the object and its parts did not fit into the metadata.
pub(in crate::s3) fn has_forgotten_parts(headers: &HeaderMap, info: &ObjectInfo) -> bool {
    info.parts.is_empty() && headers.contains_key(&UPLOAD)
}

/// Returns the CRC32C that GCS computes for every object.
pub(super) fn native(headers: &HeaderMap) -> Option<ObjectChecksum> {
    hash(headers, "crc32c=")
        .and_then(|text| Checksum::from_base64(ChecksumAlgorithm::Crc32c, text))
        .map(ObjectChecksum::full)
}

/// Returns an item of `x-goog-hash`, which is a list, several lines, or both.
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
    use crate::{
        model::{ChecksumHasher, ObjectPart},
        records,
    };
    use proptest::prelude::*;

    fn sum(algorithm: ChecksumAlgorithm) -> Checksum {
        ChecksumHasher::new(algorithm).finish()
    }

    fn shown(headers: &HeaderMap, size: u64) -> ObjectInfo {
        let mut info = ObjectRecord { size, ..records::plain() }.info();
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

    fn of_parts(parts: &[ObjectPart]) -> Facts {
        Facts::new(ObjectRecord { parts: Parts::of(parts), ..ObjectRecord::unsaid() })
    }

    #[test]
    fn checksums_of_every_kind_come_back() {
        for algorithm in ChecksumAlgorithm::ALL {
            for kind in [ChecksumKind::FullObject, ChecksumKind::Composite] {
                let parts = if kind == ChecksumKind::Composite { 3 } else { 0 };
                let checksum = Some(ObjectChecksum { checksum: sum(algorithm), kind, parts });
                let facts = Facts::new(ObjectRecord { checksum, ..ObjectRecord::unsaid() });
                assert_eq!(Facts::read(&facts.headers().expect("fits"), 0), facts);
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
            let headers = of_parts(&parts).headers().expect("fits");
            assert!(weight(&headers) <= ROOM);
            Facts::read(&headers, size).object.parts.list()
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
        let headers = of_parts(&parts(2, |_| 5)).headers().expect("fits");
        assert_eq!(Facts::read(&headers, 10).object.parts.list().len(), 2);
        assert!(Facts::read(&headers, 11).object.parts.is_empty());
    }

    #[test]
    fn tags_that_are_too_long_are_refused_rather_than_forgotten() {
        let with = |value: String| {
            let tags = (0..10).map(|n| Tag { key: n.to_string(), value: value.clone() }).collect();
            let attributes =
                Attributes { tags: TagSet::new(tags).expect("valid tags"), ..Default::default() };
            Facts::of(attributes).headers()
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
        let facts = Facts { object: records::full(), says_etag: true, says_time: true };
        let headers = facts.headers().expect("fits");
        let plain = Facts::new(records::plain()).headers().expect("fits");
        records::is_golden("gcs.txt", &[listed(&headers), listed(&plain)].concat());
    }

    #[test]
    fn a_field_that_is_no_attribute_has_an_entry() {
        let attributes = Attributes { owner: CanonicalId::parse("42b0"), ..records::full().attributes };
        let attributes = serde_json::to_value(&attributes).expect("JSON");
        // GCS says the size itself.
        let entries = [Field::Modified, Field::ETag, Field::Checksum, Field::Parts, Field::Upload];
        for field in Field::ALL.iter().filter(|field| **field != Field::Size) {
            let has_entry = entries.contains(field) || STATES.iter().any(|(state, _)| state == field);
            assert_ne!(has_entry, attributes.get(field.name()).is_some(), "{field:?}");
        }
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_a_legal_hold() {
        let headers = HeaderMap::from_iter([(STATES[1].1.clone(), HeaderValue::from_static("?"))]);
        assert_eq!(Facts::read(&headers, 0).object.lock, Some(ObjectLock::UNREADABLE));
    }

    proptest! {
        #[test]
        fn every_record_comes_back(
            object in records::any_record(),
            says_etag in any::<bool>(),
            says_time in any::<bool>(),
        ) {
            let size = object.parts.list().iter().map(|part| part.size).sum();
            let facts = Facts { object: ObjectRecord { size, ..object }, says_etag, says_time };
            let headers = facts.headers().expect("fits");
            let mut expected = facts;
            // They are in headers of GCS's own.
            let attributes = std::mem::take(&mut expected.object.attributes);
            prop_assert_eq!(shown(&headers, size).attributes.tags, attributes.tags);
            let unsaid = ObjectRecord::unsaid();
            if !says_etag {
                expected.object.etag = unsaid.etag;
            }
            if !says_time {
                expected.object.modified = unsaid.modified;
            }
            prop_assert_eq!(Facts::read(&headers, size), expected);
        }

        #[test]
        fn any_tags_come_back(pairs in prop::collection::btree_map("\\PC{1,20}", "\\PC{0,40}", 0..10)) {
            let tags = TagSet::new(pairs.into_iter().map(|(key, value)| Tag { key, value }).collect());
            prop_assume!(tags.is_ok());
            let tags = tags.expect("checked");
            let attributes = Attributes { tags: tags.clone(), ..Default::default() };
            let headers = Facts::of(attributes).headers().expect("fits");
            let info = shown(&headers, 0);
            prop_assert_eq!((info.tag_count, info.attributes.tags), (tags.len(), tags));
        }
    }
}
