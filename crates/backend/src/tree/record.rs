//! What Causeway knows about an object beyond its file: kept in the catalog, because such storage has no room
//! for it.
//!
//! Invariant: a record counts only while the storage reports the same about the file as when the record was
//! made. A file that was changed outside the gateway is a foreign file and never served under an old ETag.

use super::files::Stat;
use crate::{
    backend::parts::Parts,
    catalog::{IndexRow, ObjectRow},
    model::{
        Attributes, ChecksumSpec, ETag, ObjectChecksum, ObjectInfo, ObjectKey, ObjectPart, Timestamp,
        UploadId,
    },
    store::{
        Result, Written,
        error::{StoreError, StoreErrorKind},
    },
};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;

/// The stored form, version 1. Fields are only ever added, each with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) v: u8,
    /// Below the bucket's folder.
    pub(super) path: String,
    pub(super) size: u64,
    /// What the storage reports about the file. `None` only in pending changes: it was not known before
    /// publishing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) stat: Option<Stat>,
    pub(super) modified: Timestamp,
    pub(super) etag: ETag,
    #[serde(flatten)]
    pub(super) attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) checksum: Option<ObjectChecksum>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) parts: Option<Parts>,
    /// The upload this object was completed from: a Complete repeated after a crash finds its work done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) upload: Option<UploadId>,
}

/// The identity under which a file is to be published.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<ObjectChecksum>,
    pub(super) parts: Option<(Vec<ObjectPart>, UploadId)>,
}

impl Record {
    pub(super) fn new(path: String, stat: Option<Stat>, modified: Timestamp, of: Identity) -> Self {
        let (parts, upload) = of.parts.map(|(parts, upload)| (Parts::of(&parts), upload)).unzip();
        let Identity { size, etag, attributes, checksum, .. } = of;
        Self { v: VERSION, path, size, stat, modified, etag, attributes, checksum, parts, upload }
    }

    /// Makes the record of a file that was created outside Causeway.
    pub(super) fn adopted(path: String, stat: Stat, md5: [u8; 16]) -> Self {
        let modified = stat.modified.unwrap_or_else(Timestamp::now);
        let of = Identity {
            size: stat.size,
            etag: ETag::from_md5(md5),
            attributes: Attributes::default(),
            checksum: None,
            parts: None,
        };
        Self::new(path, Some(stat), modified, of)
    }

    pub(super) fn is_of(&self, stat: &Stat) -> bool {
        self.stat.as_ref().is_some_and(|known| known.is_same(stat))
    }

    /// Returns whether the storage's own tag of the file is the one that was recorded.
    pub(super) fn has_tag_of(&self, stat: &Stat) -> bool {
        stat.tag.is_some()
            && self.stat.as_ref().is_some_and(|known| known.tag == stat.tag && known.size == stat.size)
    }

    pub(super) fn parts(&self) -> Vec<ObjectPart> {
        self.parts.as_ref().map(Parts::list).unwrap_or_default()
    }

    pub(super) fn info(&self) -> ObjectInfo {
        ObjectInfo {
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified,
            attributes: self.attributes.clone(),
            tag_count: self.attributes.tags.len(),
            checksum: self.checksum.clone(),
            parts: self.parts(),
            notes: Default::default(),
        }
    }

    pub(super) fn written(&self) -> Written {
        Written {
            etag: self.etag.clone(),
            last_modified: self.modified,
            checksum: self.checksum.clone(),
            version: None,
        }
    }

    /// How listings show it.
    pub(super) fn row(&self, key: &ObjectKey) -> IndexRow {
        IndexRow {
            key: key.clone(),
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified,
            checksum: self
                .checksum
                .as_ref()
                .map(|sum| ChecksumSpec { algorithm: sum.algorithm(), kind: sum.kind }),
            fingerprint: self.stat.as_ref().map(fingerprint).unwrap_or_default(),
            version: Default::default(),
        }
    }
}

/// Returns whether a stored record holds no more than what adopting a file finds out again: a client that
/// puts an object gives more, a checksum at least.
pub(super) fn is_guess(stands: &str) -> bool {
    serde_json::from_str::<Record>(stands).is_ok_and(|record| {
        record.checksum.is_none()
            && record.parts.is_none()
            && record.upload.is_none()
            && record.attributes == Attributes::default()
    })
}

/// Returns what a client sees of a foreign file. The `-0` of its tag shows that it is no MD5.
pub(super) fn foreign(stat: &Stat) -> ObjectInfo {
    let provisional = || {
        let digest = ring::digest::digest(&ring::digest::SHA256, &fingerprint(stat));
        ETag::opaque(format!("{}-0", hex::encode(&digest.as_ref()[..16])))
    };
    ObjectInfo {
        size: stat.size,
        etag: stat.md5.map_or_else(provisional, ETag::from_md5),
        last_modified: stat.modified.unwrap_or_else(|| Timestamp::from_millis(0)),
        attributes: Attributes::default(),
        tag_count: 0,
        checksum: None,
        parts: Vec::new(),
        notes: Default::default(),
    }
}

pub(super) fn foreign_row(key: &ObjectKey, stat: &Stat) -> IndexRow {
    let ObjectInfo { size, etag, last_modified, .. } = foreign(stat);
    let (key, fingerprint) = (key.clone(), fingerprint(stat));
    IndexRow { key, size, etag, last_modified, checksum: None, fingerprint, version: Default::default() }
}

/// Returns what the storage reported, in the form that index rows keep.
pub(super) fn fingerprint(stat: &Stat) -> Vec<u8> {
    serde_json::to_vec(stat).unwrap_or_default()
}

pub(super) fn is_fingerprint_of(bytes: &[u8], stat: &Stat) -> bool {
    serde_json::from_slice::<Stat>(bytes).is_ok_and(|known| known.is_same(stat))
}

/// A change that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Intent {
    Put(Box<Record>),
    Delete,
}

/// The catalog's row of a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) stands: Option<Record>,
    pub(super) intended: Option<Intent>,
}

impl Row {
    pub(super) fn read(row: Option<ObjectRow>) -> Result<Self> {
        let Some(row) = row else { return Ok(Self::default()) };
        fn parse<T: serde::de::DeserializeOwned>(text: Option<String>) -> Result<Option<T>> {
            let unreadable = |error| {
                StoreError::new(StoreErrorKind::Internal, "the catalog has a record that cannot be read")
                    .with_source(error)
            };
            text.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
        }
        Ok(Self { stands: parse(row.stands)?, intended: parse(row.intended)? })
    }

    pub(super) fn write(&self, key: &ObjectKey) -> Result<ObjectRow> {
        fn text<T: Serialize>(value: &Option<T>) -> Result<Option<String>> {
            let failed = |error| {
                StoreError::new(StoreErrorKind::Internal, "a record cannot be written").with_source(error)
            };
            value.as_ref().map(|value| serde_json::to_string(value).map_err(failed)).transpose()
        }
        Ok(ObjectRow { key: key.clone(), stands: text(&self.stands)?, intended: text(&self.intended)? })
    }

    /// Returns whether the change came from this upload.
    pub(super) fn is_of_upload(&self, upload: &UploadId) -> bool {
        let intended = match &self.intended {
            Some(Intent::Put(record)) => Some(&**record),
            _ => None,
        };
        [self.stands.as_ref(), intended]
            .into_iter()
            .flatten()
            .any(|record| record.upload.as_ref() == Some(upload))
    }

    /// Which of them a file at `path` is.
    pub(super) fn judge(&self, path: &str, stat: &Stat) -> Verdict {
        let put = match &self.intended {
            Some(Intent::Put(record)) if record.path == path => Some(&**record),
            _ => None,
        };
        let stands = self.stands.as_ref().filter(|record| record.path == path && record.is_of(stat));
        let arrived = put.filter(|record| record.is_of(stat));
        // The new file may look like the old one only where nothing but size and time distinguishes files.
        let unforeseen =
            put.is_some_and(|record| record.stat.is_none() && record.size == stat.size && stat.tag.is_none());
        match (stands, arrived) {
            (Some(record), None) if !unforeseen => Verdict::Known(Box::new(record.clone())),
            (None, Some(record)) => Verdict::Known(Box::new(record.clone())),
            (None, None) if self.intended.is_none() => Verdict::Foreign,
            _ => Verdict::Unclear,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Known(Box<Record>),
    Foreign,
    /// A change is under way, or was cut short: the holder of the key's lock can find out which.
    Unclear,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Checksum, ChecksumAlgorithm},
        records,
    };

    fn stat(size: u64, at: i64, tag: Option<&str>) -> Stat {
        Stat {
            kind: Default::default(),
            size,
            modified: Some(Timestamp::from_millis(at)),
            tag: tag.map(str::to_owned),
            md5: None,
        }
    }

    fn record(etag: &str, size: u64, stat: Option<Stat>) -> Record {
        let of = Identity {
            size,
            etag: ETag::parse(etag),
            attributes: Attributes::default(),
            checksum: None,
            parts: None,
        };
        Record::new("a".into(), stat, Timestamp::from_millis(0), of)
    }

    #[test]
    fn a_file_is_known_by_what_the_storage_says_of_it() {
        let old = record("old", 3, Some(stat(3, 1, None)));
        let row = Row { stands: Some(old.clone()), intended: None };
        assert_eq!(row.judge("a", &stat(3, 1, None)), Verdict::Known(Box::new(old.clone())));
        assert_eq!(row.judge("a", &stat(3, 2, None)), Verdict::Foreign);
        assert_eq!(row.judge("b", &stat(3, 1, None)), Verdict::Foreign);
        let new = record("new", 3, Some(stat(3, 2, None)));
        let row = Row { stands: Some(old.clone()), intended: Some(Intent::Put(Box::new(new.clone()))) };
        assert_eq!(row.judge("a", &stat(3, 1, None)), Verdict::Known(Box::new(old.clone())));
        assert_eq!(row.judge("a", &stat(3, 2, None)), Verdict::Known(Box::new(new)));
        assert_eq!(row.judge("a", &stat(4, 2, None)), Verdict::Unclear);
    }

    #[test]
    fn what_cannot_be_told_from_what_is_to_come_is_unclear() {
        let old = record("old", 3, Some(stat(3, 1, None)));
        let with =
            |new: Record| Row { stands: Some(old.clone()), intended: Some(Intent::Put(Box::new(new))) };
        assert_eq!(
            with(record("new", 3, Some(stat(3, 1, None)))).judge("a", &stat(3, 1, None)),
            Verdict::Unclear
        );
        assert_eq!(with(record("new", 3, None)).judge("a", &stat(3, 1, None)), Verdict::Unclear);
        assert_eq!(
            with(record("new", 4, None)).judge("a", &stat(3, 1, None)),
            Verdict::Known(Box::new(old.clone()))
        );
        let old = record("old", 3, Some(stat(3, 1, Some("t"))));
        let row =
            Row { stands: Some(old.clone()), intended: Some(Intent::Put(Box::new(record("new", 3, None)))) };
        assert_eq!(row.judge("a", &stat(3, 9, Some("t"))), Verdict::Known(Box::new(old)));
    }

    #[test]
    fn what_adopting_a_file_finds_out_is_a_guess_and_what_a_client_has_told_is_none() {
        let text = |record: &Record| serde_json::to_string(record).expect("a text");
        let guess = Record::adopted("a".into(), stat(3, 1, None), [0; 16]);
        assert!(is_guess(&text(&guess)));
        let checksum = Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).map(ObjectChecksum::full);
        let mut tagged = guess.clone();
        tagged.attributes.content_type = Some("a/b".into());
        for told in [Record { checksum, ..guess }, tagged] {
            assert!(!is_guess(&text(&told)), "{told:?}");
        }
        assert!(!is_guess("no record"));
    }

    #[test]
    fn the_first_stored_format_is_still_read() {
        let stands = r#"{"v":1,"path":"p/a","size":3,"stat":{"size":3,"modified":5,"tag":"t"},"modified":7,"etag":"e","content_type":"a/b",
            "parts":{"runs":[[1,1,3]]},"upload":"u"}"#;
        for (intended, expected) in
            [(r#""delete""#, true), (r#"{"put":{"v":1,"path":"a","size":0,"modified":0,"etag":"e"}}"#, false)]
        {
            let key = ObjectKey::new("a").expect("a key");
            let row = Row::read(Some(ObjectRow {
                key: key.clone(),
                stands: Some(stands.into()),
                intended: Some(intended.into()),
            }))
            .expect("reads");
            assert_eq!(row.intended == Some(Intent::Delete), expected);
            assert_eq!(row.stands.as_ref().map(|record| record.parts().len()), Some(1));
            assert_eq!(Row::read(Some(row.write(&key).expect("writes"))).expect("reads"), row);
        }
    }

    #[test]
    fn records_are_written_as_ever() {
        let of = |info: ObjectInfo, upload: Option<UploadId>| {
            let ObjectInfo { size, etag, last_modified, attributes, checksum, parts, .. } = info;
            let parts = upload.map(|upload| (parts, upload));
            (last_modified, Identity { size, etag, attributes, checksum, parts })
        };
        let (full, upload) = records::full();
        let (at, identity) = of(full, Some(upload));
        let full = Record::new("a/b".into(), Some(stat(13, 5, Some("t"))), at, identity);
        let (at, identity) = of(records::plain(), None);
        let plain = Record::new("a/b".into(), None, at, identity);
        let key = ObjectKey::new("a/b").expect("a key");
        let rows = [Intent::Put(Box::new(plain)), Intent::Delete].map(|intent| {
            let row = Row { stands: Some(full.clone()), intended: Some(intent) };
            let stored = row.write(&key).expect("writes");
            assert_eq!(Row::read(Some(stored.clone())).expect("reads"), row);
            [stored.stands.expect("a record"), stored.intended.expect("an intent")]
        });
        records::is_golden("tree.json", &rows.concat());
    }
}
