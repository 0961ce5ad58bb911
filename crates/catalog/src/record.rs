//! The rows of the catalog, as plain values.

use super::{Documents, Revision};
use crate::{
    model::{
        Attributes, BucketName, Checksum, ChecksumSpec, ETag, ObjectChecksum, ObjectKey, Owner, PartNumber,
        TenantId, Timestamp, UploadId,
    },
    store::{Written, record::ObjectRecord},
};
use std::sync::Arc;

/// Never used again, not even for a bucket of the same name: late writes of a deleted bucket touch nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub i64);

#[derive(Debug, Clone, PartialEq)]
pub struct NewBucket {
    /// Whose name it is. The owner is one of the same tenant.
    pub tenant: TenantId,
    pub name: BucketName,
    pub owner: Owner,
    pub created: Timestamp,
    /// The name of the backend in the configuration.
    pub backend: String,
    /// The location of the bucket on that backend: a directory, or a prefix.
    pub place: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BucketRecord {
    pub id: BucketId,
    /// Moves when the bucket itself is changed, its owner for one. Its documents have a revision of their
    /// own.
    pub revision: Revision,
    pub bucket: NewBucket,
    /// All of them where one bucket was asked for, and those that were asked for where buckets were listed.
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
    /// The id by which its driver knows it.
    pub id: BucketId,
    pub backend: String,
    pub place: String,
    /// Lower ones are read first.
    pub rank: i64,
    /// The replica was complete once: what it lacks now is in the queue of repairs.
    pub seeded: bool,
    /// The replica was complete once and lost its location since: it is filled again, and everything else
    /// found there is old.
    pub refilled: bool,
    /// The location could not be made with its bucket: data found there may belong to others, and is checked
    /// first.
    pub unmade: bool,
    pub revision: Revision,
}

/// A location of a deleted bucket that could not be removed yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftPlace {
    pub backend: String,
    pub place: String,
    /// The bucket's name.
    pub bucket: BucketName,
}

/// A location on a backend, as in [`NewBucket::place`]. The empty one is all of the backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackendPlace {
    pub backend: String,
    pub place: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplica {
    pub backend: String,
    pub place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaChange {
    Seeded,
    /// The replica is to be filled again: the data there is old.
    Refilled,
    /// The location could not be made yet.
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
    /// Only those of this owner's id.
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
    /// The driver's own words for "the same file as then"; opaque here.
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
            fingerprint,
            version: Default::default(),
        }
    }
}

/// Which version of its key a row is of. The default is the null version of a bucket without versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowVersion {
    /// `None` is the null version.
    pub id: Option<Arc<str>>,
    /// A newer version of a key has a greater one, and no two have the same.
    pub order: u64,
}

/// A version that LIST does not show: one behind the current one, or a delete marker.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow {
    pub row: IndexRow,
    pub is_marker: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum IndexChange {
    /// The row that LIST shows for the key from now on.
    Put(IndexRow),
    /// LIST shows nothing of the key any more.
    Delete(ObjectKey),
    PutVersion(VersionRow),
    /// The version of this order.
    DeleteVersion(ObjectKey, u64),
}

/// Numbers a change of the index among all changes of its key, whatever the order in which they arrive: the
/// greater one is newer. Of one bucket, either all changes are numbered or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Changes take effect in the order in which they arrive.
    pub const UNNUMBERED: Self = Self(0);
}

/// How much a bucket holds, as its key index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSize {
    pub name: BucketName,
    pub objects: u64,
    pub bytes: u64,
}

/// The largest of the buckets that have a key index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSizes {
    /// In order of their bytes, the largest first.
    pub largest: Vec<BucketSize>,
    /// How many others there are.
    pub others: usize,
}

/// What a driver remembers of an object that its storage cannot keep, in a format of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub key: ObjectKey,
    /// Describes what the key holds.
    pub stands: Option<String>,
    /// The pending change: describes what the key was about to hold when this was written. Its outcome is not
    /// known yet.
    pub intended: Option<String>,
}

impl ObjectRow {
    /// Returns whether the row is empty. Such a row is not stored.
    pub fn is_empty(&self) -> bool {
        self.stands.is_none() && self.intended.is_none()
    }
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub row: ObjectRow,
    pub revision: Revision,
}

/// What a driver remembers of a version that is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The order, as in [`RowVersion::order`].
    pub order: u64,
    pub stored: StoredObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichObjects {
    All,
    /// With an intention.
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
    /// The identifier by which the driver knows the upload, in a format of the driver.
    pub location: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartRecord {
    pub number: PartNumber,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    pub last_modified: Timestamp,
    /// Where the driver put the bytes, in a format of the driver.
    pub location: String,
}

/// How an upload ended, so that a repeated Complete is answered alike.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletedUpload {
    pub key: ObjectKey,
    pub written: Written,
    pub at: Timestamp,
}
