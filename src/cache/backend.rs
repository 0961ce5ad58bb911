//! A backend whose buckets are behind caches.

use super::{
    data::{DataCache, DataStore},
    entries::{MetadataCache, lock},
    space::{Freshness, Space},
    store::CachedStore,
};
use crate::{
    backend::{Backend, Progress},
    catalog::{BucketId, BucketRecord},
    model::BucketName,
    store::{Capabilities, Store, error::StoreError},
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

#[derive(Debug)]
pub struct CachedBackend {
    below: Arc<dyn Backend>,
    name: Arc<str>,
    metadata: Option<(Arc<MetadataCache>, Freshness)>,
    data: Option<Arc<DataCache>>,
    /// The space of each bucket that was opened. However often one is opened, its writers and readers know of each other.
    spaces: Mutex<HashMap<(BucketId, String), Arc<Space>>>,
    /// What is below the caches of each opened bucket.
    opened: Mutex<HashMap<(BucketId, String), Weak<dyn Store>>>,
}

impl CachedBackend {
    /// `name` is that of the configuration.
    pub fn new(
        below: Arc<dyn Backend>,
        name: &str,
        metadata: Option<(Arc<MetadataCache>, Freshness)>,
        data: Option<Arc<DataCache>>,
    ) -> Self {
        Self { below, name: name.into(), metadata, data, spaces: Mutex::default(), opened: Mutex::default() }
    }

    fn space(&self, record: &BucketRecord) -> Option<Arc<Space>> {
        let (cache, freshness) = self.metadata.as_ref()?;
        let new = || cache.space(&self.name, &record.bucket.name, *freshness);
        Some(lock(&self.spaces).entry(identity(record)).or_insert_with(new).clone())
    }
}

fn identity(record: &BucketRecord) -> (BucketId, String) {
    (record.id, record.bucket.place.clone())
}

/// Ends the time of what is kept, also where the work that may have changed something is given up half way.
struct Elapsing<F: Fn() -> bool>(Option<Arc<Space>>, F);

impl<F: Fn() -> bool> Drop for Elapsing<F> {
    fn drop(&mut self) {
        if let Some(space) = &self.0
            && (self.1)()
        {
            space.elapse();
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

    fn place_for(&self, name: &BucketName) -> String {
        self.below.place_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<Arc<dyn Store>, StoreError> {
        let mut store = self.below.open(bucket).await?;
        let mut opened = lock(&self.opened);
        opened.retain(|_, store| store.strong_count() > 0);
        opened.insert(identity(bucket), Arc::downgrade(&store));
        drop(opened);
        if let Some(space) = self.space(bucket) {
            store = Arc::new(CachedStore::new(store, space));
        }
        if let Some(data) = &self.data {
            store = Arc::new(DataStore::new(store, bucket, &self.name, data.clone()));
        }
        Ok(store)
    }

    fn uncached(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Arc<dyn Store> {
        lock(&self.opened).get(&identity(bucket)).and_then(Weak::upgrade).unwrap_or_else(|| store.clone())
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

    async fn tend(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let _elapsing = Elapsing(self.space(bucket), || true);
        self.below.tend(bucket, store).await
    }

    async fn walk(&self, bucket: &BucketRecord, store: &Arc<dyn Store>, progress: &Progress) -> Result<bool, StoreError> {
        let before = progress.counts().changed;
        let _elapsing = Elapsing(self.space(bucket), || progress.counts().changed != before);
        self.below.walk(bucket, store, progress).await
    }

    async fn follow(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let _elapsing = Elapsing(self.space(bucket), || true);
        self.below.follow(bucket, store).await
    }
}
