//! The backend that fails on purpose: each kind of fault does what it says and nothing else, and the same
//! seed gives the same faults.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod kinds;
mod schedules;
mod standing;

use bytes::Bytes;
use causeway::{
    backend::{Backend, memory::MemoryBackend},
    catalog::{BucketId, BucketRecord, NewBucket},
    faults::{Faults, FaultyBackend, Plan},
    model::{BucketName, Owner, Timestamp},
    store::{
        ListRequest, Result, Selection, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

/// A bucket in memory, with its faults and without them.
struct Bed {
    faults: Faults,
    backend: FaultyBackend,
    record: BucketRecord,
    faulty: Arc<dyn Store>,
    real: Arc<dyn Store>,
}

impl Bed {
    async fn new(plan: Plan) -> Self {
        Self::seeded(7, plan).await
    }

    async fn seeded(seed: u64, plan: Plan) -> Self {
        let memory = Arc::new(MemoryBackend::new());
        let faults = Faults::new(seed, plan);
        let backend = FaultyBackend::new(memory.clone(), faults.clone());
        let name = BucketName::parse("bucket").expect("a name");
        let bucket = NewBucket {
            location: backend.location_for(&name),
            name,
            owner: Owner { id: "owner".into(), display_name: "owner".into() },
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: "faulty".into(),
        };
        let record = BucketRecord::new(BucketId(1), bucket);
        let faulty = backend.open(&record).await.expect("opens").store;
        let real = memory.open(&record).await.expect("opens").store;
        Self { faults, backend, record, faulty, real }
    }

    /// The faulty store, as clients hold it.
    fn shared(&self) -> Arc<dyn Store> {
        self.faulty.clone()
    }

    async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<()> {
        client::put_if(&*self.faulty, key, bytes, Default::default()).await.map(drop)
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>> {
        client::get(&*self.faulty, key, Selection::Whole).await.map(|(_, bytes)| bytes)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.faulty.delete(client::key(key).current(), &Default::default()).await.map(drop)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let page = self.faulty.list(ListRequest { limit: 1000, ..Default::default() }).await?;
        Ok(page.entries.iter().map(|entry| entry.name().to_owned()).collect())
    }

    /// The real content, read without faults.
    async fn content(&self, key: &str) -> Option<Vec<u8>> {
        match client::get(&*self.real, key, Selection::Whole).await {
            Ok((_, bytes)) => Some(bytes),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(error) => panic!("memory does not fail: {error}"),
        }
    }
}

fn kind<T>(result: Result<T>) -> Option<StoreErrorKind> {
    result.err().as_ref().map(StoreError::kind)
}

const UNAVAILABLE: Option<StoreErrorKind> = Some(StoreErrorKind::Unavailable);
