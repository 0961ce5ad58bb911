//! The differences between Google Cloud Storage and S3 beyond the names of headers (those are in `Dialect`).
//!
//! GCS stores no tags, no checksums except CRC32C, and no parts, and supports no condition on a multipart
//! upload. So these attributes are in the object's own metadata ([`facts`]). What is known only at the end is
//! published by a copy within the storage, which transfers no bytes, contains the final metadata, and has a
//! precondition on the generation. This is done for a Complete ([`uploads`]), a change of tags or ACL, and a
//! checksum that followed a long body ([`writing`]).
//!
//! Listings use the JSON API, which contains metadata, so an entry has the same attributes as HEAD.
//! Everything else uses the XML API.
//!
//! Invariant: every such copy that could overwrite another write names the object's generation, so that two
//! writers never undo each other. See ADR 0009.

pub(super) mod facts;
mod listing;
mod names;
mod sweep;
mod uploads;
mod writing;

use crate::{
    backend::location::RemoteLocation,
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// The prefix of the names under which uploads assemble their parts. Clients can neither see nor write them.
pub(super) const STAGE: &str = ".causeway-upload-";

/// How often an operation is repeated because the object was replaced meanwhile.
const ROUNDS: usize = 16;

/// Returns the name of a key on the storage.
pub(super) fn name(location: &RemoteLocation, key: &ObjectKey) -> Result<String> {
    match ObjectKey::new(names::encode(key.as_str())) {
        Ok(name) => location.name(&name),
        Err(_) => Err(StoreError::new(
            StoreErrorKind::KeyTooLong,
            "the key is too long once its line ends are escaped",
        )),
    }
}

fn not_ours(key: &ObjectKey) -> Result<()> {
    if key.as_str().starts_with(STAGE) {
        Err(StoreError::new(
            StoreErrorKind::InvalidRequest,
            format!("On this bucket's storage no key begins with {STAGE}"),
        ))
    } else {
        Ok(())
    }
}
