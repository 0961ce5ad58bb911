//! One of the two places of a bucket that migrates.

use crate::{
    backend::{OpenedBucket, migration::Site},
    store::{Capabilities, Keeping, Store},
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) site: Site,
    pub(super) opened: OpenedBucket,
}

impl Place {
    /// The store that requests are sent to.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.opened.store
    }

    /// The store that says what the storage has now.
    pub(super) fn uncached(&self) -> &Arc<dyn Store> {
        &self.opened.uncached
    }
}

/// What both places keep. Conditions are those of the truth, which checks them.
pub(super) fn common(truth: Capabilities, other: Capabilities) -> Capabilities {
    let both = |one, two| if (one, two) == (Keeping::Kept, Keeping::Kept) { one } else { Keeping::NotKept };
    Capabilities {
        checksums: both(truth.checksums, other.checksums),
        tags: both(truth.tags, other.tags),
        object_acls: both(truth.object_acls, other.object_acls),
        versions: both(truth.versions, other.versions),
        parts: both(truth.parts, other.parts),
        storage_classes: both(truth.storage_classes, other.storage_classes),
        encryption: both(truth.encryption, other.encryption),
        needs_length: truth.needs_length || other.needs_length,
        ..truth
    }
}
