//! A backend whose buckets are behind caches.

use super::{
    data::{DataCache, DataStore},
    entries::lock,
    metadata::MetadataCache,
    space::{Freshness, Space},
    store::CachedStore,
};
use crate::{
    backend::{Backend, Depth, OpenedBucket, Progress, Upkeep},
    catalog::{BucketId, BucketRecord},
    model::BucketName,
    store::{Capabilities, error::StoreError},
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

#[derive(Debug)]
pub struct CachedBackend {
    below: Arc<dyn Backend>,
    name: Arc<str>,
    metadata: Option<(Arc<MetadataCache>, Freshness)>,
    data: Option<Arc<DataCache>>,
    /// The space of each open bucket. All openings of a bucket share one space, so that readers see each
    /// other's writes.
    spaces: Mutex<HashMap<(BucketId, String), Arc<Space>>>,
}

impl CachedBackend {
    /// `name` is the backend's name in the configuration.
    pub fn new(
        below: Arc<dyn Backend>,
        name: &str,
        metadata: Option<(Arc<MetadataCache>, Freshness)>,
        data: Option<Arc<DataCache>>,
    ) -> Self {
        Self { below, name: name.into(), metadata, data, spaces: Mutex::default() }
    }

    fn space(&self, record: &BucketRecord) -> Option<Arc<Space>> {
        let (cache, freshness) = self.metadata.as_ref()?;
        let new = || cache.space(&self.name, &record.bucket.name, *freshness);
        Some(lock(&self.spaces).entry(identity(record)).or_insert_with(new).clone())
    }
}

fn identity(record: &BucketRecord) -> (BucketId, String) {
    (record.id, record.bucket.location.clone())
}

/// Ends the lifetime of all cached answers when it is dropped, even if the work that may have changed
/// something was cancelled.
struct Elapsing<'s, F: Fn() -> bool>(&'s Space, F);

impl<F: Fn() -> bool> Drop for Elapsing<'_, F> {
    fn drop(&mut self) {
        if (self.1)() {
            self.0.elapse();
        }
    }
}

#[async_trait]
impl Backend for CachedBackend {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn below(&self) -> Option<&Arc<dyn Backend>> {
        Some(&self.below)
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.below.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let OpenedBucket { mut store, uncached, mut upkeep } = self.below.open(bucket).await?;
        if let Some(space) = self.space(bucket) {
            store = Arc::new(CachedStore::new(store, space.clone()));
            upkeep = Arc::new(CachedUpkeep { below: upkeep, space });
        }
        if let Some(data) = &self.data {
            store = Arc::new(DataStore::new(store, bucket, &self.name, data.clone()));
        }
        Ok(OpenedBucket { store, uncached, upkeep })
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let removed = self.below.remove(bucket).await?;
        if removed && let Some(space) = lock(&self.spaces).remove(&identity(bucket)) {
            space.elapse();
        }
        Ok(removed)
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        self.below.discover().await
    }
}

/// Upkeep that finds changes ends the lifetime of cached answers.
#[derive(Debug)]
struct CachedUpkeep {
    below: Arc<dyn Upkeep>,
    space: Arc<Space>,
}

#[async_trait]
impl Upkeep for CachedUpkeep {
    async fn is_there(&self) -> Result<bool, StoreError> {
        self.below.is_there().await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        let _elapsing = Elapsing(&self.space, || true);
        self.below.maintain().await
    }

    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool, StoreError> {
        let before = progress.counts().changed;
        let _elapsing = Elapsing(&self.space, || progress.counts().changed != before);
        self.below.scan(depth, progress).await
    }

    async fn read_changes(&self) -> Result<(), StoreError> {
        let _elapsing = Elapsing(&self.space, || true);
        self.below.read_changes().await
    }
}
