//! The two ends of a transfer, from places that are open.
//!
//! Invariant: local files are listed folder by folder, with the times that they have; everything else is
//! listed flat, with times in the metadata.

use super::{Depth, Entries};
use crate::{
    ends::{Failure, Place, Storage},
    model::ObjectKey,
    transfer::{End, Times, Walk},
};
use std::time::Duration;

/// The unit of the times of local files.
const NANOSECOND: Duration = Duration::from_nanos(1);

/// Returns the folder that was named.
pub fn folder(place: &Place) -> End {
    let end = End::new(place.store.clone(), &place.prefix(), &place.label);
    match place.storage {
        Storage::LocalFiles => end.walked(Walk::Folders).timed(Times::Listed, NANOSECOND),
        Storage::Objects => end,
    }
}

/// Returns one object of a place.
pub fn object(place: &Place, key: &ObjectKey) -> End {
    let end = End::object(place.store.clone(), key, &place.label);
    match place.storage {
        Storage::LocalFiles => end.timed(Times::Listed, NANOSECOND),
        Storage::Objects => end,
    }
}

/// Fails if nothing is below a place. A prefix that was mistyped looks the same.
pub async fn something_below(place: &Place) -> Result<(), Failure> {
    match Entries::below(place, &place.prefix(), Depth::All).next().await? {
        Some(_) => Ok(()),
        None if place.is_missing_directory() => {
            Err(Failure::missing(format!("'{}': there is no such directory", place.label)))
        }
        None => Err(Failure::missing(format!("'{}': there is nothing below it", place.label))),
    }
}
