//! The ends as a run sees them: at some call of storage the run is killed, or somebody changes an end.

use super::world::World;
use causeway::{
    model::{ObjectAddress, ObjectInfo, ObjectKey},
    store::{
        self, CopyRequest, Deleted, GetReply, GetRequest, Layer, ListPage, ListRequest, PutRequest, Store,
        Written,
        condition::{ReadConditions, WriteConditions},
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::{Mutex, Notify};

#[derive(Default)]
pub struct Moments {
    pub calls: AtomicU64,
    /// The run is killed at this call. 0: it is not killed.
    pub kill: u64,
    /// Somebody changes an end at this call.
    pub edit: u64,
    pub killed: Notify,
    pub world: Option<Arc<Mutex<World>>>,
}

impl std::fmt::Debug for Moments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moments").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Moments {
    async fn step(&self) {
        let call = self.calls.fetch_add(1, Relaxed) + 1;
        if call == self.edit
            && let Some(world) = &self.world
        {
            world.lock().await.edit().await;
        }
        if self.kill > 0 && call >= self.kill {
            self.killed.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Debug)]
pub struct Meddled {
    pub below: Arc<dyn Store>,
    pub moments: Arc<Moments>,
}

impl Layer for Meddled {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> store::Result<ObjectInfo> {
        self.moments.step().await;
        self.below.head(address, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        self.moments.step().await;
        self.below.get(address, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> store::Result<Written> {
        self.moments.step().await;
        let written = self.below.put(key, request).await;
        self.moments.step().await;
        written
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> store::Result<Written> {
        self.moments.step().await;
        let written = self.below.copy(key, request).await;
        self.moments.step().await;
        written
    }

    async fn delete(
        &self,
        address: ObjectAddress<'_>,
        conditions: &WriteConditions,
    ) -> store::Result<Deleted> {
        self.moments.step().await;
        let deleted = self.below.delete(address, conditions).await;
        self.moments.step().await;
        deleted
    }

    async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
        self.moments.step().await;
        let page = self.below.list(request).await;
        self.moments.step().await;
        page
    }
}
