//! The catalog: what S3 needs to remember and storage cannot hold. This is a semantic port; SQL stays in its
//! drivers.
//!
//! It has two kinds of rows with two guarantees:
//! - **truth** (buckets and their documents, identities, users and policies, leases, uploads and their parts,
//!   what storage cannot keep of its objects): durable when the call returns, by the durability setting;
//! - **derived** (the ordered key index and its state): survives a killed process once committed, may lose
//!   its newest rows to power loss, and can always be rebuilt from the backend. It must never prevent a
//!   backup.
//!
//! Changes that free space (deleting, aborting, and what they need) work even when other changes fail because
//! there is no space ([`CatalogErrorKind::Full`]).
//!
//! Index changes of one key take effect in the order in which [`Catalog::index`] was *called*, not awaited:
//! callers call it under their key lock and await the commit outside. Processes that share a catalog have no
//! common order of calls: they number their changes ([`Catalog::index_numbered`]), and the newer one wins.
//!
//! A caller names the revision of what it overwrites, or states that it overwrites any value: see
//! [`Expected`].

#![warn(unreachable_pub)]

// Other crates import this crate under this name.
extern crate self as catalog;

mod document;
mod iam;
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
pub use iam::{IamChange, IamDocument, IamDocuments, IamKey};
pub use identity::{Identities, IdentityRecord, KeyUse, NewIdentity};
pub use lease::{Clock, Lease};
pub use record::{
    BackendLocation, BucketChange, BucketId, BucketRecord, BucketSize, BucketSizes, BucketsPage,
    BucketsQuery, CompletedUpload, DirectoryRow, Generation, IndexChange, IndexRow, LeftLocation, NewBucket,
    NewReplica, ObjectRow, ObjectVersion, PartRecord, ReplicaChange, ReplicaRecord, RowVersion, StoredObject,
    UploadRecord, VersionRow, WhichObjects,
};
pub use revision::{Expected, Revision};
use std::{fmt, time::Duration};

pub type Result<T> = std::result::Result<T, CatalogError>;

/// The prefix of states that hold the position of a job in a bucket. Such a state does not mean that the
/// bucket has an index.
pub const JOB: &str = "job.";

/// Resolves when the change is committed. Dropping it does not undo the change.
pub type Commit = BoxFuture<'static, Result<()>>;

/// Is told the result of a commit that its caller does not wait for.
pub type Ended = Box<dyn FnOnce(Result<()>) + Send>;

#[async_trait]
pub trait Catalog: Send + Sync + fmt::Debug + 'static {
    // Buckets: truth.
    /// Creates a bucket with its first documents, each of another kind. `Exists`: the tenant has a bucket of
    /// this name. `Overlaps`: a bucket or a replica is at one of the locations in `apart`, inside it or
    /// around it.
    async fn create_bucket_apart(
        &self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
        apart: Vec<BackendLocation>,
    ) -> Result<BucketRecord>;
    /// Like `create_bucket_apart`, without documents, and without a check of the locations of other buckets.
    async fn create_bucket(&self, bucket: NewBucket) -> Result<BucketRecord> {
        self.create_bucket_apart(bucket, Vec::new(), Vec::new()).await
    }
    async fn bucket_of(&self, tenant: &TenantId, name: &BucketName) -> Result<Option<BucketRecord>>;
    /// Returns a bucket of the default tenant.
    async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRecord>> {
        self.bucket_of(&TenantId::default(), name).await
    }
    async fn buckets(&self, query: BucketsQuery) -> Result<BucketsPage>;
    /// Returns the new revision of the bucket.
    async fn update_bucket(
        &self,
        bucket: BucketId,
        expected: Expected,
        change: BucketChange,
    ) -> Result<Revision>;
    /// Removes the bucket, or a replica, with its documents, index, state, uploads, parts and replicas.
    async fn delete_bucket(&self, bucket: BucketId) -> Result<()>;

    // Settings of a bucket: truth.
    /// Returns the revision of a bucket's documents. `None`: the bucket does not exist.
    async fn documents_revision(&self, bucket: BucketId) -> Result<Option<Revision>>;
    /// Returns all documents of a bucket, in one consistent state. `None`: the bucket does not exist.
    async fn documents(&self, bucket: BucketId) -> Result<Option<Documents>>;
    async fn document(&self, bucket: BucketId, kind: &str) -> Result<Option<Document>>;
    /// Returns the new revision of the document, which is also that of the bucket's documents.
    async fn set_document(
        &self,
        bucket: BucketId,
        expected: Expected,
        document: NewDocument,
    ) -> Result<Revision>;
    /// Returns the new revision of the bucket's documents. `None`: the document did not exist.
    async fn delete_document(
        &self,
        bucket: BucketId,
        kind: &str,
        expected: Expected,
    ) -> Result<Option<Revision>>;

    // Identities that were added at run time: truth.
    async fn identities_revision(&self) -> Result<Revision>;
    /// Returns all identities, in one consistent state.
    async fn identities(&self) -> Result<Identities>;
    /// Returns the new revision of the identity, which is also that of all identities.
    async fn set_identity(&self, identity: NewIdentity, expected: Expected) -> Result<Revision>;
    /// Returns whether the identity existed.
    async fn remove_identity(&self, access_key: &AccessKey, expected: Expected) -> Result<bool>;

    /// Returns the last use of every access key that was ever used, in the order of the keys.
    async fn key_uses(&self) -> Result<Vec<KeyUse>>;
    /// Records uses, unless a later use of the key is recorded, and forgets the uses of keys that are gone.
    async fn set_key_uses(&self, uses: Vec<KeyUse>, gone: Vec<String>) -> Result<()>;

    // Users, groups, roles and managed policies: truth.
    /// Returns all of them, in one consistent state.
    async fn iam(&self) -> Result<IamDocuments>;
    /// Makes all changes or none. `expected` is the revision of all of them, because a change of one may rest
    /// on another: a policy is not deleted while a user has it. Returns the new revision.
    async fn change_iam(&self, changes: Vec<IamChange>, expected: Expected) -> Result<Revision>;

    // Leases: truth. Times are those of the catalog's clock.
    /// Returns the lease for the time `ttl`, unless another owner has it. An owner that asks again gets it
    /// with a new number.
    async fn acquire_lease(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>>;
    /// Extends a lease. `None`: another owner has had it since, or it was released.
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Option<Lease>>;
    /// Returns whether the lease was still held.
    async fn release_lease(&self, lease: &Lease) -> Result<bool>;

    // Replicas of a bucket: truth. Each has an id of its own. Its driver treats it as a bucket; no other code
    // does.
    /// Returns the replicas in order of rank.
    async fn replicas(&self, bucket: BucketId) -> Result<Vec<ReplicaRecord>>;
    /// Returns the replicas of all buckets, those of one bucket in order of rank.
    async fn all_replicas(&self) -> Result<Vec<(BucketId, ReplicaRecord)>>;
    /// Adds a replica, ranked behind the others. `Exists`: the bucket has a replica on that backend.
    async fn add_replica(&self, bucket: BucketId, replica: NewReplica) -> Result<ReplicaRecord>;
    /// Returns the new revision of the replica.
    async fn update_replica(
        &self,
        replica: BucketId,
        expected: Expected,
        change: ReplicaChange,
    ) -> Result<Revision>;
    /// Gives the replica a new id, so that it is filled again. What its driver recorded under the old id is
    /// removed, and late changes of the old id have no effect.
    async fn renew_replica(&self, replica: BucketId, expected: Expected) -> Result<ReplicaRecord>;
    /// Makes a replica the bucket itself: the replica gets the name, the owner and the documents of its bucket.
    /// The earlier row of the bucket is removed, and so are its other replicas, with all that drivers recorded
    /// under their ids. `NoSuchBucket`: `replica` is none of the bucket.
    async fn replace_bucket(&self, bucket: BucketId, replica: BucketId) -> Result<()>;

    // Locations of deleted buckets that could not be removed yet: truth.
    async fn left_locations(&self) -> Result<Vec<LeftLocation>>;
    /// Records a location to remove. It may be called again.
    async fn leave_location(&self, left: LeftLocation) -> Result<()>;
    /// Returns whether the location was recorded as left behind.
    async fn forget_location(&self, backend: &str, location: &str) -> Result<bool>;

    // The ordered key index: derived.
    /// Enqueues a change, at once and in order: see the head of this module. A numbered change has no effect
    /// if a newer change of the same key (or of the same version of it) has arrived before, even a deletion.
    fn index_numbered(&self, bucket: BucketId, generation: Generation, change: IndexChange) -> Commit;
    /// Enqueues a change without a number: the order of calls counts.
    fn index(&self, bucket: BucketId, change: IndexChange) -> Commit {
        self.index_numbered(bucket, Generation::UNNUMBERED, change)
    }
    /// Enqueues changes without a number, in their order. They share a commit: all of them are made, or none.
    fn index_all(&self, bucket: BucketId, changes: Vec<IndexChange>) -> Commit;
    /// Enqueues a change like `index`, in the same order, for a caller that does not wait for its commit: many
    /// such changes share one. It may block while too many wait. `ended` is told the result; if the catalog
    /// is closed or fails before, it is dropped.
    fn index_deferred(&self, bucket: BucketId, change: IndexChange, ended: Ended) {
        let commit = self.index(bucket, change);
        tokio::spawn(async move { ended(commit.await) });
    }
    /// Commits deferred changes soon, because somebody waits for one of them.
    fn hurry(&self) {}
    /// Resolves when every index change that was enqueued before is committed, or has failed.
    fn settle(&self) -> Commit {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Removes the records of a bucket's deletions up to a generation. The caller knows that no older change
    /// of these keys can still arrive.
    fn forget_deletions(&self, bucket: BucketId, up_to: Generation) -> Commit;
    async fn list(&self, bucket: BucketId, request: ListRequest) -> Result<ListPage>;
    /// Returns the rows that LIST shows, above `after` and in order, for comparison with the backend.
    async fn index_rows(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
    ) -> Result<Vec<IndexRow>>;
    /// Returns the versions that LIST does not show, behind `after`: ordered by key, the newest of a key
    /// first.
    async fn index_versions(
        &self,
        bucket: BucketId,
        after: Option<(ObjectKey, u64)>,
        limit: usize,
    ) -> Result<Vec<VersionRow>>;
    /// Returns the rows that LIST shows for these keys, in the order of `keys`.
    async fn index_lookup(&self, bucket: BucketId, keys: Vec<ObjectKey>) -> Result<Vec<Option<IndexRow>>>;
    /// Returns the directories that scans have recorded, with paths above `after`, in the order of the bytes of
    /// their paths.
    async fn directories(
        &self,
        bucket: BucketId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<DirectoryRow>>;
    /// Returns what is recorded of these directories, in the order of `paths`.
    async fn directory_lookup(&self, bucket: BucketId, paths: Vec<String>) -> Result<Vec<Option<Vec<u8>>>>;
    /// Records directories, and forgets those in `gone`, in one transaction. Everything that was committed
    /// before it survives if it survives.
    async fn set_directories(
        &self,
        bucket: BucketId,
        seen: Vec<DirectoryRow>,
        gone: Vec<String>,
    ) -> Result<()>;
    /// Returns the sizes of the `limit` largest buckets that have an index: those with an indexed key or with
    /// a state. Replicas are not counted. The cost depends on the number of buckets, not on the number of
    /// keys.
    async fn bucket_sizes(&self, limit: usize) -> Result<BucketSizes>;
    /// Returns a small fact about the index of a bucket (the progress of a scan), or the position of a job in
    /// it (`JOB`). These are lost together with the index.
    async fn state(&self, bucket: BucketId, name: &str) -> Result<Option<String>>;
    /// `None` removes the value.
    async fn set_state(&self, bucket: BucketId, name: &str, value: Option<String>) -> Result<()>;

    // What storage cannot keep of its objects: truth.
    async fn object(&self, bucket: BucketId, key: &ObjectKey) -> Result<Option<StoredObject>>;
    /// Returns the new revision of the row. An empty row is removed.
    async fn set_object(&self, bucket: BucketId, expected: Expected, row: ObjectRow) -> Result<Revision>;
    /// Like `set_object`, as part of a change that frees space: it works even when there is hardly any space.
    async fn set_object_to_remove(
        &self,
        bucket: BucketId,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        self.set_object(bucket, expected, row).await
    }
    /// Returns what a driver recorded of the versions behind the current one, the newest first.
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
    /// Records a part and returns the one that it replaces. `NoSuchUpload`: the upload has ended.
    async fn put_part(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        part: PartRecord,
    ) -> Result<Option<PartRecord>>;
    /// Returns the parts with numbers above `after`, in order.
    async fn parts(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRecord>>;
    /// Ends an upload and records its result, for repeated Completes. `NoSuchUpload`: the upload had ended
    /// before.
    async fn finish_upload(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        completed: CompletedUpload,
    ) -> Result<()>;
    async fn completed_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<CompletedUpload>>;
    /// Returns whether there was an upload to abort.
    async fn abort_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<bool>;
    /// Returns the uploads begun before a time, the oldest first. Uploads of replicas are left out: each ends
    /// together with the upload that it is part of.
    async fn stale_uploads(&self, before: Timestamp, limit: usize) -> Result<Vec<UploadRecord>>;
    /// Removes the results of uploads that ended before a time.
    async fn forget_completed(&self, before: Timestamp) -> Result<()>;

    /// Commits everything and closes the files in order. Later calls fail with `Closed`.
    async fn close(&self) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogErrorKind {
    Exists,
    /// Another bucket is at an overlapping location.
    Overlaps,
    /// The stored value is not the one that the caller expected: the caller has to read it again.
    Conflict,
    /// The bucket was deleted, or its location was begun anew under another id.
    NoSuchBucket,
    /// The upload has ended or never was.
    NoSuchUpload,
    /// The file is locked, or has a newer format: an operator has to act.
    Unavailable,
    /// The data directory has no space. Changes that free space still work for a while.
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
            CatalogErrorKind::NoSuchUpload => StoreErrorKind::NoSuchUpload,
            CatalogErrorKind::Full => StoreErrorKind::DataFull,
            // A replica whose location is begun anew has another id from then on: its client tries again.
            CatalogErrorKind::NoSuchBucket | CatalogErrorKind::Unavailable | CatalogErrorKind::Closed => {
                StoreErrorKind::Unavailable
            }
            CatalogErrorKind::Conflict => StoreErrorKind::Conflict,
            CatalogErrorKind::Exists | CatalogErrorKind::Overlaps | CatalogErrorKind::Internal => {
                StoreErrorKind::Internal
            }
        };
        StoreError::new(kind, "the catalog failed").with_source(error)
    }
}
