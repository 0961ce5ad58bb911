//! The rows of the catalog, as plain values.

use super::{Documents, Revision};
use crate::{
    model::{
        Attributes, BucketName, CanonicalId, Checksum, ChecksumSpec, ETag, ObjectChecksum, ObjectKey, Owner,
        PartNumber, TenantId, Timestamp, UploadId,
    },
    store::{Written, record::ObjectRecord},
};
use std::sync::Arc;

/// The id of a bucket. It is never used again, not even for a bucket of the same name: late writes to a
/// deleted bucket have no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub i64);

#[derive(Debug, Clone, PartialEq)]
pub struct NewBucket {
    /// The tenant that the name belongs to. The owner is of the same tenant.
    pub tenant: TenantId,
    pub name: BucketName,
    pub owner: Owner,
    pub created: Timestamp,
    /// The name of the backend in the configuration.
    pub backend: String,
    /// The location of the bucket on that backend: a directory, or a prefix.
    pub location: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BucketRecord {
    pub id: BucketId,
    /// The revision of the bucket itself; a change of its owner, for example, changes it. The documents have
    /// a revision of their own.
    pub revision: Revision,
    pub bucket: NewBucket,
    /// All documents if one bucket was read; only the requested kinds if buckets were listed.
    pub documents: Documents,
}

impl BucketRecord {
    /// Creates the record of a bucket that was never changed, without documents.
    pub fn new(id: BucketId, bucket: NewBucket) -> Self {
        Self { id, revision: Revision::default(), bucket, documents: Documents::default() }
    }
}

/// A replica of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// The id by which the driver of its backend knows the replica.
    pub id: BucketId,
    pub backend: String,
    pub location: String,
    /// Replicas of a lower rank are read first.
    pub rank: i64,
    /// The replica was complete once. What it lacks since then is in the queue of repairs.
    pub seeded: bool,
    /// The replica was complete once and has lost its location since. It is filled again; anything else found
    /// there is out of date.
    pub refilled: bool,
    /// The location could not be created with the bucket. Data found there may belong to another program, and
    /// is checked first.
    pub unmade: bool,
    pub revision: Revision,
}

/// A location of a deleted bucket that could not be removed yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftLocation {
    pub backend: String,
    pub location: String,
    /// The bucket's name.
    pub bucket: BucketName,
}

/// A location on a backend, as in [`NewBucket::location`]. The empty location is the whole backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackendLocation {
    pub backend: String,
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplica {
    pub backend: String,
    pub location: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaChange {
    Seeded,
    /// The replica is to be filled again: the data there is old.
    Refilled,
    /// The location could not be created yet.
    Unmade,
    /// The replica ranks before all others.
    First,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BucketChange {
    Owner(Owner),
}

#[derive(Debug, Clone, Default)]
pub struct BucketsQuery {
    pub tenant: TenantId,
    /// Only buckets of the owner with this id.
    pub owner: Option<String>,
    /// Buckets with these names are included, whoever owns them.
    pub besides: Vec<BucketName>,
    pub prefix: String,
    pub after: Option<String>,
    pub limit: usize,
    /// Documents of these kinds are read with each bucket.
    pub documents: Vec<&'static str>,
}

#[derive(Debug, Clone, Default)]
pub struct BucketsPage {
    /// In order of name.
    pub buckets: Vec<BucketRecord>,
    pub truncated: bool,
}

/// One key as listings show it, and the physical object it was seen as.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexRow {
    pub key: ObjectKey,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<ChecksumSpec>,
    /// The owner of the object, if it is not that of the bucket.
    pub owner: Option<CanonicalId>,
    /// The driver's own identification of the file, to detect changes. It is opaque here.
    pub fingerprint: Vec<u8>,
    pub version: RowVersion,
}

impl IndexRow {
    /// The row of an object with this record. `fingerprint`: see the field.
    pub fn of(key: &ObjectKey, record: &ObjectRecord, fingerprint: Vec<u8>) -> Self {
        Self {
            key: key.clone(),
            size: record.size,
            etag: record.etag.clone(),
            last_modified: record.modified,
            checksum: record.checksum.as_ref().map(ObjectChecksum::spec),
            owner: record.attributes.owner.clone(),
            fingerprint,
            version: Default::default(),
        }
    }
}

/// The version of its key that a row belongs to. The default is the null version of a bucket without
/// versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowVersion {
    /// `None` is the null version.
    pub id: Option<Arc<str>>,
    /// Newer versions of a key have a greater order, and no two versions have the same.
    pub order: u64,
}

/// A version that LIST does not show: one behind the current version, or a delete marker.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow {
    pub row: IndexRow,
    pub is_marker: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum IndexChange {
    /// LIST shows this row for the key from now on.
    Put(IndexRow),
    /// LIST no longer shows the key.
    Delete(ObjectKey),
    PutVersion(VersionRow),
    /// Removes the version of this order.
    DeleteVersion(ObjectKey, u64),
}

/// The number of an index change among all changes of its key, in whatever order they arrive: the greater
/// number is newer. In one bucket, either all changes are numbered or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Changes take effect in the order in which they arrive.
    pub const UNNUMBERED: Self = Self(0);
}

/// The size of a bucket, according to its key index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSize {
    pub name: BucketName,
    pub objects: u64,
    pub bytes: u64,
}

/// The largest of the buckets that have a key index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSizes {
    /// Ordered by their number of bytes, the largest first.
    pub largest: Vec<BucketSize>,
    /// The number of buckets that are not in `largest`.
    pub others: usize,
}

/// What a driver records of an object because its storage cannot keep it, in a format of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub key: ObjectKey,
    /// The committed record: it describes the object that the key holds.
    pub committed: Option<String>,
    /// The pending change: it describes the object that the key was about to hold when this was written. The
    /// result is not known yet.
    pub pending: Option<String>,
}

impl ObjectRow {
    /// Returns whether the row is empty. Such a row is not stored.
    pub fn is_empty(&self) -> bool {
        self.committed.is_none() && self.pending.is_none()
    }
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub row: ObjectRow,
    pub revision: Revision,
}

/// What a driver records of a version that is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The order, as in [`RowVersion::order`].
    pub order: u64,
    pub stored: StoredObject,
}

/// A directory of a bucket, as a scan saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Relative to the bucket's own directory, whose path is empty.
    pub path: String,
    /// What shows whether the directory has changed since, in a format of the driver.
    pub seen: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichObjects {
    All,
    /// Only rows with a pending change.
    Unsettled,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UploadRecord {
    pub bucket: BucketId,
    pub upload: UploadId,
    pub key: ObjectKey,
    pub initiator: Owner,
    pub initiated: Timestamp,
    pub attributes: Attributes,
    pub checksum: ChecksumSpec,
    pub explicit_checksum: bool,
    /// The driver's identifier of the upload, in a format of the driver.
    pub location: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartRecord {
    pub number: PartNumber,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    pub last_modified: Timestamp,
    /// The location of the bytes, in a format of the driver.
    pub location: String,
}

/// The result of an upload, so that a repeated Complete gets the same answer.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletedUpload {
    pub key: ObjectKey,
    pub written: Written,
    pub at: Timestamp,
}
