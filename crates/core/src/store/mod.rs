//! The contract between S3 and storage: one bucket's objects, behind one object-safe trait.
//!
//! Every driver (`backend`) implements [`Store`]. Every layer on top of a store (cache, limits, …) is a
//! [`Layer`], and through that a store. The functions in `tests/contract` check each of them against the
//! promises written here. No type of an SDK, of SQL or of HTTP crosses this trait.
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

pub mod condition;
pub mod copy;
pub mod error;
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
    Attributes, ByteRange, CacheUse, Checksum, ChecksumSpec, ETag, Encryption, ObjectAddress, ObjectChecksum,
    ObjectInfo, ObjectKey, Owner, PartNumber, Span, StorageClass, TagSet, Timestamp, UploadId, VersionId,
};
use async_trait::async_trait;
use bytes::Bytes;
use condition::{ReadConditions, WriteConditions};
pub use copy::NativeSource;
use error::StoreError;
use futures_core::Stream;
pub use layer::Layer;
use payload::Payload;
use std::{fmt, pin::Pin, sync::Arc};

pub type Result<T> = std::result::Result<T, StoreError>;

/// Object bytes on their way out. An error item ends the stream; a reply cut short that way must never look
/// complete.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + 'static {
    fn capabilities(&self) -> Capabilities;

    /// Returns `capabilities` once it is known what the storage really keeps: a driver that can only try it
    /// out does so first.
    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(self.capabilities())
    }

    /// May leave out parts, and tags but for their number: some storage keeps those elsewhere. See
    /// `describe`.
    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo>;

    /// Answers like `head`, with parts and tags, whatever that costs.
    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.head(address, conditions).await
    }

    /// `info` says what `head` would; where a part was selected, also the parts.
    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply>;

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written>;

    /// Copies one object of `source` to `key`. Drivers override it where both ends are theirs; the default
    /// streams.
    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        copy::stream_object(self, key, request).await
    }

    /// Removes an object: the current one, or the version that is named, which then is gone for good.
    /// Removing what is not there succeeds, unless a condition asked for it.
    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted>;

    /// Changes what can change without a new object: neither bytes, ETag nor modification time do.
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

    /// Copies like `copy`, into a part.
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

    /// Makes the parts one object. Repeating a Complete that succeeded answers the same again.
    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written>;

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()>;

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage>;

    /// Returns the source from which a driver may copy by itself, without reading objects through this store.
    /// `None`: objects are read.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        None
    }
}

/// The guarantees of a store. The edge answers 501 to requests that need something `Refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How far the conditions of PUT hold.
    pub conditional_writes: Guarantee,
    pub conditional_completes: Guarantee,
    /// How far the conditions of DELETE hold.
    pub conditional_deletes: Guarantee,
    pub checksums: Keeping,
    pub tags: Keeping,
    pub object_acls: Keeping,
    /// The keeping of several versions of a key, each with an id of its own.
    pub versions: Keeping,
    /// The keeping of the parts of multipart objects: their sizes, and the ETag that S3 makes of their ETags.
    pub parts: Keeping,
    /// Other than `STANDARD`: where kept, any class of S3 is passed on, and refused if the storage does not
    /// have it.
    pub storage_classes: Keeping,
    /// Encryption at rest, other than the storage does by itself: where kept, it is passed on, and refused if
    /// the storage cannot do it.
    pub encryption: Keeping,
    /// A PUT heeds the conditions that come with the end of its body: this process publishes it, and checks
    /// them only then.
    pub late_conditions: bool,
    pub multipart: MultipartSupport,
    pub durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// The storage itself decides at the moment of publishing.
    Native,
    /// This process serialises publishing per key.
    Leased,
    Refused,
}

/// How a store treats something that S3 keeps with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    Kept,
    /// Tags, ACLs, storage classes and encryption are refused. Checksums that a client announces are verified
    /// and then forgotten. Parts are not reported, and the ETag is the storage's own. Versions that are
    /// overwritten or deleted are gone.
    NotKept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartSupport {
    /// Parts live on the backend; completing them copies no bytes when they are uniform.
    InPlace,
    /// Parts are staged and assembled on completion.
    Staged,
}

/// The failures that an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A killed process and power loss.
    Strict,
    /// A killed process, not power loss.
    Relaxed,
    /// Nothing: memory only.
    #[serde(skip)]
    Volatile,
}

#[derive(Debug, Default)]
pub struct GetRequest {
    pub conditions: ReadConditions,
    pub selection: Selection,
}

/// Which bytes of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Selection {
    #[default]
    Whole,
    Range(ByteRange),
    /// One part of a multipart object; part 1 of any other is the whole. Others: `InvalidPartNumber`.
    Part(PartNumber),
}

pub struct GetReply {
    pub info: ObjectInfo,
    /// The bytes that `body` yields.
    pub span: Span,
    pub body: ObjectBody,
}

pub enum ObjectBody {
    /// All of it, at hand: one buffer, one write.
    Full(Bytes),
    Stream(ByteStream),
}

impl ObjectBody {
    /// The body as one stream, whether or not it is at hand.
    pub fn into_stream(self) -> ByteStream {
        match self {
            Self::Full(bytes) => Box::pin(futures_util::stream::iter([Ok(bytes)])),
            Self::Stream(stream) => stream,
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
    /// Storage that does not say so at once makes this the time of its answer: some seconds off at most.
    pub last_modified: Timestamp,
    pub checksum: Option<ObjectChecksum>,
    /// The id of the version that was made. `None`: the store keeps no versions.
    pub version: Option<VersionId>,
}

/// The result of a deletion. The default is that of a store that keeps no versions and does not know whether
/// the object existed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    pub removal: Removal,
    /// A delete marker was made, or, where a version was named, it was one.
    pub marker: bool,
    /// The id of the version that was removed, or of the delete marker that was made. `None`: the store keeps
    /// no versions.
    pub version: Option<VersionId>,
}

/// Whether the deletion removed an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Removal {
    /// An object was there, and is gone.
    Removed,
    /// There was nothing to remove.
    Absent,
    /// The storage does not report whether the object existed.
    #[default]
    Unknown,
}

impl From<Removal> for Deleted {
    /// The result of a store that keeps no versions.
    fn from(removal: Removal) -> Self {
        Self { removal, marker: false, version: None }
    }
}

/// The object to copy from: of this store or of any other.
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

    /// Returns the bucket that the source is in, if it is one of this driver's and offers native copies.
    /// Drivers copy current objects: a version with an id of its own is read through its store, which knows
    /// it or not.
    pub fn native<S: Store>(&self) -> Option<&S> {
        self.address().unversioned().ok()?;
        self.store.native_source()?.of()
    }
}

pub struct CopyRequest {
    pub source: CopySource,
    /// `None` keeps the source's, but for the website redirect, which belongs to its key. Tags and ACL are
    /// resolved by the caller: they are those of the new object.
    pub attributes: CopyAttributes,
    pub conditions: WriteConditions,
    /// Compute this checksum; `None` keeps the source's algorithm.
    pub checksum: Option<crate::model::ChecksumAlgorithm>,
}

/// S3's two directives, by what each replaces.
#[derive(Debug, Clone, Default)]
pub struct CopyAttributes {
    /// REPLACE: headers and user metadata; its tags and ACL are ignored.
    pub metadata: Option<Attributes>,
    /// REPLACE of tags.
    pub tags: Option<TagSet>,
    /// An ACL never travels with a copy, nor does where and how the source is kept.
    pub acl: crate::model::CannedAcl,
    pub storage_class: Option<StorageClass>,
    pub encryption: Option<Encryption>,
}

impl CopyAttributes {
    /// The attributes of the copy of an object that has `source`.
    pub fn apply(&self, source: &Attributes) -> Attributes {
        let kept = || Attributes { website_redirect: None, ..source.clone() };
        let mut attributes = self.metadata.clone().unwrap_or_else(kept);
        attributes.tags = self.tags.clone().unwrap_or_else(|| source.tags.clone());
        attributes.acl = self.acl;
        attributes.storage_class = self.storage_class;
        attributes.encryption = self.encryption.clone();
        attributes
    }
}

pub struct CopyPartRequest {
    pub source: CopySource,
    /// Both ends given and inside the object, or `InvalidRange`.
    pub range: Option<ByteRange>,
}

#[derive(Debug, Clone)]
pub enum Change {
    Tags(TagSet),
    Acl(crate::model::CannedAcl),
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub prefix: String,
    /// Only names above this one, be they keys or common prefixes.
    pub after: Option<String>,
    /// Any non-empty text.
    pub delimiter: Option<String>,
    /// At most 1,000; 0 yields an empty page that is not truncated.
    pub limit: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListPage {
    pub entries: Vec<ListEntry>,
    /// There is more: continue after the last entry's name.
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
}

#[derive(Debug, Clone)]
pub struct BeginUpload {
    pub attributes: Attributes,
    pub checksum: ChecksumSpec,
    /// The client named the algorithm itself: its replies mention it, and parts may carry nothing else.
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
    /// Only with `key_marker`: uploads of that very key behind this one too. Uploads of one key come in order
    /// of time.
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
    pub initiated: Timestamp,
    pub checksum: ChecksumSpec,
    pub explicit_checksum: bool,
}
