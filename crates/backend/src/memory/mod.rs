//! Buckets in memory: for tests, and for trying the server without a disk. They are lost when the process
//! ends, and objects use as much memory as their size.
//!
//! This is the simplest driver that fulfils the whole [`Store`] contract, without a catalog: one lock per
//! bucket makes publishing atomic, and objects are shared and never changed, so readers keep theirs at no
//! cost.

mod content;
mod cursor;
mod store;

use super::{Backend, Found, OpenedBucket, Upkeep};
use crate::{
    catalog::BucketRecord,
    model::BucketName,
    store::{
        Capabilities, ListRequest, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
pub use store::MemoryStore;

#[derive(Debug, Default)]
pub struct MemoryBackend {
    locations: Arc<Locations>,
}

/// The buckets by location, which is the bucket's name.
#[derive(Debug, Default)]
struct Locations(Mutex<BTreeMap<String, Arc<MemoryStore>>>);

impl Locations {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<MemoryStore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBackend {
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes all buckets with their objects, like a disk that was replaced.
    pub fn lose_everything(&self) {
        std::mem::take(&mut *self.locations.lock()).into_values().for_each(|store| store.lose());
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn capabilities(&self) -> Capabilities {
        store::CAPABILITIES
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.as_str().to_owned()
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let location = bucket.bucket.location.clone();
        let store = self.locations.lock().entry(location.clone()).or_default().clone();
        let upkeep = MemoryUpkeep { locations: self.locations.clone(), location, store: store.clone() };
        Ok(OpenedBucket::new(store, Arc::new(upkeep)))
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let store = self.locations.lock().get(&bucket.bucket.location).cloned();
        let Some(store) = store else { return Ok(Found::Nothing) };
        Ok(Found::in_place(
            store.list(ListRequest { limit: 1, ..Default::default() }).await?.entries.is_empty(),
        ))
    }

    async fn has_location(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        Ok(self.locations.lock().contains_key(&bucket.bucket.location))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let mut locations = self.locations.lock();
        let Some(store) = locations.get(&bucket.bucket.location) else { return Ok(true) };
        let removed = store.retire();
        if removed {
            locations.remove(&bucket.bucket.location);
        }
        Ok(removed)
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        let parse = |location: &String| BucketName::parse(location);
        let names: Result<_, _> = self.locations.lock().keys().map(parse).collect();
        names.map_err(|error| {
            StoreError::new(StoreErrorKind::Internal, "a location is no bucket name").with_source(error)
        })
    }
}

#[derive(Debug)]
struct MemoryUpkeep {
    locations: Arc<Locations>,
    location: String,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl Upkeep for MemoryUpkeep {
    async fn is_there(&self) -> Result<bool, StoreError> {
        Ok(self.locations.lock().get(&self.location).is_some_and(|there| Arc::ptr_eq(there, &self.store)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{BucketId, NewBucket},
        model::{ObjectKey, Owner, Timestamp},
        store::{PutRequest, payload::Payload},
    };

    fn bucket(name: &str) -> BucketRecord {
        let owner = Owner { id: "o".into(), display_name: "o".into() };
        let name = BucketName::parse(name).expect("a name");
        let location = MemoryBackend::new().location_for(&name);
        let created = Timestamp::from_millis(0);
        let bucket = NewBucket {
            name,
            owner,
            created,
            tenant: Default::default(),
            backend: "memory".into(),
            location,
        };
        BucketRecord::new(BucketId(1), bucket)
    }

    fn put() -> PutRequest {
        PutRequest {
            attributes: Default::default(),
            conditions: Default::default(),
            payload: Payload::from_bytes("x"),
        }
    }

    #[tokio::test]
    async fn a_place_is_shared_by_all_who_open_it_and_removed_only_when_empty() {
        let (backend, bucket) = (MemoryBackend::new(), bucket("abc"));
        let key = ObjectKey::new("k").expect("a key");
        let first = backend.open(&bucket).await.expect("opens").store;
        let second = backend.open(&bucket).await.expect("opens").store;
        first.put(&key, put()).await.expect("is put");
        assert_eq!(second.head(key.current(), &Default::default()).await.map(|info| info.size).ok(), Some(1));
        assert_eq!(backend.discover().await.expect("names"), std::slice::from_ref(&bucket.bucket.name));
        assert!(!backend.remove(&bucket).await.expect("answers"));
        second.delete(key.current(), &Default::default()).await.expect("is deleted");
        assert!(backend.remove(&bucket).await.expect("answers"));
        assert!(backend.remove(&bucket).await.expect("answers"), "repeating it is harmless");
        let late = first.put(&key, put()).await.map_err(|error| error.kind());
        assert_eq!(
            late,
            Err(StoreErrorKind::Unavailable),
            "nothing is acknowledged in a bucket that is gone"
        );
    }
}
