//! What Google Cloud Storage does otherwise than S3, beyond the names of headers (those are `Dialect`'s).
//!
//! GCS keeps no tags, no checksums but CRC32C, and no parts, and takes no condition on a multipart upload. So
//! those facts lie in the object's own metadata ([`facts`]), and whatever is only known in the end is
//! published by a copy within the storage, which moves no bytes, carries the final metadata, and happens
//! under a generation precondition: a Complete ([`uploads`]), a change of tags or ACL, and the checksum that
//! came behind a long body ([`writing`]).
//!
//! Listings come by the JSON API, which shows metadata: an entry says what HEAD says. All else is the XML
//! API.
//!
//! Invariant: an object's generation is named in every such copy that has something to lose, so that two
//! writers never undo each other. See ADR 0009.

pub(super) mod facts;
mod listing;
mod names;
mod sweep;
mod uploads;
mod writing;

use crate::{
    backend::place::Place,
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// Uploads assemble their parts under names that begin so; clients neither see nor write them.
pub(super) const STAGE: &str = ".causeway-upload-";

/// How often something is begun anew because the object was replaced meanwhile.
const ROUNDS: usize = 16;

/// Returns the name of a key on the storage.
pub(super) fn name(place: &Place, key: &ObjectKey) -> Result<String> {
    match ObjectKey::new(names::encode(key.as_str())) {
        Ok(name) => place.name(&name),
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
