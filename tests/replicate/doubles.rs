//! Storages in memory with quirks of other storages.

use async_trait::async_trait;
use causeway::{
    backend::{Backend, OpenedBucket, memory::MemoryBackend},
    catalog::BucketRecord,
    model::{BucketName, ObjectAddress, ObjectInfo, ObjectKey, UploadId},
    store::{
        Capabilities, Change, CompleteUpload, Deleted, GetReply, GetRequest, Layer, PutRequest, Result,
        Store, Written,
        condition::{Current, ReadConditions, WriteConditions},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How a storage differs from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirks {
    /// The storage checks the conditions of a PUT with the head of the request, as any storage behind HTTP
    /// does.
    Early,
    /// The same as `Early`, and the first byte of a body whose conditions do not hold is refused.
    Strict,
    /// There is one connection. Each read or change of a key holds it until it is done, and every answer
    /// takes a while.
    Locked,
    /// The same as `Early` and `Locked`: sending a body holds the connection from its first byte to its last.
    Locking,
}

#[derive(Debug)]
pub struct Mannered {
    below: MemoryBackend,
    quirks: Quirks,
    connection: Arc<Mutex<()>>,
}

impl Mannered {
    pub fn storage(quirks: Quirks) -> Arc<dyn Backend> {
        Arc::new(Self { below: MemoryBackend::new(), quirks, connection: Arc::default() })
    }
}

#[async_trait]
impl Backend for Mannered {
    fn capabilities(&self) -> Capabilities {
        Capabilities { late_conditions: self.quirks == Quirks::Locked, ..self.below.capabilities() }
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.below.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let is_slow = matches!(self.quirks, Quirks::Locked | Quirks::Locking);
        let connection = is_slow.then(|| self.connection.clone());
        let is_strict = self.quirks == Quirks::Strict;
        let open = |below| Open {
            below,
            capabilities: self.capabilities(),
            connection: connection.clone(),
            is_strict,
        };
        Ok(self.below.open(bucket).await?.behind(|below| Arc::new(open(below))))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        self.below.remove(bucket).await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        self.below.discover().await
    }
}

#[derive(Debug)]
struct Open {
    below: Arc<dyn Store>,
    capabilities: Capabilities,
    connection: Option<Arc<Mutex<()>>>,
    is_strict: bool,
}

impl Open {
    /// Runs a call with the only connection, if there is only one.
    async fn alone<T>(&self, answer: impl Future<Output = T>) -> T {
        let Some(connection) = &self.connection else { return answer.await };
        let _alone = connection.lock().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer.await
    }
}

impl Layer for Open {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(self.capabilities)
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.alone(self.below.head(address, conditions)).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.alone(self.below.describe(address, conditions)).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        self.alone(self.below.get(address, request)).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        if self.is_strict {
            let found = self.below.head(key.current(), &Default::default()).await.ok();
            let current = found.as_ref().map(|info| Current {
                etag: &info.etag,
                size: info.size,
                last_modified: info.last_modified,
            });
            request.conditions.check(current)?;
        }
        self.alone(self.below.put(key, request)).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        self.alone(self.below.delete(address, conditions)).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        self.alone(self.below.update(address, change)).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        self.alone(self.below.complete_upload(key, upload, request)).await
    }
}
