//! The facts that a store knows about one object.

use super::{Attributes, Checksum, ETag, Notes, ObjectChecksum, Timestamp, VersionId};

/// Everything that HEAD reports about an object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectInfo {
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub attributes: Attributes,
    /// The number of tags, known even where `attributes` does not list them.
    pub tag_count: usize,
    pub checksum: Option<ObjectChecksum>,
    /// The parts of an object made by multipart upload, in order. Empty for any other object.
    pub parts: Vec<ObjectPart>,
    /// `None`: the store keeps no versions.
    pub version: Option<VersionId>,
    pub notes: Notes,
}

/// One part of a completed multipart object, as GetObjectAttributes and `?partNumber` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPart {
    pub number: u16,
    pub size: u64,
    pub checksum: Option<Checksum>,
}
