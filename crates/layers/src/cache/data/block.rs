//! The identity of a cached block: which bytes it holds.

use crate::{
    catalog::BucketRecord,
    model::{ETag, ObjectInfo, ObjectKey, Span},
};
use std::sync::Arc;

pub(super) const BLOCK: u64 = 1 << 20;

/// Identifies a bucket. The time of creation distinguishes it from a bucket of another catalog, whose numbers
/// start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BucketIdentity {
    id: i64,
    created: i64,
}

impl BucketIdentity {
    pub(super) fn of(record: &BucketRecord) -> Self {
        Self { id: record.id.0, created: record.bucket.created.millis() }
    }
}

/// One version of one object.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) bucket: BucketIdentity,
    pub(super) key: ObjectKey,
    pub(super) etag: ETag,
    pub(super) size: u64,
}

impl Version {
    pub(super) fn of(bucket: BucketIdentity, key: &ObjectKey, info: &ObjectInfo) -> Self {
        Self { bucket, key: key.clone(), etag: info.etag.clone(), size: info.size }
    }

    pub(super) fn is(&self, info: &ObjectInfo) -> bool {
        self.etag == info.etag && self.size == info.size
    }

    /// Returns the span of a block in its object.
    pub(super) fn span(&self, number: u64) -> Span {
        Span { start: number * BLOCK, end: self.size.min((number + 1) * BLOCK) }
    }

    pub(super) fn last(&self) -> u64 {
        self.size.saturating_sub(1) / BLOCK
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockName {
    pub(super) version: Arc<Version>,
    pub(super) number: u64,
}

impl BlockName {
    /// Returns the digest of a block's identity: always the same for one block, and different for every other
    /// block.
    pub(super) fn digest(&self) -> [u8; 32] {
        let Version { bucket, key, etag, size } = &*self.version;
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        for number in [bucket.id.cast_unsigned(), bucket.created.cast_unsigned(), *size, self.number] {
            hash.update(&number.to_be_bytes());
        }
        // The length of the key is hashed before it, so that the boundary between key and tag is unambiguous.
        hash.update(&(key.as_str().len() as u64).to_be_bytes());
        hash.update(key.as_str().as_bytes());
        hash.update(etag.as_str().as_bytes());
        let mut name = [0; 32];
        name.copy_from_slice(hash.finish().as_ref());
        name
    }

    pub(super) fn len(&self) -> u64 {
        self.version.span(self.number).len()
    }
}
