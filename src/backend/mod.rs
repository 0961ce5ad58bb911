//! Drivers: storage behind the [`Store`] contract. One folder each; adding one adds a folder and a row where the server
//! builds backends from configuration.

pub mod fs;
pub mod memory;

use crate::{
    catalog::BucketRecord,
    store::{Capabilities, Store, error::StoreError},
};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// One configured storage that holds buckets.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    fn capabilities(&self) -> Capabilities;

    /// Where a bucket created through S3 goes: what `BucketRecord::bucket.place` will say.
    fn place_for(&self, name: &crate::model::BucketName) -> String;

    /// Makes the place exist and opens it. Repeating it is harmless, what is there already is served.
    async fn open(&self, bucket: &BucketRecord) -> Result<Arc<dyn Store>, StoreError>;

    /// Removes the emptied place. `Ok(false)`: something is still in it, nothing was removed.
    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError>;

    /// Names of places that look like buckets and are not in the catalog yet: adopted at start.
    async fn discover(&self) -> Result<Vec<crate::model::BucketName>, StoreError>;

    /// One step of background upkeep (scan, adoption, cleaning); the caller decides when. Interrupting it is harmless.
    async fn tend(&self, _bucket: &BucketRecord, _store: &Arc<dyn Store>) -> Result<(), StoreError> {
        Ok(())
    }

    /// The index is committed and closed: what the next start should know of an orderly stop.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
