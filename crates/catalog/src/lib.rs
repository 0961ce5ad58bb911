//! The catalog: what S3 needs to remember and storage cannot hold. It is a semantic port; SQL stays in its
//! drivers.
//!
//! It has two kinds of rows with two promises:
//! - **truth** (buckets and their documents, identities, leases, uploads and their parts, what storage cannot
//!   keep of its objects): durable when the call returns, by the durability setting;
//! - **derived** (the ordered key index and its state): survives a killed process once committed, may lose
//!   its newest rows to power loss, and can always be rebuilt from the backend. It must never be in the way
//!   of a backup.
//!
//! Changes that free space (deleting, aborting, and what they need) work even when other changes find no room
//! ([`CatalogErrorKind::Full`]).
//!
//! Index changes of one key take effect in the order in which [`Catalog::index`] was *called*, not awaited:
//! callers call it under their key lock and await the commit outside. Processes that share a catalog have no
//! common order of calls: they number their changes ([`Catalog::index_numbered`]), and the newer one wins.
//!
//! A caller names the revision of what it overwrites, or states that it overwrites any value: see
//! [`Expected`].

#![warn(unreachable_pub)]

// The name by which other crates call it.
extern crate self as catalog;

mod document;
mod identity;
mod lease;
pub mod record;
mod revision;
pub mod sqlite;

use causeway_core::{model, store};

use crate::{
    model::{AccessKey, BucketName, ObjectKey, TenantId, Timestamp, UploadId},
    store::{
        ListPage, ListRequest, ListUploadsRequest, UploadsPage,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
pub use document::{Document, Documents, NewDocument};
use futures_util::future::BoxFuture;
pub use identity::{Identities, IdentityRecord, NewIdentity};
pub use lease::{Clock, Lease};
pub use record::{
    BackendPlace, BucketChange, BucketId, BucketRecord, BucketSize, BucketSizes, BucketsPage, BucketsQuery,
    CompletedUpload, Generation, IndexChange, IndexRow, LeftPlace, NewBucket, NewReplica, ObjectRow,
    ObjectVersion, PartRecord, ReplicaChange, ReplicaRecord, RowVersion, StoredObject, UploadRecord,
    VersionRow, WhichObjects,
};
pub use revision::{Expected, Revision};
use std::{fmt, time::Duration};

pub type Result<T> = std::result::Result<T, CatalogError>;

/// Begins the names of states that are positions of jobs in a bucket. They do not say that the bucket has an
/// index.
pub const JOB: &str = "job.";

/// Resolves when the change is committed. Dropping it does not undo the change.
pub type Commit = BoxFuture<'static, Result<()>>;

#[async_trait]
pub trait Catalog: Send + Sync + fmt::Debug + 'static {
    // Buckets: truth.
    /// A bucket with its first documents, of different kinds. `Exists` if the name is taken within its
    /// tenant; else `Overlaps` if a bucket or a replica lies at one of the places in `apart`, inside it or
    /// around it.
    async fn create_bucket_apart(
        &self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
        apart: Vec<BackendPlace>,
    ) -> Result<BucketRecord>;
    /// Like `create_bucket_apart`, without documents and without regard to the locations of other buckets.
    async fn create_bucket(&self, bucket: NewBucket) -> Result<BucketRecord> {
        self.create_bucket_apart(bucket, Vec::new(), Vec::new()).await
    }
    async fn bucket_of(&self, tenant: &TenantId, name: &BucketName) -> Result<Option<BucketRecord>>;
    /// The default tenant's.
    async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRecord>> {
        self.bucket_of(&TenantId::default(), name).await
    }
    async fn buckets(&self, query: BucketsQuery) -> Result<BucketsPage>;
    /// The revision that the bucket has then.
    async fn update_bucket(
        &self,
        bucket: BucketId,
        expected: Expected,
        change: BucketChange,
    ) -> Result<Revision>;
    /// Removes the bucket, or a replica, with its documents, index, state, uploads, parts and replicas.
    async fn delete_bucket(&self, bucket: BucketId) -> Result<()>;

    // Settings of a bucket: truth.
    /// The revision that a bucket's documents have. `None`: there is no such bucket.
    async fn documents_revision(&self, bucket: BucketId) -> Result<Option<Revision>>;
    /// All documents of a bucket, as they are together. `None`: there is no such bucket.
    async fn documents(&self, bucket: BucketId) -> Result<Option<Documents>>;
    async fn document(&self, bucket: BucketId, kind: &str) -> Result<Option<Document>>;
    /// The revision that the document, and the bucket's documents, have then.
    async fn set_document(
        &self,
        bucket: BucketId,
        expected: Expected,
        document: NewDocument,
    ) -> Result<Revision>;
    /// The revision that the bucket's documents have then. `None`: there was no such document.
    async fn delete_document(
        &self,
        bucket: BucketId,
        kind: &str,
        expected: Expected,
    ) -> Result<Option<Revision>>;

    // Identities that were added at run time: truth.
    async fn identities_revision(&self) -> Result<Revision>;
    /// All of them, as they are together.
    async fn identities(&self) -> Result<Identities>;
    /// The revision that the identity, and all identities, have then.
    async fn set_identity(&self, identity: NewIdentity, expected: Expected) -> Result<Revision>;
    /// Returns whether the identity existed.
    async fn remove_identity(&self, access_key: &AccessKey, expected: Expected) -> Result<bool>;

    // Leases: truth. Times are those of the catalog's clock.
    /// Returns the lease if no other owner has it, for as long as `ttl` says. An owner that asks again gets
    /// it with a new number.
    async fn acquire_lease(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>>;
    /// The same lease for longer. `None`: somebody else had it meanwhile, or it was released.
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Option<Lease>>;
    /// Returns whether the lease was still held.
    async fn release_lease(&self, lease: &Lease) -> Result<bool>;

    // Replicas of a bucket: truth. Each is a bucket to its driver, with an id of its own, and none to anybody
    // else.
    /// Returns the replicas in order of rank.
    async fn replicas(&self, bucket: BucketId) -> Result<Vec<ReplicaRecord>>;
    /// The new replica ranks behind the others. `Exists` if there is one on that backend.
    async fn add_replica(&self, bucket: BucketId, replica: NewReplica) -> Result<ReplicaRecord>;
    /// The revision that the replica has then.
    async fn update_replica(
        &self,
        replica: BucketId,
        expected: Expected,
        change: ReplicaChange,
    ) -> Result<Revision>;
    /// The same replica under another id, to be filled anew: what its driver knew of it is forgotten, and
    /// late changes of the old id touch nothing.
    async fn renew_replica(&self, replica: BucketId, expected: Expected) -> Result<ReplicaRecord>;

    // Places of deleted buckets that could not be removed yet: truth.
    async fn left_places(&self) -> Result<Vec<LeftPlace>>;
    /// Repeating it is harmless.
    async fn leave_place(&self, left: LeftPlace) -> Result<()>;
    /// Returns whether the location was recorded as left behind.
    async fn forget_place(&self, backend: &str, place: &str) -> Result<bool>;

    // The ordered key index: derived.
    /// Enqueues a change, at once and in order; see the module's words on order. A numbered change has no
    /// effect if a newer one of the same key (or of the same version of it) has arrived before, be it a
    /// deletion.
    fn index_numbered(&self, bucket: BucketId, generation: Generation, change: IndexChange) -> Commit;
    /// A change that is not numbered: the order of calls counts.
    fn index(&self, bucket: BucketId, change: IndexChange) -> Commit {
        self.index_numbered(bucket, Generation::UNNUMBERED, change)
    }
    /// Forgets deletions of a bucket up to a generation: no older change of their keys is on its way any
    /// more.
    fn forget_deletions(&self, bucket: BucketId, up_to: Generation) -> Commit;
    async fn list(&self, bucket: BucketId, request: ListRequest) -> Result<ListPage>;
    /// Rows of what LIST shows, above `after`, in order: for reconciling with the backend.
    async fn index_rows(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
    ) -> Result<Vec<IndexRow>>;
    /// Versions that LIST does not show, behind that of `after`: in the order of their keys, and of one key
    /// the newest first.
    async fn index_versions(
        &self,
        bucket: BucketId,
        after: Option<(ObjectKey, u64)>,
        limit: usize,
    ) -> Result<Vec<VersionRow>>;
    /// The rows of what LIST shows of `keys`, in their order.
    async fn index_lookup(&self, bucket: BucketId, keys: Vec<ObjectKey>) -> Result<Vec<Option<IndexRow>>>;
    /// How much the `limit` largest buckets hold, of all that have an index: those of which a key was indexed
    /// or a state was set. Replicas are not counted. The cost depends on the number of buckets, not on that
    /// of keys.
    async fn bucket_sizes(&self, limit: usize) -> Result<BucketSizes>;
    /// Small facts about the index of a bucket (how far a scan came, what it saw), and positions of jobs in
    /// it (`JOB`), lost with it.
    async fn state(&self, bucket: BucketId, name: &str) -> Result<Option<String>>;
    /// `None` forgets.
    async fn set_state(&self, bucket: BucketId, name: &str, value: Option<String>) -> Result<()>;

    // Facts of objects that storage cannot keep: truth.
    async fn object(&self, bucket: BucketId, key: &ObjectKey) -> Result<Option<StoredObject>>;
    /// The revision that the row has then. A row that says nothing is forgotten.
    async fn set_object(&self, bucket: BucketId, expected: Expected, row: ObjectRow) -> Result<Revision>;
    /// Like `set_object`, as part of a change that frees space: it works even where there is hardly any.
    async fn set_object_to_remove(
        &self,
        bucket: BucketId,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        self.set_object(bucket, expected, row).await
    }
    /// Returns what a driver remembers of versions of a key behind the current one, the newest first.
    async fn object_versions(&self, bucket: BucketId, key: &ObjectKey) -> Result<Vec<ObjectVersion>>;
    /// Like `set_object`, for a version behind the current one.
    async fn set_object_version(
        &self,
        bucket: BucketId,
        order: u64,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision>;
    /// Returns the rows with keys above `after`, in order.
    async fn objects(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
        which: WhichObjects,
    ) -> Result<Vec<ObjectRow>>;

    // Multipart uploads: truth.
    async fn begin_upload(&self, upload: UploadRecord) -> Result<()>;
    async fn upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<UploadRecord>>;
    async fn list_uploads(&self, bucket: BucketId, request: ListUploadsRequest) -> Result<UploadsPage>;
    /// Records a part and returns the one it replaces. `NotFound` if the upload has ended meanwhile.
    async fn put_part(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        part: PartRecord,
    ) -> Result<Option<PartRecord>>;
    /// Parts with numbers above `after`, in order.
    async fn parts(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRecord>>;
    /// Ends an upload and remembers how, for replays of Complete. `NotFound` if it had ended.
    async fn finish_upload(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        completed: CompletedUpload,
    ) -> Result<()>;
    async fn completed_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<CompletedUpload>>;
    /// Returns whether there was an upload to abort.
    async fn abort_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<bool>;
    /// Uploads begun before a time, oldest first. Not those of replicas: they end with the upload that they
    /// are part of.
    async fn stale_uploads(&self, before: Timestamp, limit: usize) -> Result<Vec<UploadRecord>>;
    /// Forgets how uploads ended that did so before a time.
    async fn forget_completed(&self, before: Timestamp) -> Result<()>;

    /// Everything committed, files closed in order. Later calls fail with `Closed`.
    async fn close(&self) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogErrorKind {
    Exists,
    /// Another bucket lies there.
    Overlaps,
    /// Something else is there than the caller expected: it has to be read again.
    Conflict,
    NotFound,
    /// The file is locked, or of a newer format: an operator has to look.
    Unavailable,
    /// The data directory has no room. What frees space goes on for a while.
    Full,
    Closed,
    Internal,
}

#[derive(Debug, thiserror::Error)]
#[error("catalog: {message}")]
pub struct CatalogError {
    kind: CatalogErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CatalogError {
    pub fn new(kind: CatalogErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> CatalogErrorKind {
        self.kind
    }
}

impl From<CatalogError> for StoreError {
    fn from(error: CatalogError) -> Self {
        let kind = match error.kind {
            CatalogErrorKind::NotFound => StoreErrorKind::NoSuchUpload,
            CatalogErrorKind::Full => StoreErrorKind::DataFull,
            CatalogErrorKind::Unavailable | CatalogErrorKind::Closed => StoreErrorKind::Unavailable,
            CatalogErrorKind::Conflict => StoreErrorKind::Conflict,
            CatalogErrorKind::Exists | CatalogErrorKind::Overlaps | CatalogErrorKind::Internal => {
                StoreErrorKind::Internal
            }
        };
        StoreError::new(kind, "the catalog failed").with_source(error)
    }
}
