//! What is known about a replicated object: the stored form, and its meaning.
//!
//! Invariants:
//! - the record, not any replica, says what an object is; a replica holds the object only while its own ETag
//!   is the one that the record has for it, so a copy that arrived late or was changed outside the gateway is
//!   never served;
//! - a deleted object keeps its record until every replica has confirmed the deletion.

use crate::{
    catalog::ObjectRow,
    model::{ETag, ObjectKey, Replicas, Timestamp},
    store::{
        Result,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const VERSION: u8 = 1;

/// The stored form, version 1. Fields are only ever added, each with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u8,
    pub(super) change: Change,
    /// The replicas that have made the change, by backend.
    pub(super) copies: BTreeMap<String, Copy>,
    /// Backends with a corrupt copy: its bytes differ under the right ETag, as reading them showed. What such
    /// a backend reports does not count until the object was written to it again.
    #[serde(rename = "rotten", skip_serializing_if = "BTreeSet::is_empty", default)]
    pub(super) corrupt: BTreeSet<String>,
    /// Backends of unconfirmed copies: they were not seen to hold their copy since the beginning of a change
    /// that never took effect. A write of that change may have reached them. Repair checks them.
    #[serde(rename = "doubtful", skip_serializing_if = "BTreeSet::is_empty", default)]
    pub(super) unconfirmed: BTreeSet<String>,
    /// A deletion of this object was begun and has had no effect so far: it may still arrive late. If all
    /// copies are gone later, the deletion is the reason.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) may_be_deleted: bool,
}

/// The state that a key changed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Higher than the generation of any earlier state.
    pub(super) generation: u64,
    /// `None` means that the object was deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) object: Option<Box<ObjectRecord>>,
    /// No request decided this change: it is what replicas were found to hold.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) found: bool,
    /// Set for a pending change on top of another pending change, whose outcome was not known. A replica may
    /// have either.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    over: Option<Box<Change>>,
}

/// What one replica has of a change. Empty for a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// The ETag that the replica's storage reports.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) etag: Option<ETag>,
}

/// What is wrong with a replica that should have the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Its storage reports another object, or none.
    Object,
    /// The bytes differ under the right ETag.
    Bytes,
}

/// What a replica is known to hold of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Absent,
    Held(ETag),
    Unknown,
}

/// Whether what a replica shows can be this object.
pub(super) fn may_be(object: &ObjectRecord, size: u64, etag: &ETag) -> bool {
    let same = match (object.etag.as_md5(), etag.as_md5()) {
        (Some(ours), Some(theirs)) => ours == theirs,
        // Made of parts, here or there, or by a storage with its own form of ETag.
        _ => true,
    };
    size == object.size && same
}

impl Change {
    /// Returns whether the change was begun on top of another one with an unknown outcome.
    pub(super) fn supersedes(&self) -> bool {
        self.over.is_some()
    }

    /// Returns the record of this change once it is committed.
    pub(super) fn decided(&self) -> Self {
        Self { over: None, ..self.clone() }
    }

    /// Returns the record of this change if it was found in replicas, not decided.
    pub(super) fn found(&self) -> Self {
        Self { found: true, ..self.decided() }
    }

    /// Returns this change and those that it supersedes, the latest first.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |change| change.over.as_deref())
    }
}

impl Record {
    pub(super) fn new(change: Change) -> Self {
        Self {
            v: VERSION,
            change,
            copies: BTreeMap::new(),
            corrupt: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            may_be_deleted: false,
        }
    }

    /// Returns the record of a change to the current state. Corrupt copies stay marked until they are written
    /// again.
    pub(super) fn after(committed: Option<&Self>, change: Change) -> Self {
        Self {
            corrupt: committed.map(|record| record.corrupt.clone()).unwrap_or_default(),
            ..Self::new(change)
        }
    }

    /// Returns whether its object has this ETag.
    pub(super) fn shows(&self, etag: &ETag) -> bool {
        self.object().is_some_and(|object| object.etag == *etag)
    }

    /// Notes that a replica has made the change.
    pub(super) fn made_by(&mut self, member: String, copy: Copy) {
        self.corrupt.remove(&member);
        self.unconfirmed.remove(&member);
        self.copies.insert(member, copy);
    }

    /// Notes that a replica does not have what it should.
    pub(super) fn lost_by(&mut self, member: &str) {
        self.unconfirmed.remove(member);
        self.copies.remove(member);
    }

    /// Returns whether a replica is known to have made the change.
    pub(super) fn is_at(&self, member: &str) -> bool {
        self.copies.contains_key(member) && !self.unconfirmed.contains(member)
    }

    pub(super) fn object(&self) -> Option<&ObjectRecord> {
        self.change.object.as_deref()
    }

    pub(super) fn known(&self, member: &str) -> Known {
        match (self.copies.get(member).filter(|_| self.is_at(member)), &self.change.object) {
            (None, _) => Known::Unknown,
            (Some(_), None) => Known::Absent,
            (Some(Copy { etag: Some(etag) }), Some(_)) => Known::Held(etag.clone()),
            (Some(Copy { etag: None }), Some(_)) => Known::Unknown,
        }
    }

    /// Returns which of `members` have the object, and which do not have it yet.
    pub(super) fn replicas<'m>(&self, members: impl Iterator<Item = &'m str>) -> Replicas {
        let (current, pending) = members.map(str::to_owned).partition(|name| self.is_at(name));
        Replicas { current, pending }
    }

    pub(super) fn lacks<'m>(&self, mut members: impl Iterator<Item = &'m str>) -> bool {
        members.any(|name| !self.is_at(name))
    }
}

/// What the catalog knows about a key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) committed: Option<Arc<Record>>,
    /// A pending change, whose outcome is not known.
    pub(super) pending: Option<Change>,
    /// Some replica has to be repaired.
    pub(super) wants_repair: bool,
    /// A gateway that was killed left the row in this state. It may have had requests on their way to
    /// replicas.
    pub(super) was_left: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Intent {
    Change(Change),
    Repair,
}

impl Row {
    pub(super) fn parse(row: &ObjectRow) -> Result<Self> {
        let pending = row.pending.as_deref().map(read::<Intent>).transpose()?;
        let (pending, wants_repair) = match pending {
            Some(Intent::Change(change)) => (Some(change), false),
            Some(Intent::Repair) => (None, true),
            None => (None, false),
        };
        let committed = row.committed.as_deref().map(read::<Record>).transpose()?;
        // The outcome was a deletion, and the next kill came before that was checked again.
        let is_unconfirmed = |record: &Record| record.object().is_none() && !record.unconfirmed.is_empty();
        let was_left = pending.is_some() || committed.as_ref().is_some_and(is_unconfirmed);
        Ok(Self { committed: committed.map(Arc::new), pending, wants_repair, was_left })
    }

    pub(super) fn store(&self, key: &ObjectKey) -> Result<ObjectRow> {
        let pending = match (&self.pending, self.wants_repair) {
            (Some(change), _) => Some(Intent::Change(change.clone())),
            (None, true) => Some(Intent::Repair),
            (None, false) => None,
        };
        Ok(ObjectRow {
            key: key.clone(),
            committed: self.committed.as_deref().map(write).transpose()?,
            pending: pending.as_ref().map(write).transpose()?,
        })
    }

    pub(super) fn object(&self) -> Option<&ObjectRecord> {
        self.committed.as_ref()?.object()
    }

    /// Returns whether nothing was changed since `before` was cloned from it.
    pub(super) fn is_still(&self, before: &Self) -> bool {
        let committed = match (&self.committed, &before.committed) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        committed && self.pending == before.pending && self.wants_repair == before.wants_repair
    }

    /// Returns the committed record, to be changed, if it has this generation.
    pub(super) fn committed_of(&mut self, generation: u64) -> Option<&mut Record> {
        let committed = self.committed.as_mut().filter(|record| record.change.generation == generation)?;
        Some(Arc::make_mut(committed))
    }

    pub(super) fn generation(&self) -> u64 {
        let of = |change: Option<&Change>| change.map_or(0, |change| change.generation);
        of(self.committed.as_ref().map(|record| &record.change)).max(of(self.pending.as_ref()))
    }

    pub(super) fn check(&self, conditions: &WriteConditions) -> Result<()> {
        Ok(conditions.check(self.object().map(ObjectRecord::current))?)
    }

    /// Returns the next change. It is later than all earlier ones, by the clock, too: after the row of a key
    /// was removed, a new change must not look older than earlier ones.
    pub(super) fn next(&self, object: Option<Box<ObjectRecord>>) -> Change {
        let clock = u64::try_from(Timestamp::now().millis()).unwrap_or_default() << 8;
        let object = object.map(|mut object| {
            object.modified = self.object().map_or(object.modified, |old| old.modified.max(object.modified));
            object
        });
        Change {
            generation: clock.max(self.generation() + 1),
            object,
            found: false,
            over: self.pending.clone().map(Box::new),
        }
    }

    /// Updates whether the row needs repair. The row of an object that is deleted everywhere is removed.
    /// `is_early` means that requests of a killed gateway may still take effect: replicas that have nothing
    /// may still get something.
    pub(super) fn settle<'m>(&mut self, members: impl Iterator<Item = &'m str>, is_early: bool) {
        if is_early
            && self.was_left
            && let Some(record) = self.committed.as_mut().filter(|record| record.object().is_none())
        {
            let record = Arc::make_mut(record);
            record.unconfirmed.extend(record.copies.keys().cloned());
        }
        let Some(record) = &self.committed else {
            self.wants_repair = false;
            return;
        };
        self.wants_repair = record.lacks(members);
        if !self.wants_repair && record.change.object.is_none() {
            self.committed = None;
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    let wrong = |error| {
        StoreError::new(StoreErrorKind::Internal, "the catalog's record of a replicated object")
            .with_source(error)
    };
    serde_json::from_str(text).map_err(wrong)
}

fn write<T: Serialize>(value: &T) -> Result<String> {
    let wrong = |error| {
        StoreError::new(StoreErrorKind::Internal, "writing the record of a replicated object")
            .with_source(error)
    };
    serde_json::to_string(value).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ObjectPart, UploadId},
        records,
    };
    use proptest::prelude::*;

    fn object(etag: &str) -> Box<ObjectRecord> {
        Box::new(ObjectRecord::new(3, Timestamp::now(), ETag::parse(etag)))
    }

    #[test]
    fn a_row_comes_back_from_the_catalog_as_it_was_stored() {
        let key = ObjectKey::new("a/b").expect("a key");
        let mut row = Row::default();
        let made = object("a").of_parts(
            &[ObjectPart { number: 1, size: 3, checksum: None }],
            UploadId::parse("u").expect("an id"),
        );
        let first = row.next(Some(Box::new(made)));
        let mut record = Record::new(first);
        record.copies.insert("disk".into(), Copy { etag: Some(ETag::parse("x")) });
        row.committed = Some(Arc::new(record));
        for (pending, wants_repair) in [(None, false), (None, true), (Some(row.next(None)), false)] {
            let was_left = pending.is_some();
            let row = Row { pending, wants_repair, was_left, ..row.clone() };
            assert_eq!(Row::parse(&row.store(&key).expect("is stored")).expect("is read"), row);
        }
    }

    #[test]
    fn a_deletion_is_forgotten_once_every_member_confirmed_it() {
        let mut row = Row::default();
        row.committed = Some(Arc::new(Record::new(row.next(None))));
        row.settle(["disk", "lake"].into_iter(), false);
        assert!(row.wants_repair && row.committed.is_some());
        let copies = &mut row.committed_of(row.generation()).expect("stands").copies;
        copies.insert("disk".into(), Copy::default());
        copies.insert("lake".into(), Copy::default());
        row.settle(["disk", "lake"].into_iter(), false);
        assert_eq!(row, Row::default());
    }

    #[test]
    fn a_deletion_that_a_killed_gateway_left_is_remembered_while_a_write_may_still_come() {
        let members = || ["disk", "lake"].into_iter();
        let mut record = Record::new(Row::default().next(None));
        members().for_each(|name| record.made_by(name.into(), Copy::default()));
        let mut row = Row { committed: Some(Arc::new(record)), was_left: true, ..Default::default() };
        row.settle(members(), true);
        assert!(
            row.wants_repair && members().all(|name| !row.committed.as_ref().expect("stands").is_at(name))
        );
        let generation = row.generation();
        let record = row.committed_of(generation).expect("stands");
        members().for_each(|name| record.made_by(name.into(), Copy::default()));
        row.settle(members(), false);
        assert_eq!(row.committed, None);
    }

    #[test]
    fn generations_and_times_never_run_backwards() {
        let mut row = Row::default();
        let mut late = object("a");
        late.modified = Timestamp::from_millis(i64::from(u32::MAX) * 10_000);
        row.committed = Some(Arc::new(Record::new(row.next(Some(late.clone())))));
        let next = row.next(Some(object("b")));
        assert!(next.generation > row.generation());
        assert_eq!(next.object.expect("an object").modified, late.modified);
    }

    #[test]
    fn records_are_written_as_ever() {
        let key = ObjectKey::new("a/b").expect("a key");
        let (full, plain) = (Box::new(records::full()), Box::new(records::plain()));
        let before = Change { generation: 256, object: Some(plain), found: true, over: None };
        let change = Change {
            generation: 512,
            object: Some(full),
            found: false,
            over: Some(Box::new(before.clone())),
        };
        let mut record = Record::new(change.decided());
        record.copies.insert("disk".into(), Copy { etag: Some(ETag::parse("x")) });
        record.copies.insert("lake".into(), Copy::default());
        record.corrupt.insert("disk".into());
        record.unconfirmed.insert("lake".into());
        record.may_be_deleted = true;
        let row = |record: Record, pending: Option<Change>| {
            let (wants_repair, was_left) = (pending.is_none(), pending.is_some());
            let row = Row { committed: Some(Arc::new(record)), pending, wants_repair, was_left };
            let stored = row.store(&key).expect("is stored");
            assert_eq!(Row::parse(&stored).expect("is read"), row);
            [stored.committed.expect("a record"), stored.pending.expect("an intent")]
        };
        let gone = Change { generation: 1024, object: None, found: false, over: None };
        let rows = [row(record, Some(change)), row(Record::new(before), None), row(Record::new(gone), None)];
        records::is_golden("replicate.json", &rows.concat());
    }

    proptest! {
        #[test]
        fn every_record_comes_back(object in records::any_record(), new in records::any_record()) {
            let key = ObjectKey::new("a/b").expect("a key");
            let mut row = Row::default();
            row.committed = Some(Arc::new(Record::new(row.next(Some(Box::new(object))))));
            row.pending = Some(row.next(Some(Box::new(new))));
            row.was_left = true;
            prop_assert_eq!(Row::parse(&row.store(&key).expect("is stored")).expect("is read"), row);
        }
    }
}
