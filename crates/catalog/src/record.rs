//! What the catalog remembers, as plain values.

use crate::{
    model::{Attributes, BucketName, CannedAcl, Checksum, ChecksumSpec, ETag, ObjectKey, Owner, PartNumber, Timestamp, UploadId},
    store::Written,
};

/// Never used again, not even for a bucket of the same name: late writes of a deleted bucket touch nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub i64);

#[derive(Debug, Clone, PartialEq)]
pub struct NewBucket {
    pub name: BucketName,
    pub owner: Owner,
    pub created: Timestamp,
    pub acl: CannedAcl,
    /// `LocationConstraint` as the client gave it; empty for the default.
    pub location: String,
    /// The name of the backend in the configuration.
    pub backend: String,
    /// Where the bucket lives on that backend: a directory, or a prefix.
    pub place: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BucketRecord {
    pub id: BucketId,
    pub bucket: NewBucket,
}

/// A replica of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// What its driver knows it by.
    pub id: BucketId,
    pub backend: String,
    pub place: String,
    /// Lower ones are read first.
    pub rank: i64,
    /// It had everything once, so that what it lacks now is in the queue of repairs.
    pub seeded: bool,
    /// It had everything once and lost its place since: it is filled anew, and whatever else is found there is old.
    pub refilled: bool,
    /// Its place could not be made with its bucket: whatever lies there by now may be others', and is looked at first.
    pub unmade: bool,
}

/// A place of a deleted bucket that could not be removed yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftPlace {
    pub backend: String,
    pub place: String,
    /// The bucket's name.
    pub bucket: BucketName,
}

/// A place on a backend, as [`NewBucket::place`] says it. The empty one is all of the backend.
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
    /// It is to be filled anew: what is there is old.
    Refilled,
    /// Its place could not be made yet.
    Unmade,
    /// It ranks before all others.
    First,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BucketChange {
    Acl(CannedAcl),
    Owner(Owner),
}

#[derive(Debug, Clone, Default)]
pub struct BucketsQuery {
    /// Only those of this owner's id.
    pub owner: Option<String>,
    /// And those of these names, whoever owns them.
    pub besides: Vec<BucketName>,
    pub prefix: String,
    pub after: Option<String>,
    pub limit: usize,
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
}

#[derive(Debug, Clone, PartialEq)]
pub enum IndexChange {
    Put(IndexRow),
    Delete(ObjectKey),
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

/// What a driver remembers of an object that its storage cannot keep, in the driver's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub key: ObjectKey,
    /// Describes what the key holds.
    pub stands: Option<String>,
    /// Describes what the key was about to hold when this was written: nobody knows yet how that change ended.
    pub intended: Option<String>,
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
    /// What the driver knows the upload by, in its own words.
    pub location: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartRecord {
    pub number: PartNumber,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    pub last_modified: Timestamp,
    /// Where the driver put the bytes, in its own words.
    pub location: String,
}

/// How an upload ended, so that a repeated Complete is answered alike.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletedUpload {
    pub key: ObjectKey,
    pub written: Written,
    pub at: Timestamp,
}
