//! A backend that keeps nothing: it takes every object and gives zeros, so that the cost of the protocol can
//! be measured without that of a storage.
//!
//! Every key has an object of one size, and every bucket lists the same keys, as the settings say. A body is
//! read to its end and verified as on any other backend; then its bytes, its attributes and its key are gone.
//! Only parts of multipart uploads are remembered until their upload ends (sizes and digests, no bytes), and
//! their number is bounded.
//!
//! Invariant: a request that needs what a store must remember (conditions, tags, ACLs) is refused.

mod names;
mod store;
mod uploads;
mod zeros;

use crate::{
    backend::{Backend, OpenedBucket, Upkeep},
    catalog::BucketRecord,
    model::{BucketName, Timestamp},
    store::{Capabilities, error::StoreError},
};
use async_trait::async_trait;
use std::sync::Arc;
use store::NullStore;
use uploads::Room;

#[derive(Debug, Clone, Copy)]
pub struct NullSettings {
    /// The size of every object.
    pub object_size: u64,
    /// The number of keys that a bucket lists.
    pub keys: usize,
}

#[derive(Debug)]
pub struct NullBackend {
    settings: NullSettings,
    /// The modification time of every object.
    opened: Timestamp,
    room: Room,
}

impl NullBackend {
    pub fn new(settings: NullSettings) -> Self {
        Self { settings, opened: Timestamp::now(), room: Room::default() }
    }
}

#[async_trait]
impl Backend for NullBackend {
    fn capabilities(&self) -> Capabilities {
        store::CAPABILITIES
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.as_str().to_owned()
    }

    async fn open(&self, _: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let store = NullStore::new(self.settings, self.opened, self.room.clone());
        Ok(OpenedBucket::new(Arc::new(store), Arc::new(NoUpkeep)))
    }

    /// There is nothing to remove. The caller has seen that the bucket lists no keys.
    async fn remove(&self, _: &BucketRecord) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct NoUpkeep;

impl Upkeep for NoUpkeep {}
