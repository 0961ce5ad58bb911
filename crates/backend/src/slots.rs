//! The slots of parts of uploads in files that can be written at any offset, so that completing an upload
//! copies nothing.
//!
//! Parts of one size `U` share one file, with part `n` at offset `(n-1)·U`. A shorter part gets its slot too,
//! because it may be the last one. So if the parts are uniform, which they nearly always are, Complete
//! truncates that file and gives it its name. A part that has no free slot (sent again, or of another size)
//! gets a file of its own, and only such parts are moved by Complete. This module is pure: the drivers own
//! the files.
//!
//! Invariants: a slot with an acknowledged part is never given to another part before the upload ends; a file
//! becomes an object only while no write to any of its slots can be in flight, because a late write would
//! change the object.

use crate::{
    catalog::PartRecord,
    model::{ObjectPart, PartNumber},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The slots of one upload.
#[derive(Debug, Default)]
pub struct Slots {
    /// The largest part seen: the size of the slots that new parts get.
    unit: u64,
    /// The slots that contain a recorded part or are being written to.
    taken: HashSet<(u64, u16)>,
    /// The units of all slots that were ever given to a part: their files may exist.
    units: BTreeSet<u64>,
    /// The taken slots to which writes may be in flight.
    open: HashSet<(u64, u16)>,
    /// An object is being made of the slots: no more are given to parts.
    are_sealed: bool,
}

impl Slots {
    /// Returns the slots that the recorded parts use.
    pub fn of(recorded: &[PartRecord]) -> Self {
        let mut slots = Self::default();
        for part in recorded {
            if let Some(Location::Slot(unit)) = Location::parse(&part.location) {
                slots.unit = slots.unit.max(unit);
                slots.units.insert(unit);
                slots.taken.insert((unit, part.number.get()));
            }
        }
        slots
    }

    /// Returns a slot for a part of this length, if the length is known and the slot is free. `longest` is
    /// the size of the largest file that the storage supports.
    pub fn take(&mut self, number: PartNumber, length: Option<u64>, longest: u64) -> Option<Location> {
        let length = length.filter(|length| *length > 0)?;
        self.unit = self.unit.max(length);
        let fits = u64::from(number.get()).checked_mul(self.unit).is_some_and(|end| end <= longest);
        let is_given = fits && !self.are_sealed && self.taken.insert((self.unit, number.get()));
        is_given.then(|| {
            self.units.insert(self.unit);
            self.open.insert((self.unit, number.get()));
            Location::Slot(self.unit)
        })
    }

    /// Must be called when all bytes of a part are in its slot.
    pub fn filled(&mut self, number: PartNumber, unit: u64) {
        self.open.remove(&(unit, number.get()));
    }

    /// Gives no more slots to parts until [`Self::unseal`].
    pub fn seal(&mut self) {
        self.are_sealed = true;
    }

    pub fn unseal(&mut self) {
        self.are_sealed = false;
    }

    /// Returns whether writes to a file of slots may be in flight.
    pub fn are_written_to(&self, file: &Location) -> bool {
        self.open.iter().any(|(unit, _)| Location::Slot(*unit) == *file)
    }

    /// Returns the files with a slot that was ever given to a part.
    pub fn files(&self) -> impl Iterator<Item = Location> {
        self.units.iter().map(|unit| Location::Slot(*unit))
    }

    /// Frees a slot. Its bytes must not be needed any more, and no write to it may be in flight.
    pub fn free(&mut self, number: PartNumber, unit: u64) {
        self.taken.remove(&(unit, number.get()));
        self.open.remove(&(unit, number.get()));
    }
}

/// The location of a part's bytes, as the catalog stores it: `u<unit>`, or the name of a file of its own,
/// which begins with another letter. Both are file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Slot(u64),
    Own(String),
}

impl Location {
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('u') {
            Some(unit) => unit.parse().ok().map(Self::Slot),
            None => (!text.is_empty()).then(|| Self::Own(text.to_owned())),
        }
    }

    pub fn file(&self) -> String {
        match self {
            Self::Slot(unit) => format!("u{unit}"),
            Self::Own(name) => name.clone(),
        }
    }

    pub fn offset(&self, number: PartNumber) -> u64 {
        match self {
            Self::Slot(unit) => (u64::from(number.get()) - 1) * unit,
            Self::Own(_) => 0,
        }
    }
}

/// The location of one part, and its offset in the object.
#[derive(Debug)]
pub struct Move {
    pub location: Location,
    pub from: u64,
    pub to: u64,
    pub size: u64,
}

/// Returns the moves that make an object of these parts.
pub fn moves(parts: &[ObjectPart], recorded: &[PartRecord]) -> Result<Vec<Move>> {
    let recorded: HashMap<u16, &PartRecord> = recorded.iter().map(|part| (part.number.get(), part)).collect();
    let mut to = 0;
    let one = |part: &ObjectPart| {
        let found = recorded.get(&part.number).ok_or(StoreErrorKind::InvalidPart)?;
        let location = Location::parse(&found.location).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Internal,
                format!("unknown location of a part: {}", found.location),
            )
        })?;
        let from = location.offset(found.number);
        let part = Move { location, from, to, size: found.size };
        to += found.size;
        Ok(part)
    };
    parts.iter().map(one).collect()
}

/// Returns the file of slots that becomes the object: the one with the most bytes, if every part in it is at
/// its final offset.
pub fn base(moves: &[Move]) -> Option<Location> {
    let mut bytes: HashMap<u64, Option<u64>> = HashMap::new();
    for part in moves {
        if let Location::Slot(unit) = part.location {
            let total = bytes.entry(unit).or_insert(Some(0));
            *total = total.filter(|_| part.from == part.to).map(|total| total + part.size);
        }
    }
    let best = bytes.into_iter().filter_map(|(unit, total)| Some((total?, unit))).max()?;
    Some(Location::Slot(best.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::MAX_PART_NUMBER,
        store::multipart::{MAX_OBJECT_SIZE, MAX_PART_SIZE},
    };

    fn number(n: u16) -> PartNumber {
        PartNumber::new(n).expect("a part number")
    }

    #[test]
    fn a_file_is_written_to_from_the_moment_a_slot_is_given_out_until_it_is_filled_or_free() {
        let mut slots = Slots::default();
        let file = slots.take(number(1), Some(8), MAX_OBJECT_SIZE).expect("is free");
        assert!(slots.are_written_to(&file) && !slots.are_written_to(&Location::Slot(9)));
        slots.filled(number(1), 8);
        assert!(!slots.are_written_to(&file));
        assert_eq!(slots.take(number(1), Some(8), MAX_OBJECT_SIZE), None, "the part that is there stays");
        let file = slots.take(number(2), Some(8), MAX_OBJECT_SIZE).expect("is free");
        slots.free(number(2), 8);
        assert!(!slots.are_written_to(&file));
        assert!(slots.take(number(2), Some(8), MAX_OBJECT_SIZE).is_some());
    }

    #[test]
    fn the_file_of_a_part_that_failed_is_remembered_until_its_upload_ends() {
        let mut slots = Slots::default();
        slots.take(number(1), Some(8), MAX_OBJECT_SIZE).expect("is free");
        slots.free(number(1), 8);
        assert_eq!(slots.files().collect::<Vec<_>>(), [Location::Slot(8)]);
    }

    #[test]
    fn nobody_gets_a_slot_while_an_object_is_made_of_them() {
        let mut slots = Slots::default();
        slots.seal();
        assert_eq!(slots.take(number(1), Some(8), MAX_OBJECT_SIZE), None);
        slots.unseal();
        assert!(slots.take(number(1), Some(8), MAX_OBJECT_SIZE).is_some());
    }

    #[test]
    fn every_part_of_the_largest_object_has_a_slot_unless_the_storage_takes_no_file_of_that_size() {
        let last = number(MAX_PART_NUMBER);
        let file = Slots::default().take(last, Some(MAX_PART_SIZE), MAX_OBJECT_SIZE).expect("fits");
        assert_eq!(file.offset(last) + MAX_PART_SIZE, MAX_OBJECT_SIZE);
        assert_eq!(Slots::default().take(last, Some(MAX_PART_SIZE), MAX_OBJECT_SIZE - 1), None);
        assert!(Slots::default().take(number(1), Some(8), 8).is_some());
    }
}
