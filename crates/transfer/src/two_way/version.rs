//! An object as one end had it, and whether the end still has it.
//!
//! Invariant: an object counts as the same version only if its size and its ETag are the same, or if one of
//! the two ETags is provisional and the times are the same. Files in folders show a provisional ETag, which
//! ends with `-0`, until their bytes were read.

use crate::{
    end::End,
    listing::Entry,
    model::{ETag, ObjectInfo, Timestamp},
    store::{
        ListedObject, Written,
        error::{StoreError, StoreErrorKind},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) size: u64,
    pub(crate) etag: ETag,
    pub(crate) modified: Timestamp,
}

/// What both ends had of one name: the source's version and the destination's.
pub(crate) type Base = (Version, Version);

impl Version {
    pub(crate) fn of(object: &ListedObject) -> Self {
        Self { size: object.size, etag: object.etag.clone(), modified: object.last_modified }
    }

    pub(crate) fn of_info(info: &ObjectInfo) -> Self {
        Self { size: info.size, etag: info.etag.clone(), modified: info.last_modified }
    }

    pub(crate) fn of_written(size: u64, written: &Written) -> Self {
        Self { size, etag: written.etag.clone(), modified: written.last_modified }
    }

    /// Returns whether no condition can name this version by its ETag.
    pub(crate) fn is_provisional(&self) -> bool {
        self.etag.as_str().ends_with("-0")
    }

    /// Returns whether both are surely one version.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let by_time = (self.is_provisional() || other.is_provisional()) && self.modified == other.modified;
        self.size == other.size && (self.etag == other.etag || by_time)
    }

    /// Returns the entry that a listing of the end had for it.
    pub(crate) fn entry(&self, end: &End, name: &str) -> Result<Entry, StoreError> {
        let key = end.key(name).map_err(|error| {
            let why = format!("the name has no key at {}", end.label());
            StoreError::new(StoreErrorKind::KeyTooLong, why).with_source(error)
        })?;
        let object = ListedObject {
            key,
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified,
            checksum: None,
            storage_class: None,
            owner: None,
        };
        Entry::new(end, object).ok_or_else(|| StoreErrorKind::Internal.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_by_its_etag_and_by_its_time_only_where_an_etag_is_provisional() {
        let version = |etag: &str, millis| Version {
            size: 3,
            etag: ETag::opaque(etag),
            modified: Timestamp::from_millis(millis),
        };
        assert!(version("a", 1).is(&version("a", 2)));
        assert!(!version("a", 1).is(&version("b", 1)));
        assert!(version("x-0", 1).is(&version("a", 1)) && version("a", 1).is(&version("x-0", 1)));
        assert!(!version("x-0", 1).is(&version("y-0", 2)));
        assert!(!Version { size: 4, ..version("a", 1) }.is(&version("a", 1)));
    }
}
