//! Drivers: storage behind the [`Store`] contract. One folder each; adding one adds a folder and a row where the server
//! builds backends from configuration.

pub mod azblob;
mod claims;
mod codec;
pub mod dropbox;
pub mod fs;
pub mod ftp;
pub mod gdrive;
pub mod locks;
pub mod memory;
mod names;
pub mod oauth;
pub mod onedrive;
pub mod opendal;
pub mod parts;
mod place;
mod progress;
mod replication;
pub mod s3;
pub mod sftp;
mod slots;
mod traffic;
pub mod tree;
pub mod uploads;
pub mod webdav;
mod wire;

pub use codec::Names;
pub use progress::{Counts, Progress};
pub use replication::{ReplicaState, Replication, ReplicationCounts, Scrub};
pub use traffic::Traffic;
pub use wire::WireSettings;

use crate::{
    catalog::BucketRecord,
    model::BucketName,
    store::{
        Capabilities, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// One configured storage that holds buckets.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    fn capabilities(&self) -> Capabilities;

    /// Where a bucket created through S3 goes: what `BucketRecord::bucket.place` will say.
    fn place_for(&self, name: &BucketName) -> String;

    /// Where a bucket of the configuration lies. `remote` is a bucket or container of the storage itself.
    fn place_at(&self, name: &BucketName, remote: Option<&str>, prefix: Option<&str>) -> Result<String, StoreError> {
        match remote {
            Some(_) => {
                Err(StoreError::new(StoreErrorKind::InvalidRequest, "this type of backend has no buckets of its own: leave out 'remote'"))
            }
            None => Ok(prefix.map_or_else(|| self.place_for(name), str::to_owned)),
        }
    }

    /// Makes the place of a new bucket exist, where opening it does not. Repeating it is harmless.
    async fn create(&self, _bucket: &BucketRecord) -> Result<(), StoreError> {
        Ok(())
    }

    /// Opens a place; what is there already is served. Waits for no network: storage that is away now may be back later.
    async fn open(&self, bucket: &BucketRecord) -> Result<Arc<dyn Store>, StoreError>;

    /// Removes the emptied place. `Ok(false)`: something is still in it, nothing was removed.
    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError>;

    /// Names of places that look like buckets and are not in the catalog yet: adopted at start.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError>;

    /// One step of background upkeep (scan, adoption, cleaning); the caller decides when. Interrupting it is harmless.
    async fn tend(&self, _bucket: &BucketRecord, _store: &Arc<dyn Store>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Compares every file with the index that listings come from. `Ok(false)`: there is no such index, the storage lists
    /// itself. Interrupting it is harmless, and another walk goes on about where it was.
    async fn walk(&self, _bucket: &BucketRecord, _store: &Arc<dyn Store>, _progress: &Progress) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Whether the storage itself tells what changes in it: then `follow` is quick.
    fn tells_changes(&self) -> bool {
        false
    }

    /// Brings the index up to date with what the storage tells of others' changes. Interrupting it is harmless.
    async fn follow(&self, _bucket: &BucketRecord, _store: &Arc<dyn Store>) -> Result<(), StoreError> {
        Ok(())
    }

    /// What operators may ask of it, where it keeps its buckets on several others.
    fn replication(&self) -> Option<&dyn Replication> {
        None
    }

    /// What was asked of the storage so far. `None`: it is no other machine.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Whether whoever has the objects elsewhere too should take them from there: this backend is over its budget.
    fn avoid(&self) -> bool {
        false
    }

    /// Ends a visit that changed nothing: the next start finds what this one found. Instead of `close`.
    async fn release(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The index is committed and closed: what the next start should know of an orderly stop.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
