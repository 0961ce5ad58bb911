//! Several objects that are deleted by one call, on every replica.

use super::{
    client::{deletion, kind, put},
    gateway::{Gateway, World, read},
};
use async_trait::async_trait;
use causeway::{
    backend::{Backend, OpenedBucket, memory::MemoryBackend},
    catalog::BucketRecord,
    faults::Plan,
    model::{BucketName, ObjectAddress},
    store::{
        DeleteRequest, Deleted, Layer, Result, Store,
        condition::WriteConditions,
        error::StoreErrorKind,
        operation::{Operation, Operations},
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// More than one group.
const MANY: usize = 40;

/// Memory that counts the calls that delete something.
#[derive(Debug, Default)]
struct Counting {
    below: MemoryBackend,
    calls: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Counted {
    below: Arc<dyn Store>,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Backend for Counting {
    fn capabilities(&self) -> causeway::store::Capabilities {
        self.below.capabilities()
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.below.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let calls = self.calls.clone();
        Ok(self.below.open(bucket).await?.behind(|below| Arc::new(Counted { below, calls: calls.clone() })))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        self.below.remove(bucket).await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        self.below.discover().await
    }
}

impl Layer for Counted {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        self.calls.fetch_add(1, Relaxed);
        self.below.delete(address, conditions).await
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        self.calls.fetch_add(1, Relaxed);
        self.below.delete_all(requests).await
    }
}

fn names() -> impl Iterator<Item = String> {
    (0..MANY).map(|n| format!("key {n:02}"))
}

/// Writes the objects, and waits until every replica has them.
async fn written(gateway: &Gateway) {
    for name in names() {
        put(&*gateway.store, &name, "x").await;
    }
    gateway.settled().await;
}

async fn deleted(gateway: &Gateway) -> Vec<std::result::Result<(), StoreErrorKind>> {
    let outcomes = gateway.store.delete_all(names().map(|name| deletion(&name)).collect()).await;
    outcomes.into_iter().map(|outcome| outcome.map(drop).map_err(kind)).collect()
}

async fn are_gone(world: &World, gateway: &Gateway) {
    for name in names() {
        assert_eq!(read(&*gateway.store, &name).await, Ok(None), "{name}");
        for member in 0..3 {
            assert_eq!(world.held(gateway, member, &name).await, None, "{name} on {member}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_on_a_replica_at_the_same_time_reaches_it_by_one_call() {
    let mut world = World::new(11);
    let counting: Vec<_> = (0..3).map(|_| Arc::new(Counting::default())).collect();
    for (storage, counting) in world.storages.iter_mut().zip(&counting) {
        *storage = counting.clone();
    }
    let gateway = world.start().await;
    written(&gateway).await;
    counting.iter().for_each(|counting| counting.calls.store(0, Relaxed));
    assert_eq!(deleted(&gateway).await, [Ok(()); MANY]);
    gateway.settled().await;
    are_gone(&world, &gateway).await;
    for counting in &counting {
        let calls = counting.calls.load(Relaxed);
        assert!((3..=MANY / 2).contains(&calls), "{calls} calls for {MANY} objects");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_deleted_together_need_a_quorum_each_whatever_the_third_replica_does() {
    for plan in [Plan::down(), Plan::hanging().on(Operations::of(&[Operation::Delete]))] {
        let world = World::new(12);
        let gateway = world.start().await;
        written(&gateway).await;
        world.faults[1].set(plan.clone());
        assert_eq!(deleted(&gateway).await, [Ok(()); MANY], "{plan:?}");
        world.heal();
        gateway.settled().await;
        are_gone(&world, &gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_no_object_of_many_is_said_to_be_deleted() {
    let world = World::new(13);
    let gateway = world.start().await;
    written(&gateway).await;
    world.faults[1].set(Plan::down());
    world.faults[2].set(Plan::down());
    assert_eq!(deleted(&gateway).await, [Err(StoreErrorKind::Unavailable); MANY]);
}
