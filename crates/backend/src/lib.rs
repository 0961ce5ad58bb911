//! Backends: storage behind the [`Store`](crate::store::Store) contract, and the code that their drivers
//! share. A new driver needs a folder in a crate of drivers, and a row where the server builds backends
//! from configuration.

#![warn(unreachable_pub)]

// Other crates import this crate by this name.
extern crate self as backend;

pub mod changes;
pub mod claims;
pub mod codec;
pub mod contact;
pub mod found;
pub mod location;
pub mod locks;
pub mod memory;
pub mod migration;
pub mod names;
pub mod oauth;
pub mod opened;
pub mod pages;
pub mod progress;
pub mod readiness;
pub mod replication;
pub mod slots;
pub mod space;
pub mod spread;
pub mod traffic;
pub mod tree;
pub mod unreadable;
pub mod uploads;
pub mod watches;
pub mod wire;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;

use causeway_catalog as catalog;
use causeway_core::{model, store};

pub use codec::Names;
pub use found::Found;
pub use opened::{OpenedBucket, Upkeep};
pub use progress::{Counts, Depth, Progress};
pub use replication::{
    Lack, Lacking, ReplicaHealth, ReplicaState, Replication, ReplicationCounts, Scrub, Trouble,
};
pub use space::Space;
pub use spread::{seed_pauses, spread};
pub use traffic::Traffic;
pub use wire::WireSettings;

use crate::{
    catalog::{BackendLocation, BucketRecord, NewBucket},
    model::BucketName,
    store::{
        Capabilities,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// One configured storage that holds buckets.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    fn capabilities(&self) -> Capabilities;

    /// Returns the backend under this one, if this one is a layer. It answers every call that the layer does
    /// not implement.
    fn below(&self) -> Option<&Arc<dyn Backend>> {
        None
    }

    /// Returns the location for a bucket created through S3: the later value of `BucketRecord::bucket.location`.
    fn location_for(&self, name: &BucketName) -> String;

    /// Returns the location of a bucket from the configuration. `remote` is a bucket or container of the
    /// storage.
    fn location_at(
        &self,
        name: &BucketName,
        remote: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<String, StoreError> {
        match (self.below(), remote) {
            (Some(below), _) => below.location_at(name, remote, prefix),
            (None, Some(_)) => Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                "this type of backend has no buckets of its own: leave out 'remote'",
            )),
            (None, None) => Ok(prefix.map_or_else(|| self.location_for(name), str::to_owned)),
        }
    }

    /// Returns the locations of a bucket's objects, one per replica, on a backend that keeps its buckets on
    /// several others.
    fn parts(&self, bucket: &NewBucket) -> Result<Vec<BackendLocation>, StoreError> {
        match self.below() {
            Some(below) => below.parts(bucket),
            None => Ok(Vec::new()),
        }
    }

    /// Reports what exists at a location before a bucket is created there, because existing data belongs to
    /// no client. It changes nothing.
    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        match self.below() {
            Some(below) => below.found(bucket).await,
            None => Ok(Found::Nothing),
        }
    }

    /// Returns a message if another program stores data at the location in a format of its own, so that its
    /// files are not objects. It does not wait for the network.
    async fn foreign_format(&self, bucket: &BucketRecord) -> Result<Option<&'static str>, StoreError> {
        match self.below() {
            Some(below) => below.foreign_format(bucket).await,
            None => Ok(None),
        }
    }

    /// Creates the location of a new bucket, if opening does not create it. Repeating it is harmless.
    /// `Conflict`: the location contains foreign data.
    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        match self.below() {
            Some(below) => below.create(bucket).await,
            None => Ok(()),
        }
    }

    /// Opens a location; existing data is served. It does not wait for the network, because an unreachable
    /// storage may become reachable later.
    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError>;

    /// Returns whether opening a bucket will find its location. A driver whose opening would create an empty
    /// one returns `Ok(false)`. Once the bucket is open, `Upkeep::is_there` reports this.
    async fn has_location(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        match self.below() {
            Some(below) => below.has_location(bucket).await,
            None => Ok(true),
        }
    }

    /// Fails if the container of the location is known to be gone, which only an operator can correct. On
    /// some storages HEAD of a key does not show this: the reply is the same as for a missing key.
    async fn check_holder(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        match self.below() {
            Some(below) => below.check_holder(bucket).await,
            None => Ok(()),
        }
    }

    /// Removes the empty location. `Ok(false)`: it is not empty, and nothing was removed.
    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError>;

    /// Returns names of locations that look like buckets, and may be buckets already. They are adopted at the
    /// start, if the backend's settings allow it.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError>;

    /// Removes what is staged on local disk for uploads that the catalog does not know any more: those of
    /// buckets that are gone, and leftovers of a crash. It does not wait for the network. Repeating and
    /// interrupting it are harmless.
    async fn sweep(&self) -> Result<(), StoreError> {
        match self.below() {
            Some(below) => below.sweep().await,
            None => Ok(()),
        }
    }

    /// Returns whether the storage has a change feed: then `Upkeep::read_changes` is quick.
    fn tells_changes(&self) -> bool {
        self.below().is_some_and(|below| below.tells_changes())
    }

    /// Returns the operators' interface to replication, on a backend that keeps its buckets on several
    /// others.
    fn replication(&self) -> Option<&dyn Replication> {
        self.below().and_then(|below| below.replication())
    }

    /// Returns the counts of requests to the storage so far. `None`: the storage is not another machine.
    fn traffic(&self) -> Option<Traffic> {
        self.below().and_then(|below| below.traffic())
    }

    /// Returns the free space of the local file system that contains the backend, if there is one. It may
    /// wait for the disk.
    fn space(&self) -> Option<Space> {
        self.below().and_then(|below| below.space())
    }

    /// Returns the number of known entries that cannot be read: each is refused alone.
    fn unreadable(&self) -> u64 {
        self.below().map_or(0, |below| below.unreadable())
    }

    /// Returns whether callers that can get the objects from another backend should do so, because this one
    /// is over its budget.
    fn avoid(&self) -> bool {
        self.below().is_some_and(|below| below.avoid())
    }

    /// Closes a backend that was not changed since it was opened, so that the next start finds the same
    /// state. It is called instead of `close`.
    async fn release(&self) -> Result<(), StoreError> {
        match self.below() {
            Some(below) => below.release().await,
            None => Ok(()),
        }
    }

    /// Closes the backend after the index was committed and closed, and records that the stop was orderly.
    async fn close(&self) -> Result<(), StoreError> {
        match self.below() {
            Some(below) => below.close().await,
            None => Ok(()),
        }
    }
}
