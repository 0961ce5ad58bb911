//! The form of a record on disk: the object, and the state of the file that the record is for.
//!
//! Does not own where a record is kept (`record`), nor its short form (`compact`).

use crate::store::record::{Field, Form, Slot, Stored};
use serde::{Deserialize, ser::SerializeMap};

pub(super) const VERSION: u8 = 1;

/// The stored form, version 1: the object, and the state of the file that the record is for.
pub(super) type Record = Stored<Stamp>;

/// Fields are only ever added, each with a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Stamp {
    pub(super) v: u8,
    pub(super) mtime_ns: i64,
}

impl Stamp {
    pub(super) fn new(mtime_ns: i64) -> Self {
        Self { v: VERSION, mtime_ns }
    }
}

impl Form for Stamp {
    const ORDER: &'static [Slot] =
        &[Slot::Own("v"), Slot::Of(Field::Size), Slot::Own("mtime_ns"), Slot::Rest];

    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        match name {
            "v" => map.serialize_entry(name, &self.v),
            "mtime_ns" => map.serialize_entry(name, &self.mtime_ns),
            _ => Ok(()),
        }
    }
}
