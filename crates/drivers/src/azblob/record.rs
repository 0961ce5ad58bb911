//! The attributes of an object that Azure has no field for: one entry of the blob's metadata, as JSON in
//! ASCII.
//!
//! This is a stored format: fields are only ever added. Invariant: a record counts only for the bytes that it
//! was written for. If another program replaced the blob or appended to it and kept the entry, the blob has
//! no valid record.

use super::fields::FIELDS;
use crate::{
    backend::parts::Parts,
    model::{Attributes, CannedAcl, ETag, ObjectChecksum, TagSet, Timestamp, UploadId},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) etag: ETag,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksum: Option<ObjectChecksum>,
    /// The object's time, if Azure's own time is later, because changing tags changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<Timestamp>,
    /// Attributes that differ from the blob's own headers, by field; `None` means that the object does not
    /// have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "TagSet::is_empty")]
    pub(super) tags: TagSet,
    #[serde(default, skip_serializing_if = "CannedAcl::is_private")]
    pub(super) acl: CannedAcl,
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    pub(super) parts: Parts,
    /// The upload that created the object: a Complete that is repeated after a crash finds it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<UploadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) elsewhere: Option<Elsewhere>,
}

/// Refers to an overflow blob, with the attributes that did not fit into metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Elsewhere {
    pub(super) id: String,
    /// Whether the user metadata is there too: then every reply about the object needs the overflow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) user: bool,
    /// The number of tags there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) tags: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Record {
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns the record in printable ASCII without two spaces in a row, so that it can be a header value
    /// unchanged.
    pub(super) fn text(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut text = String::with_capacity(json.len());
        for c in json.chars() {
            // Compact JSON contains spaces only in its strings.
            let second_blank = c == ' ' && text.ends_with(' ');
            if (' '..='~').contains(&c) && !second_blank {
                text.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        text
    }

    /// Returns whether the record is for a blob of this size and, where Azure knows it, this MD5.
    pub(super) fn fits(&self, size: u64, md5: Option<[u8; 16]>) -> bool {
        let same = |mine: [u8; 16]| md5.is_none_or(|theirs| theirs == mine);
        self.size == size && self.etag.as_md5().is_none_or(same)
    }

    /// Replaces attributes from the blob's own headers by those of the record.
    pub(super) fn apply(&self, attributes: &mut Attributes) {
        attributes.tags = self.tags.clone();
        attributes.acl = self.acl;
        for field in FIELDS {
            if let Some(value) = self.headers.get(field.name) {
                *(field.of_mut)(attributes) = value.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Checksum, ChecksumAlgorithm, ObjectPart, Tag};

    #[test]
    fn a_record_is_a_header_and_comes_back() {
        let tags = vec![Tag { key: "a  b".into(), value: "ж\u{10348}\u{7f}\u{1}   \"\\".into() }];
        let record = Record {
            etag: ETag::from_md5([1; 16]),
            size: 7,
            checksum: None,
            modified: Some(Timestamp::from_millis(5)),
            headers: [("expires".to_owned(), Some("x".to_owned())), ("content_type".to_owned(), None)].into(),
            tags: TagSet::new(tags).expect("valid tags"),
            acl: CannedAcl::PublicRead,
            parts: Parts::of(&[ObjectPart {
                number: 1,
                size: 7,
                checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[1, 2, 3, 4]),
            }]),
            upload: UploadId::parse("u"),
            elsewhere: Some(Elsewhere { id: "e".into(), user: true, tags: 3 }),
        };
        assert!(super::super::metadata::is_plain(&record.text()), "{}", record.text());
        assert_eq!(Record::parse(&record.text()), Some(record));
    }

    #[test]
    fn records_of_the_first_version_are_read() {
        let text = r#"{"etag":"0101010101010101010101010101010101-1","size":3}"#;
        let record = Record::parse(text).expect("parses");
        assert_eq!(
            (record.etag.as_str(), record.size, record.text().as_str()),
            ("0101010101010101010101010101010101-1", 3, text)
        );
        let plain = Record { etag: ETag::from_md5([1; 16]), ..record };
        assert!(plain.fits(3, None) && plain.fits(3, Some([1; 16])));
        assert!(!plain.fits(4, None) && !plain.fits(3, Some([2; 16])));
    }
}
