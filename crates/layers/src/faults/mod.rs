//! A backend that fails on purpose, on top of any other: slow, hanging, down, throttled, losing replies,
//! tearing bodies, applying writes late, and returning stale listings. It is for testing everything that must
//! survive such faults.
//!
//! The faults are described by a [`Plan`], which the holder of [`Faults`] can change while calls are in
//! progress. Invariants:
//! - a call meets at most one kind of fault, chosen by the seed and the call's number: no clock and no other
//!   randomness decides;
//! - an answer that is not an error is the answer of the storage below;
//! - a truncated body never ends as if it were complete.

mod body;
mod handle;
mod pages;
mod plan;
mod record;
mod store;

pub use handle::Faults;
pub use plan::{FaultKind, Flapping, Plan};
pub use record::{Counts, Done};
pub use store::FaultyStore;

use crate::{
    backend::{Backend, Depth, Found, OpenedBucket, Progress, Upkeep},
    catalog::BucketRecord,
    model::BucketName,
    store::{Capabilities, error::StoreError, operation::Operation},
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

#[async_trait]
impl Backend for FaultyBackend {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn below(&self) -> Option<&Arc<dyn Backend>> {
        Some(&self.below)
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.below.location_for(name)
    }

    /// Counts as a listing, because most drivers list for this.
    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let fate = self.faults.meet(Operation::List, &bucket.bucket.location).await?;
        fate.ask(self.below.found(bucket)).await
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::Create, &bucket.bucket.location).await?;
        let (below, bucket) = (self.below.clone(), bucket.clone());
        fate.act(async move { below.create(&bucket).await }).await
    }

    /// Has no faults: opening is local and asks no storage.
    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let opened = self.below.open(bucket).await?;
        let (faults, location) = (self.faults.clone(), bucket.bucket.location.clone());
        let upkeep = FaultyUpkeep { below: opened.upkeep.clone(), faults, location };
        let opened = OpenedBucket { upkeep: Arc::new(upkeep), ..opened };
        Ok(opened.behind(|below| Arc::new(FaultyStore::new(below, self.faults.clone()))))
    }

    /// Counts as a listing, because most drivers list for this.
    async fn has_location(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::List, &bucket.bucket.location).await?;
        fate.ask(self.below.has_location(bucket)).await
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::Remove, &bucket.bucket.location).await?;
        let (below, bucket) = (self.below.clone(), bucket.clone());
        fate.act(async move { below.remove(&bucket).await }).await
    }

    /// Has no faults: it is called at the start of the server, which would fail.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        self.below.discover().await
    }
}

#[derive(Debug)]
struct FaultyUpkeep {
    below: Arc<dyn Upkeep>,
    faults: Faults,
    location: String,
}

#[async_trait]
impl Upkeep for FaultyUpkeep {
    /// Counts as a listing, because most drivers list for this.
    async fn is_there(&self) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::List, &self.location).await?;
        fate.ask(self.below.is_there()).await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::Maintain, &self.location).await?;
        fate.ask(self.below.maintain()).await
    }

    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Operation::FullScan, &self.location).await?;
        fate.ask(self.below.scan(depth, progress)).await
    }

    async fn read_changes(&self) -> Result<(), StoreError> {
        let fate = self.faults.meet(Operation::ReadChanges, &self.location).await?;
        fate.ask(self.below.read_changes()).await
    }
}
