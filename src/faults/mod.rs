//! A backend that fails on purpose, over any other: slow, hanging, away, throttled, losing replies, tearing bodies, late, and
//! listing what was. For trying out whatever must live with that.
//!
//! What goes wrong is a [`Plan`], which whoever holds the [`Faults`] changes while calls go on. Invariants:
//! - a call meets at most one kind of fault, by the seed and its own number: no clock and no other randomness decides;
//! - what is not answered with an error is what the storage below answered;
//! - a body never ends as if it were whole when it is not.

mod body;
mod handle;
mod pages;
mod plan;
mod record;
mod store;

pub use handle::Faults;
pub use plan::{Flapping, Kind, Plan};
pub use record::{Counts, Done};
pub use store::FaultyStore;

use crate::{
    backend::{Backend, Found, Progress},
    catalog::BucketRecord,
    model::BucketName,
    store::{Capabilities, Store, error::StoreError, operation::Operation},
};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub struct FaultyBackend {
    below: Arc<dyn Backend>,
    faults: Faults,
}

impl FaultyBackend {
    pub fn new(below: Arc<dyn Backend>, faults: Faults) -> Self {
        Self { below, faults }
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

/// What the backend below opened.
fn below(store: &Arc<dyn Store>) -> &Arc<dyn Store> {
    store.as_any().downcast_ref::<FaultyStore>().map_or(store, FaultyStore::below)
}

#[async_trait]
impl Backend for FaultyBackend {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn below(&self) -> Option<&Arc<dyn Backend>> {
        Some(&self.below)
    }

    fn place_for(&self, name: &BucketName) -> String {
        self.below.place_for(name)
    }

    /// As a listing: that is what most storages are asked for it.
    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let fate = self.faults.meet(Operation::List, &bucket.bucket.place).await?;
        fate.ask(self.below.found(bucket)).await
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::Create, &bucket.bucket.place).await?;
        let (below, bucket) = (self.below.clone(), bucket.clone());
        fate.act(async move { below.create(&bucket).await }).await
    }

    /// Without faults: opening is ours, and asks no storage.
    async fn open(&self, bucket: &BucketRecord) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(FaultyStore::new(self.below.open(bucket).await?, self.faults.clone())))
    }

    /// As a listing: that is what most storages are asked for it.
    async fn is_there(&self, bucket: &BucketRecord, store: Option<&Arc<dyn Store>>) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::List, &bucket.bucket.place).await?;
        fate.ask(self.below.is_there(bucket, store.map(below))).await
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::Remove, &bucket.bucket.place).await?;
        let (below, bucket) = (self.below.clone(), bucket.clone());
        fate.act(async move { below.remove(&bucket).await }).await
    }

    /// Without faults: it is asked at start, which would fail.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        self.below.discover().await
    }

    async fn tend(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::Tend, &bucket.bucket.place).await?;
        fate.ask(self.below.tend(bucket, below(store))).await
    }

    async fn walk(&self, bucket: &BucketRecord, store: &Arc<dyn Store>, progress: &Progress) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::Walk, &bucket.bucket.place).await?;
        fate.ask(self.below.walk(bucket, below(store), progress)).await
    }

    async fn follow(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::Follow, &bucket.bucket.place).await?;
        fate.ask(self.below.follow(bucket, below(store))).await
    }
}
