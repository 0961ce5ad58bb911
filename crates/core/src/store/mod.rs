//! The contract between S3 and storage: one bucket's objects, behind one object-safe trait.
//!
//! Every driver (`backend`) implements [`Store`]. Every layer on top of a store (cache, limits, …) is a
//! [`Layer`], and through that a store. The functions in `tests/contract` check each of them against the
//! guarantees written here. No type of an SDK, of SQL or of HTTP crosses this trait.
//!
//! Invariants of every implementation:
//! - an object becomes visible whole, with its attributes, or not at all; the object that it replaces stays
//!   readable until then;
//! - a write is visible only after its [`Payload`](payload::Payload) was verified: publishing takes a
//!   `Verified`;
//! - conditions are checked at the moment of publishing, under whatever makes that moment atomic, never
//!   before the body;
//! - an address without a version means the current object of its key; a version that the key does not have
//!   is `NoSuchVersion`, on every store. Where no versions are kept, an object is its own version `null`, and
//!   has no other;
//! - a reader that has begun keeps the object it began with, whatever happens to the key;
//! - listing is in byte order of keys and costs O(page);
//! - memory is bounded by configuration, not by object or bucket size.

mod announced;
mod capabilities;
pub mod condition;
pub mod copy;
pub mod deleting;
mod digests;
pub mod error;
pub mod file_body;
pub mod grouping;
pub mod layer;
pub mod memory;
pub mod multipart;
pub mod operation;
pub mod payload;
mod payload_error;
pub mod record;
pub mod selection;

use crate::model::{
    Attributes, ByteRange, CacheUse, CanonicalId, Checksum, ChecksumSpec, ETag, Encryption, ObjectAddress,
    ObjectChecksum, ObjectInfo, ObjectKey, Owner, PartNumber, Span, StorageClass, TagSet, Timestamp,
    UploadId, VersionId,
};
use async_trait::async_trait;
use bytes::Bytes;
pub use capabilities::{Capabilities, Durability, Guarantee, Keeping, MultipartSupport};
use condition::{ReadConditions, WriteConditions};
pub use copy::NativeSource;
pub use deleting::DeleteRequest;
use error::StoreError;
use file_body::FileBody;
use futures_core::Stream;
pub use layer::Layer;
use payload::Payload;
use std::{fmt, pin::Pin, sync::Arc};

pub type Result<T> = std::result::Result<T, StoreError>;

/// The bytes of an object that is read. An error ends the stream; a reply that ends in this way must never
/// look complete.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + 'static {
    fn capabilities(&self) -> Capabilities;

    /// Returns `capabilities` once it is known what the storage really keeps. A driver that can only probe
    /// the storage does so first.
    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(self.capabilities())
    }

    /// The result may lack parts, and have only the number of tags: some storages keep those elsewhere. See
    /// `describe`.
    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo>;

    /// Like `head`, but always with parts and tags, even if that needs more requests.
    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.head(address, conditions).await
    }

    /// `info` is the same as that of `head`; if a part was selected, it has the parts, too.
    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply>;

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written>;

    /// Copies one object of `source` to `key`. The default streams. A driver overrides it for native copies,
    /// where both buckets are its own.
    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        copy::stream_object(self, key, request).await
    }

    /// Removes the current object, or permanently the version that is named. Removing an object that does not
    /// exist succeeds, unless a condition requires the object.
    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted>;

    /// Deletes several objects, and returns the outcome of each, in the order of `requests`. A driver overrides
    /// it where many cost less together.
    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        deleting::one_by_one(self, requests).await
    }

    /// Changes what can change without writing the object again: bytes, ETag and modification time stay the
    /// same.
    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()>;

    async fn list(&self, request: ListRequest) -> Result<ListPage>;

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId>;

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten>;

    /// Like `copy`, into a part of an upload.
    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        copy::stream_part(self, key, upload, number, request).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage>;

    /// Makes one object of the parts. A repeated Complete, after one that succeeded, returns the same result.
    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written>;

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()>;

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage>;

    /// Returns the source for native copies, which do not read the objects through this store. `None`:
    /// objects are read through this store.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        None
    }
}

#[derive(Debug, Default)]
pub struct GetRequest {
    pub conditions: ReadConditions,
    pub selection: Selection,
}

/// Which bytes of an object are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Selection {
    #[default]
    Whole,
    Range(ByteRange),
    /// One part of a multipart object. Any other object has only part 1, which is the whole object. A part
    /// that does not exist is `InvalidPartNumber`.
    Part(PartNumber),
}

pub struct GetReply {
    pub info: ObjectInfo,
    /// The bytes that `body` yields.
    pub span: Span,
    pub body: ObjectBody,
}

pub enum ObjectBody {
    /// The whole body is in memory: one buffer, sent by one write.
    Full(Bytes),
    Stream(ByteStream),
    /// The bytes are in a file of this machine: a socket can take them from there.
    File(Box<dyn FileBody>),
}

impl ObjectBody {
    /// Returns the body as one stream, whether or not it is in memory.
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Full(bytes) => Box::pin(futures_util::stream::iter([Ok(bytes)])),
            Self::Stream(stream) => stream,
            Self::File(file) => file.into_stream(),
        }
    }
}

pub struct PutRequest {
    pub attributes: Attributes,
    pub conditions: WriteConditions,
    pub payload: Payload,
}

/// A published object.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub etag: ETag,
    /// The time of the storage. Where the reply does not have it, the time of the reply is used: it differs
    /// by a few seconds at most.
    pub last_modified: Timestamp,
    pub checksum: Option<ObjectChecksum>,
    /// The id of the version that was made. `None`: the store keeps no versions.
    pub version: Option<VersionId>,
}

/// The result of a deletion. The default is the result of a store that keeps no versions and does not know
/// whether the object existed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    pub removal: Removal,
    /// The deletion created a delete marker, or removed one whose version was named.
    pub marker: bool,
    /// The id of the version that was removed, or of the delete marker that was made. `None`: the store keeps
    /// no versions.
    pub version: Option<VersionId>,
}

/// Whether the deletion removed an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Removal {
    /// The object existed, and was removed.
    Removed,
    /// The object did not exist.
    Absent,
    /// The storage does not report whether the object existed.
    #[default]
    Unknown,
}

impl From<Removal> for Deleted {
    /// Creates the result of a store that keeps no versions.
    fn from(removal: Removal) -> Self {
        Self { removal, marker: false, version: None }
    }
}

/// The source of a copy: an object of this store or of any other store.
#[derive(Clone)]
pub struct CopySource {
    pub store: Arc<dyn Store>,
    pub key: ObjectKey,
    /// `None`: the current version.
    pub version: Option<VersionId>,
    pub conditions: ReadConditions,
}

impl CopySource {
    pub fn address(&self) -> ObjectAddress<'_> {
        ObjectAddress::new(&self.key, self.version.as_ref())
    }

    /// Returns the bucket of the source, if the same driver opened it and it offers native copies. Only
    /// current objects are copied natively: a version with an id of its own is read through its store.
    pub fn native<S: Store>(&self) -> Option<&S> {
        self.address().unversioned().ok()?;
        self.store.native_source()?.of()
    }
}

pub struct CopyRequest {
    pub source: CopySource,
    /// `None` keeps the source's attributes, except for the website redirect, which belongs to its key. The
    /// caller resolves tags and ACL: these are the ones of the new object.
    pub attributes: CopyAttributes,
    pub conditions: WriteConditions,
    /// The algorithm of the checksum to compute. `None`: the algorithm of the source's checksum.
    pub checksum: Option<crate::model::ChecksumAlgorithm>,
}

/// S3's two directives, and what each replaces.
#[derive(Debug, Clone, Default)]
pub struct CopyAttributes {
    /// The metadata directive is REPLACE: these headers and user metadata are used. Tags and ACL in here are
    /// ignored.
    pub metadata: Option<Attributes>,
    /// The tagging directive is REPLACE: these tags are used.
    pub tags: Option<TagSet>,
    /// A copy never takes over the ACL, the owner, the storage class or the encryption of its source.
    pub acl: crate::model::Acl,
    /// See [`Attributes::owner`].
    pub owner: Option<CanonicalId>,
    pub storage_class: Option<StorageClass>,
    pub encryption: Option<Encryption>,
}

impl CopyAttributes {
    /// For a copy of an object onto itself: it has exactly `attributes` afterwards, and keeps its tags.
    pub fn of_itself(attributes: Attributes) -> Self {
        Self {
            acl: attributes.acl.clone(),
            owner: attributes.owner.clone(),
            storage_class: attributes.storage_class,
            encryption: attributes.encryption.clone(),
            metadata: Some(attributes),
            tags: None,
        }
    }

    /// Returns the attributes of a copy whose source has the attributes `source`.
    pub fn apply(&self, source: &Attributes) -> Attributes {
        let kept = || Attributes { website_redirect: None, ..source.clone() };
        let mut attributes = self.metadata.clone().unwrap_or_else(kept);
        attributes.tags = self.tags.clone().unwrap_or_else(|| source.tags.clone());
        attributes.acl = self.acl.clone();
        attributes.owner = self.owner.clone();
        attributes.storage_class = self.storage_class;
        attributes.encryption = self.encryption.clone();
        attributes
    }
}

pub struct CopyPartRequest {
    pub source: CopySource,
    /// Has both ends, and lies inside the object; otherwise `InvalidRange`.
    pub range: Option<ByteRange>,
}

#[derive(Debug, Clone)]
pub enum Change {
    Tags(TagSet),
    Acl(crate::model::Acl),
}

/// The parameters of one page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub prefix: String,
    /// Only names above this one, both keys and common prefixes.
    pub after: Option<String>,
    /// The delimiter: any non-empty text.
    pub delimiter: Option<String>,
    /// At most 1,000; 0 yields an empty page that is not truncated.
    pub limit: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListPage {
    pub entries: Vec<ListEntry>,
    /// More entries follow: the next page begins after the last entry's name.
    pub truncated: bool,
    /// How the page was obtained, as in `model::Notes`.
    pub cache: Option<CacheUse>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ListEntry {
    Object(ListedObject),
    CommonPrefix(String),
}

impl ListEntry {
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::CommonPrefix(prefix) => prefix,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListedObject {
    pub key: ObjectKey,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<ChecksumSpec>,
    pub storage_class: Option<StorageClass>,
    /// As [`Attributes::owner`], where a listing of the storage says it. Elsewhere `None` for every object.
    pub owner: Option<CanonicalId>,
}

#[derive(Debug, Clone)]
pub struct BeginUpload {
    pub attributes: Attributes,
    pub checksum: ChecksumSpec,
    /// The client named the algorithm itself: replies mention it, and parts may not carry another.
    pub explicit_checksum: bool,
    pub initiator: Owner,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartWritten {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub last_modified: Timestamp,
}

#[derive(Debug, Clone)]
pub struct PartsPage {
    pub upload: UploadInfo,
    pub parts: Vec<ListedPart>,
    pub truncated: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListedPart {
    pub number: PartNumber,
    pub size: u64,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub last_modified: Timestamp,
}

#[derive(Debug, Clone)]
pub struct CompleteUpload {
    /// In ascending order of number, without repeats: the caller answers InvalidPartOrder otherwise.
    pub parts: Vec<CompletePart>,
    pub conditions: WriteConditions,
    /// The object's checksum as the client computed it: `base64` or `base64-N`.
    pub checksum: Option<(crate::model::ChecksumAlgorithm, String)>,
    /// `x-amz-mp-object-size`
    pub size: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct CompletePart {
    pub number: PartNumber,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
}

#[derive(Debug, Clone, Default)]
pub struct ListUploadsRequest {
    pub prefix: String,
    pub delimiter: Option<String>,
    pub key_marker: Option<String>,
    /// Only with `key_marker`: uploads of that key behind this upload are listed, too. Uploads of one key are
    /// ordered by time.
    pub upload_marker: Option<UploadId>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct UploadsPage {
    pub entries: Vec<UploadEntry>,
    pub truncated: bool,
}

#[derive(Debug, Clone)]
pub enum UploadEntry {
    Upload(UploadInfo),
    CommonPrefix(String),
}

#[derive(Debug, Clone)]
pub struct UploadInfo {
    pub key: ObjectKey,
    pub upload: UploadId,
    pub initiator: Owner,
    /// The owner of the object that the upload makes, as [`Attributes::owner`].
    pub owner: Option<CanonicalId>,
    pub initiated: Timestamp,
    pub checksum: ChecksumSpec,
    pub explicit_checksum: bool,
}
