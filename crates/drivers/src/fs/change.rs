//! A change of one key: announced to listings, which wait for it, and noted for the case that this process is
//! killed.
//!
//! Invariant: the note is written before the disk changes, and both end when the index has the change.

use super::{Inner, journal::Slot, staging::Staging};
use crate::{
    backend::changes::Changing,
    catalog::BucketId,
    model::ObjectKey,
    store::{Result, error::StoreError},
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct KeyChange {
    _announced: Changing,
    slot: Slot,
    bucket: BucketId,
    key: ObjectKey,
    staging: Arc<Staging>,
}

impl KeyChange {
    /// Must be called under the key's lock. It waits for nothing.
    pub(super) fn begin(inner: &Inner, key: &ObjectKey) -> Arc<Self> {
        let staging = inner.volume.staging.clone();
        Arc::new(Self {
            _announced: inner.changes.begin(key),
            slot: staging.journal.take(),
            bucket: inner.bucket,
            key: key.clone(),
            staging,
        })
    }

    /// Must be called before the disk changes, on a thread that may block.
    pub(super) fn note(&self) -> Result<()> {
        let Err(error) = self.slot.note(self.bucket, &self.key) else { return Ok(()) };
        // A full disk must not prevent a change that frees space: the next start scans everything, if this
        // process is killed.
        self.staging.distrust().map_err(|_| StoreError::io("noting a change", error))
    }
}
