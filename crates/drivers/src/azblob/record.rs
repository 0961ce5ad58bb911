//! The attributes of an object that Azure has no field for: one entry of the blob's metadata, as JSON in
//! ASCII.
//!
//! This is a stored format: fields are only ever added. Invariant: a record counts only for the bytes that it
//! was written for. If another program replaced the blob or appended to it and kept the entry, the blob has
//! no valid record.

use super::fields::FIELDS;
use crate::{
    model::{Attributes, Timestamp},
    store::record::{Field, Form, Slot, Stored},
};
use serde::{Deserialize, Serialize, ser::SerializeMap};
use std::{collections::BTreeMap, fmt::Write};

/// The object, but for what its blob says itself, and in which the blob differs.
pub(super) type Record = Stored<Beside>;

/// What the record says of the blob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Beside {
    /// The object's time, if Azure's own time is later, because changing tags changes it.
    pub(super) modified: Option<Timestamp>,
    /// Attributes that differ from the blob's own headers, by field; `None` means that the object does not
    /// have it.
    pub(super) headers: BTreeMap<String, Option<String>>,
    pub(super) elsewhere: Option<Elsewhere>,
}

impl Form for Beside {
    const ORDER: &'static [Slot] = &[
        Slot::Of(Field::ETag),
        Slot::Of(Field::Size),
        Slot::Of(Field::Checksum),
        Slot::Own("modified"),
        Slot::Own("headers"),
        Slot::Of(Field::Tags),
        Slot::Of(Field::Acl),
        Slot::Of(Field::Owner),
        Slot::Of(Field::Parts),
        Slot::Of(Field::Upload),
        Slot::Of(Field::Version),
        Slot::Of(Field::Lock),
        Slot::Of(Field::Sealed),
        Slot::Of(Field::Restore),
        Slot::Own("elsewhere"),
    ];

    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        match name {
            "modified" if self.modified.is_some() => map.serialize_entry(name, &self.modified),
            "headers" if !self.headers.is_empty() => map.serialize_entry(name, &self.headers),
            "elsewhere" if self.elsewhere.is_some() => map.serialize_entry(name, &self.elsewhere),
            _ => Ok(()),
        }
    }
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

pub(super) fn parse(text: &str) -> Option<Record> {
    serde_json::from_str(text).ok()
}

/// A record in printable ASCII, without two blanks in a row: as it is, it can be a header.
pub(super) fn text(record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Beyond its strings, compact JSON has no blank.
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

/// Returns whether a record is for a blob of this size and, where Azure knows it, this MD5.
pub(super) fn fits(Record { object, .. }: &Record, size: u64, md5: Option<[u8; 16]>) -> bool {
    let same = |mine: [u8; 16]| md5.is_none_or(|theirs| theirs == mine);
    object.size == size && object.etag.as_md5().is_none_or(same)
}

/// Puts what a record says over what the blob's own headers say.
pub(super) fn apply(Record { own, object }: &Record, attributes: &mut Attributes) {
    attributes.tags = object.attributes.tags.clone();
    attributes.acl = object.attributes.acl.clone();
    attributes.owner = object.attributes.owner.clone();
    for field in FIELDS {
        if let Some(value) = own.headers.get(field.name) {
            *(field.of_mut)(attributes) = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{headers::Draft, metadata::is_plain};
    use super::*;
    use crate::{records, store::record::ObjectRecord};
    use proptest::prelude::*;

    #[test]
    fn a_record_is_a_header_and_comes_back() {
        let full = Draft { object: records::full(), keeps_time: true };
        let mut record = full.record(&full.native());
        record.own.elsewhere = Some(Elsewhere { id: "e".into(), user: true, tags: 3 });
        assert!(is_plain(&text(&record)), "{}", text(&record));
        assert_eq!(parse(&text(&record)), Some(record));
    }

    #[test]
    fn a_field_is_either_in_the_record_or_in_the_blob() {
        // Azure has no storage class and no encryption of S3's.
        let of_the_blob = |field: &Field| {
            let name = field.name();
            let others = [Field::Modified, Field::User, Field::StorageClass, Field::Encryption];
            others.contains(field) || FIELDS.iter().any(|header| header.name == name)
        };
        for field in Field::ALL {
            assert_ne!(Beside::ORDER.contains(&Slot::Of(*field)), of_the_blob(field), "{field:?}");
        }
    }

    #[test]
    fn records_of_the_first_version_are_read() {
        let first = r#"{"etag":"0101010101010101010101010101010101-1","size":3}"#;
        let record = parse(first).expect("parses");
        assert_eq!(
            (record.object.etag.as_str(), record.object.size, text(&record).as_str()),
            ("0101010101010101010101010101010101-1", 3, first)
        );
        let plain = Record { object: records::plain(), ..record };
        assert!(fits(&plain, 3, None) && fits(&plain, 3, Some([1; 16])));
        assert!(!fits(&plain, 4, None) && !fits(&plain, 3, Some([2; 16])));
    }

    proptest! {
        #[test]
        fn every_record_comes_back(object in records::any_record(), keeps_time in any::<bool>()) {
            let draft = Draft { object, keeps_time };
            let native = draft.native();
            let read = parse(&text(&draft.record(&native))).expect("parses");
            let mut attributes =
                Attributes { user: draft.object.attributes.user.clone(), ..native };
            apply(&read, &mut attributes);
            let modified = read.own.modified.unwrap_or(draft.object.modified);
            let mut expected = draft.object;
            // Azure keeps neither.
            (expected.attributes.storage_class, expected.attributes.encryption) = (None, None);
            prop_assert_eq!(ObjectRecord { modified, attributes, ..read.object }, expected);
            prop_assert_eq!(read.own.modified.is_some(), keeps_time);
        }
    }
}
