//! The operators' interface to a backend that keeps its buckets on several others.

use crate::{
    catalog::{BackendLocation, BucketRecord},
    model::ObjectKey,
    store::error::StoreError,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The state of one replica of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    pub backend: String,
    #[serde(rename = "place")]
    pub location: String,
    /// Why no requests are sent to its backend, if that is so.
    pub down: Option<String>,
    /// Whether the replica was complete once.
    pub seeded: bool,
    /// Why the last attempt to fill it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unfilled: Option<String>,
    /// The number of objects whose changes it lacks, deletions included.
    pub pending: u64,
    /// The number of changes that are being sent to it.
    #[serde(skip_serializing_if = "is_none", default)]
    pub in_flight: u64,
    /// Why it was not repaired.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub troubles: Vec<Trouble>,
}

/// One cause for which objects were not repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub why: String,
    pub since: String,
    /// The number of objects.
    pub objects: u64,
    /// The key of one of them.
    pub example: String,
    /// The next step to correct it, and when it will be taken.
    pub next: String,
}

/// An object whose last change or deletion a replica lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    pub backend: String,
    pub key: String,
    /// The last failure.
    pub why: String,
}

/// The objects that replicas lack, from one page of the queue of repairs.
#[derive(Debug, Default)]
pub struct Lacking {
    pub lacks: Vec<Lack>,
    /// The key after which the next page begins, if there is one.
    pub after: Option<ObjectKey>,
}

/// The state of one backend of a replicated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaHealth {
    pub backend: String,
    /// Why no requests are sent to it, if that is so.
    pub out: Option<String>,
    /// The number of objects whose last repair failed on it, in all open buckets.
    pub failing: u64,
}

/// The number of objects that were checked, and the results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationCounts {
    pub objects: u64,
    /// Objects that were created in a replica outside the gateway, and adopted.
    pub adopted: u64,
    /// Objects that were created in a replica outside the gateway, and left alone.
    #[serde(rename = "strangers")]
    pub stray: u64,
    /// Copies that differed from the record.
    pub differing: u64,
    pub copied: u64,
    /// Copies that still differ from the record.
    pub failed: u64,
    /// Replicas that could not be scanned.
    #[serde(skip_serializing_if = "is_none", default)]
    pub unreachable: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrub {
    /// Compares ETags, as replicas list them.
    Listing,
    /// Reads every byte.
    Bytes,
}

type OnProgress<'t> = &'t (dyn Fn(ReplicationCounts) + Send + Sync);

#[async_trait]
pub trait Replication: Send + Sync {
    /// Returns its backends and their states.
    fn health(&self) -> Vec<ReplicaHealth>;

    /// Returns the state of each replica, in order of rank.
    async fn status(&self, bucket: &BucketRecord) -> Result<Vec<ReplicaState>, StoreError>;

    /// Returns what the replicas lack, key by key and page by page: `after` is the end of the page before,
    /// `None` for the first one.
    async fn lacking(&self, bucket: &BucketRecord, after: Option<ObjectKey>) -> Result<Lacking, StoreError>;

    /// Repairs the replicas: sends them the changes that they are known to lack.
    async fn repair(
        &self,
        bucket: &BucketRecord,
        tell: OnProgress<'_>,
    ) -> Result<ReplicationCounts, StoreError>;

    /// Finds the changes that replicas lack, and repairs them.
    async fn scrub(
        &self,
        bucket: &BucketRecord,
        how: Scrub,
        tell: OnProgress<'_>,
    ) -> Result<ReplicationCounts, StoreError>;

    /// Returns the location that a replica on a backend would have.
    fn location_on(&self, bucket: &BucketRecord, backend: &str) -> Result<BackendLocation, StoreError>;

    /// Adds a replica. A call that was interrupted can be repeated.
    async fn add(
        &self,
        bucket: &BucketRecord,
        backend: &str,
        tell: OnProgress<'_>,
    ) -> Result<ReplicationCounts, StoreError>;

    async fn remove(&self, bucket: &BucketRecord, backend: &str) -> Result<(), StoreError>;

    /// Makes the replica on a backend the first one for reads.
    async fn promote(&self, bucket: &BucketRecord, backend: &str) -> Result<(), StoreError>;
}
