//! The record of an object, in memory.
//!
//! A record says what an object is. It does not say where its bytes are, nor whether they are still those
//! that it was written for: each storage knows that in its own way.

use super::parts::Parts;
use crate::{
    model::{
        Attributes, ChecksumKind, ETag, ObjectChecksum, ObjectInfo, ObjectLock, ObjectPart, Restore, Span,
        Timestamp, UploadId, VersionId,
    },
    store::{
        Written,
        condition::Current,
        multipart::Assembled,
        payload::{Announced, AnnouncedChecksum, Verified},
    },
};
use std::{collections::BTreeMap, mem::size_of};

/// Everything that is kept of an object beside its bytes. How each field is stored is in `fields`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRecord {
    pub size: u64,
    pub modified: Timestamp,
    pub etag: ETag,
    pub attributes: Attributes,
    pub checksum: Option<ObjectChecksum>,
    /// Empty for an object that was not made of parts.
    pub parts: Parts,
    /// The upload that made the object: a Complete that is repeated after a crash finds its work done.
    pub upload: Option<UploadId>,
    /// `None`: no versions were kept when the object was written.
    pub version: Option<VersionId>,
    pub lock: Option<ObjectLock>,
    /// How the stored bytes were made of the object's, if they are encrypted or compressed: scheme, id of the
    /// key, wrapped key and their like, by names that only the layer knows that made them. Everything else
    /// keeps all entries as they are: bytes without one of them may be lost.
    pub sealed: BTreeMap<String, String>,
    pub restore: Option<Restore>,
}

impl ObjectRecord {
    pub fn new(size: u64, modified: Timestamp, etag: ETag) -> Self {
        Self {
            size,
            modified,
            etag,
            attributes: Attributes::default(),
            checksum: None,
            parts: Parts::default(),
            upload: None,
            version: None,
            lock: None,
            sealed: BTreeMap::new(),
            restore: None,
        }
    }

    /// A record that says nothing yet. Size, time and ETag are placeholders: the storage itself says them, or
    /// they follow.
    pub fn unsaid() -> Self {
        Self::new(0, Timestamp::from_millis(0), ETag::opaque(""))
    }

    /// The record of an object that another store describes.
    pub fn of(info: ObjectInfo) -> Self {
        let ObjectInfo { size, etag, last_modified, attributes, checksum, parts, version, .. } = info;
        let parts = Parts::of(&parts);
        Self { attributes, checksum, parts, version, ..Self::new(size, last_modified, etag) }
    }

    /// The record of an object whose body has just arrived.
    pub fn of_body(verified: &Verified, attributes: Attributes) -> Self {
        let checksum = verified.checksum().cloned().map(ObjectChecksum::full);
        Self { attributes, checksum, ..Self::new(verified.size(), Timestamp::now(), verified.etag()) }
    }

    /// The record of an object that an upload has just made of its parts.
    pub fn of_upload(assembled: Assembled, attributes: Attributes, upload: UploadId) -> Self {
        let Assembled { etag, size, checksum, parts } = assembled;
        let made = Self { attributes, checksum, ..Self::new(size, Timestamp::now(), etag) };
        made.of_parts(&parts, upload)
    }

    /// This record, for an object that an upload made of parts.
    pub fn of_parts(self, parts: &[ObjectPart], upload: UploadId) -> Self {
        Self { parts: Parts::of(parts), upload: Some(upload), ..self }
    }

    pub fn info(&self) -> ObjectInfo {
        ObjectInfo {
            size: self.size,
            etag: self.etag.clone(),
            last_modified: self.modified,
            attributes: self.attributes.clone(),
            tag_count: self.attributes.tags.len(),
            checksum: self.checksum.clone(),
            parts: self.parts.list(),
            version: self.version.clone(),
            notes: Default::default(),
        }
    }

    pub fn written(&self) -> Written {
        Written {
            etag: self.etag.clone(),
            last_modified: self.modified,
            checksum: self.checksum.clone(),
            version: self.version.clone(),
        }
    }

    pub fn current(&self) -> Current<'_> {
        Current { etag: &self.etag, size: self.size, last_modified: self.modified }
    }

    /// Returns the checksum over all bytes of the object.
    pub fn whole_checksum(&self) -> Option<&ObjectChecksum> {
        self.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject)
    }

    /// Returns whether there is a digest that identifies the bytes.
    pub fn has_digest(&self) -> bool {
        self.etag.as_md5().is_some() || self.whole_checksum().is_some()
    }

    /// Returns the digests of a span, with which its reader checks the bytes.
    pub fn announced(&self, span: Span) -> Announced {
        let is_whole = span == Span::whole(self.size);
        let checksum = self.whole_checksum().filter(|_| is_whole);
        Announced {
            length: Some(span.len()),
            md5: self.etag.as_md5().filter(|_| is_whole),
            checksum: checksum
                .map_or(AnnouncedChecksum::None, |sum| AnnouncedChecksum::Header(sum.checksum.clone())),
            ..Default::default()
        }
    }

    /// Returns the approximate size in memory, in bytes.
    pub fn footprint(&self) -> usize {
        // Bytes that an entry of a map takes besides its texts.
        const ENTRY: usize = 96;
        let sealed: usize = self.sealed.iter().map(|(name, value)| name.len() + value.len() + ENTRY).sum();
        size_of::<Self>() + self.attributes.footprint() + self.parts.footprint() + sealed
    }
}
