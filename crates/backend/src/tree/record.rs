//! The record: what Causeway knows about an object beyond its file. It is kept in the catalog, because such
//! storage has no field for it.
//!
//! Invariant: a record counts only while the storage reports the same about the file as when the record was
//! made. A file that was changed outside the gateway is a foreign file and is never served under an old ETag.

use super::files::Stat;
use crate::{
    catalog::{IndexRow, ObjectRow},
    model::{ETag, ObjectKey, Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        record::{Field, Form, ObjectRecord, Slot, Stored},
    },
};
use serde::{Deserialize, Serialize, ser::SerializeMap};

const VERSION: u8 = 1;

/// The stored form, version 1: the object, and its file.
pub(super) type Record = Stored<File>;

/// The file that a record is of. Fields are only ever added, each with a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct File {
    v: u8,
    /// The path below the bucket's folder.
    pub(super) path: String,
    /// What the storage reports about the file. `None` only in pending changes: it was not known before
    /// publishing.
    #[serde(default)]
    pub(super) stat: Option<Stat>,
}

impl Form for File {
    const ORDER: &'static [Slot] =
        &[Slot::Own("v"), Slot::Own("path"), Slot::Of(Field::Size), Slot::Own("stat"), Slot::Rest];

    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> std::result::Result<(), M::Error> {
        match name {
            "v" => map.serialize_entry(name, &self.v),
            "path" => map.serialize_entry(name, &self.path),
            "stat" if self.stat.is_some() => map.serialize_entry(name, &self.stat),
            _ => Ok(()),
        }
    }
}

impl File {
    pub(super) fn new(path: String, stat: Option<Stat>) -> Self {
        Self { v: VERSION, path, stat }
    }

    /// The same file, with what the storage reports about it now.
    pub(super) fn reported(self, stat: Stat) -> Self {
        Self { stat: Some(stat), ..self }
    }

    pub(super) fn is(&self, stat: &Stat) -> bool {
        self.stat.as_ref().is_some_and(|known| known.is_same(stat))
    }

    /// Returns whether the storage's tag of the file is the recorded one.
    pub(super) fn has_tag_of(&self, stat: &Stat) -> bool {
        stat.tag.is_some()
            && self.stat.as_ref().is_some_and(|known| known.tag == stat.tag && known.size == stat.size)
    }
}

/// Makes the record of a file that was created outside Causeway.
pub(super) fn adopted(path: String, stat: Stat, md5: [u8; 16]) -> Record {
    let modified = stat.modified.unwrap_or_else(Timestamp::now);
    let object = ObjectRecord::new(stat.size, modified, ETag::from_md5(md5));
    Record { own: File::new(path, Some(stat)), object }
}

/// How listings show an object.
pub(super) fn row(key: &ObjectKey, record: &Record) -> IndexRow {
    let fingerprint = record.own.stat.as_ref().map(fingerprint).unwrap_or_default();
    IndexRow::of(key, &record.object, fingerprint)
}

/// Returns whether a stored record contains no more than what adopting a file finds again: an object that a
/// client put has at least a checksum.
pub(super) fn is_guess(committed: &str) -> bool {
    serde_json::from_str::<Record>(committed).is_ok_and(|Record { object, .. }| {
        let ObjectRecord { size, modified, etag, .. } = object.clone();
        object == ObjectRecord::new(size, modified, etag)
    })
}

/// Returns what a client sees of a foreign file. The `-0` in its ETag shows that it is not an MD5.
pub(super) fn foreign(stat: &Stat) -> ObjectRecord {
    let provisional = || {
        let digest = ring::digest::digest(&ring::digest::SHA256, &fingerprint(stat));
        ETag::opaque(format!("{}-0", hex::encode(&digest.as_ref()[..16])))
    };
    let etag = stat.md5.map_or_else(provisional, ETag::from_md5);
    ObjectRecord::new(stat.size, stat.modified.unwrap_or_else(|| Timestamp::from_millis(0)), etag)
}

pub(super) fn foreign_row(key: &ObjectKey, stat: &Stat) -> IndexRow {
    IndexRow::of(key, &foreign(stat), fingerprint(stat))
}

/// Returns what the storage reported, in the form that index rows store.
pub(super) fn fingerprint(stat: &Stat) -> Vec<u8> {
    serde_json::to_vec(stat).unwrap_or_default()
}

pub(super) fn is_fingerprint_of(bytes: &[u8], stat: &Stat) -> bool {
    serde_json::from_slice::<Stat>(bytes).is_ok_and(|known| known.is_same(stat))
}

/// A pending change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Intent {
    Put(Box<Record>),
    Delete,
}

/// The catalog's row of a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) committed: Option<Record>,
    pub(super) pending: Option<Intent>,
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
        Ok(Self { committed: parse(row.committed)?, pending: parse(row.pending)? })
    }

    pub(super) fn write(&self, key: &ObjectKey) -> Result<ObjectRow> {
        fn text<T: Serialize>(value: &Option<T>) -> Result<Option<String>> {
            let failed = |error| {
                StoreError::new(StoreErrorKind::Internal, "a record cannot be written").with_source(error)
            };
            value.as_ref().map(|value| serde_json::to_string(value).map_err(failed)).transpose()
        }
        Ok(ObjectRow { key: key.clone(), committed: text(&self.committed)?, pending: text(&self.pending)? })
    }

    /// Returns whether the change came from this upload.
    pub(super) fn is_of_upload(&self, upload: &UploadId) -> bool {
        let pending = match &self.pending {
            Some(Intent::Put(record)) => Some(&**record),
            _ => None,
        };
        [self.committed.as_ref(), pending]
            .into_iter()
            .flatten()
            .any(|record| record.object.upload.as_ref() == Some(upload))
    }

    /// Decides which record a file at `path` belongs to.
    pub(super) fn judge(&self, path: &str, stat: &Stat) -> Verdict {
        let put = match &self.pending {
            Some(Intent::Put(record)) if record.own.path == path => Some(&**record),
            _ => None,
        };
        let committed =
            self.committed.as_ref().filter(|record| record.own.path == path && record.own.is(stat));
        let arrived = put.filter(|record| record.own.is(stat));
        // The new file can look like the old one only if nothing but size and time distinguishes files.
        let unforeseen = put.is_some_and(|record| {
            record.own.stat.is_none() && record.object.size == stat.size && stat.tag.is_none()
        });
        match (committed, arrived) {
            (Some(record), None) if !unforeseen => Verdict::Known(Box::new(record.clone())),
            (None, Some(record)) => Verdict::Known(Box::new(record.clone())),
            (None, None) if self.pending.is_none() => Verdict::Foreign,
            _ => Verdict::Unclear,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Known(Box<Record>),
    Foreign,
    /// A change is in progress or was interrupted: the holder of the key's lock can find out which.
    Unclear,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Checksum, ChecksumAlgorithm, ObjectChecksum},
        records,
    };
    use proptest::prelude::*;

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
        let object = ObjectRecord::new(size, Timestamp::from_millis(0), ETag::parse(etag));
        Record { own: File::new("a".into(), stat), object }
    }

    #[test]
    fn a_file_is_known_by_what_the_storage_says_of_it() {
        let old = record("old", 3, Some(stat(3, 1, None)));
        let row = Row { committed: Some(old.clone()), pending: None };
        assert_eq!(row.judge("a", &stat(3, 1, None)), Verdict::Known(Box::new(old.clone())));
        assert_eq!(row.judge("a", &stat(3, 2, None)), Verdict::Foreign);
        assert_eq!(row.judge("b", &stat(3, 1, None)), Verdict::Foreign);
        let new = record("new", 3, Some(stat(3, 2, None)));
        let row = Row { committed: Some(old.clone()), pending: Some(Intent::Put(Box::new(new.clone()))) };
        assert_eq!(row.judge("a", &stat(3, 1, None)), Verdict::Known(Box::new(old.clone())));
        assert_eq!(row.judge("a", &stat(3, 2, None)), Verdict::Known(Box::new(new)));
        assert_eq!(row.judge("a", &stat(4, 2, None)), Verdict::Unclear);
    }

    #[test]
    fn what_cannot_be_told_from_what_is_to_come_is_unclear() {
        let old = record("old", 3, Some(stat(3, 1, None)));
        let with =
            |new: Record| Row { committed: Some(old.clone()), pending: Some(Intent::Put(Box::new(new))) };
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
        let row = Row {
            committed: Some(old.clone()),
            pending: Some(Intent::Put(Box::new(record("new", 3, None)))),
        };
        assert_eq!(row.judge("a", &stat(3, 9, Some("t"))), Verdict::Known(Box::new(old)));
    }

    #[test]
    fn what_adopting_a_file_finds_out_is_a_guess_and_what_a_client_has_told_is_none() {
        let text = |record: &Record| serde_json::to_string(record).expect("a text");
        let guess = adopted("a".into(), stat(3, 1, None), [0; 16]);
        assert!(is_guess(&text(&guess)));
        let (mut with_checksum, mut tagged) = (guess.clone(), guess);
        with_checksum.object.checksum =
            Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).map(ObjectChecksum::full);
        tagged.object.attributes.content_type = Some("a/b".into());
        for told in [with_checksum, tagged] {
            assert!(!is_guess(&text(&told)), "{told:?}");
        }
        assert!(!is_guess("no record"));
    }

    #[test]
    fn the_first_stored_format_is_still_read() {
        let committed = r#"{"v":1,"path":"p/a","size":3,"stat":{"size":3,"modified":5,"tag":"t"},"modified":7,"etag":"e","content_type":"a/b",
            "parts":{"runs":[[1,1,3]]},"upload":"u"}"#;
        for (pending, expected) in
            [(r#""delete""#, true), (r#"{"put":{"v":1,"path":"a","size":0,"modified":0,"etag":"e"}}"#, false)]
        {
            let key = ObjectKey::new("a").expect("a key");
            let row = Row::read(Some(ObjectRow {
                key: key.clone(),
                committed: Some(committed.into()),
                pending: Some(pending.into()),
            }))
            .expect("reads");
            assert_eq!(row.pending == Some(Intent::Delete), expected);
            assert_eq!(row.committed.as_ref().map(|record| record.object.parts.list().len()), Some(1));
            assert_eq!(Row::read(Some(row.write(&key).expect("writes"))).expect("reads"), row);
        }
    }

    fn put(object: ObjectRecord, stat: Option<Stat>) -> Record {
        Record { own: File::new("a/b".into(), stat), object }
    }

    #[test]
    fn records_are_written_as_ever() {
        let full = put(records::full(), Some(stat(13, 5, Some("t"))));
        let plain = put(records::plain(), None);
        let key = ObjectKey::new("a/b").expect("a key");
        let rows = [Intent::Put(Box::new(plain)), Intent::Delete].map(|intent| {
            let row = Row { committed: Some(full.clone()), pending: Some(intent) };
            let stored = row.write(&key).expect("writes");
            assert_eq!(Row::read(Some(stored.clone())).expect("reads"), row);
            [stored.committed.expect("a record"), stored.pending.expect("an intent")]
        });
        records::is_golden("tree.json", &rows.concat());
    }

    proptest! {
        #[test]
        fn every_record_comes_back(
            object in records::any_record(),
            new in records::any_record(),
            at in 0..1i64 << 40,
        ) {
            let key = ObjectKey::new("a/b").expect("a key");
            let row = Row {
                committed: Some(put(object, Some(stat(3, at, None)))),
                pending: Some(Intent::Put(Box::new(put(new, None)))),
            };
            prop_assert_eq!(Row::read(Some(row.write(&key).expect("writes"))).expect("reads"), row);
        }
    }
}
