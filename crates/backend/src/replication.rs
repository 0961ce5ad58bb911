//! The operators' interface to a backend that keeps its buckets on several others.

use crate::{
    catalog::{BackendPlace, BucketRecord},
    model::ObjectKey,
    store::error::StoreError,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How one replica of a bucket is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    pub backend: String,
    pub place: String,
    /// Why it is out, if it is.
    pub down: Option<String>,
    /// Whether the replica was complete once.
    pub seeded: bool,
    /// Why it could not be filled when that was tried last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unfilled: Option<String>,
    /// Objects that it lacks of those that changed since, or has to forget.
    pub pending: u64,
    /// Changes that are on their way to it.
    #[serde(skip_serializing_if = "is_none", default)]
    pub in_flight: u64,
    /// Why it was not given what it lacks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub troubles: Vec<Trouble>,
}

/// One cause for which objects were not repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub why: String,
    pub since: String,
    /// How many.
    pub objects: u64,
    /// The key of one of them.
    pub example: String,
    /// The next step to correct it, and when it is taken.
    pub next: String,
}

/// An object that a replica lacks, or has to forget.
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

/// How one of the backends of a replicated one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaHealth {
    pub backend: String,
    /// Why nothing is sent to it, if nothing is.
    pub out: Option<String>,
    /// Objects whose last repair failed there, in all buckets that are open.
    pub failing: u64,
}

/// The number of objects that were checked, and the results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationCounts {
    pub objects: u64,
    /// Objects that others had put into a replica.
    pub adopted: u64,
    /// Objects that others had put into a replica, and that were left alone.
    pub strangers: u64,
    /// Copies that were not as they should be.
    pub differing: u64,
    pub copied: u64,
    /// Copies that are still not as they should be.
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
    /// By ETags, as replicas list them.
    Listing,
    /// By reading every byte.
    Bytes,
}

type Tell<'t> = &'t (dyn Fn(ReplicationCounts) + Send + Sync);

#[async_trait]
pub trait Replication: Send + Sync {
    /// Returns its backends, and what is wrong with each.
    fn health(&self) -> Vec<ReplicaHealth>;

    /// In order of rank.
    async fn status(&self, bucket: &BucketRecord) -> Result<Vec<ReplicaState>, StoreError>;

    /// Returns what the replicas lack, key by key and page by page: `after` is the end of the page before,
    /// `None` for the first one.
    async fn lacking(&self, bucket: &BucketRecord, after: Option<ObjectKey>) -> Result<Lacking, StoreError>;

    /// Brings to replicas what they are known to lack.
    async fn repair(&self, bucket: &BucketRecord, tell: Tell<'_>) -> Result<ReplicationCounts, StoreError>;

    /// Finds out what replicas lack, and repairs it.
    async fn scrub(
        &self,
        bucket: &BucketRecord,
        how: Scrub,
        tell: Tell<'_>,
    ) -> Result<ReplicationCounts, StoreError>;

    /// Returns the location that a replica on a backend would have.
    fn place_on(&self, bucket: &BucketRecord, backend: &str) -> Result<BackendPlace, StoreError>;

    /// Repeating it after it was cut short completes it.
    async fn add(
        &self,
        bucket: &BucketRecord,
        backend: &str,
        tell: Tell<'_>,
    ) -> Result<ReplicationCounts, StoreError>;

    async fn remove(&self, bucket: &BucketRecord, backend: &str) -> Result<(), StoreError>;

    /// Makes it the first to be read.
    async fn promote(&self, bucket: &BucketRecord, backend: &str) -> Result<(), StoreError>;
}
