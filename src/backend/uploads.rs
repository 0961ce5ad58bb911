//! Ids of uploads, for drivers whose storage has none or others.

use crate::{
    model::{Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// In order of time, so that the uploads of one key are listed in it, and unguessable.
pub fn new_id(now: Timestamp) -> Result<UploadId> {
    let mut random = [0; 16];
    let failed = |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    let id = format!("{:012x}{}", now.millis().max(0), hex::encode(random));
    UploadId::parse(&id).ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "an id of hex digits was refused"))
}
