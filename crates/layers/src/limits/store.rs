//! A store behind its backend's limits.

use super::{
    budget::Account,
    limiter::{Limiter, Slot},
};
use crate::{
    backend::Backend,
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, Change, CompleteUpload, CopyPartRequest, CopyRequest, Deleted, GetReply, GetRequest,
        Layer, ListPage, ListRequest, ListUploadsRequest, NativeSource, PartWritten, PartsPage, PutRequest,
        Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        payload::Payload,
    },
};
use std::sync::Arc;

/// The state that all stores of a limited backend share.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) below: Arc<dyn Backend>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) account: Option<Arc<Account>>,
}

tokio::task_local! {
    /// The gate that a copy has already passed. A copy reads its source and writes its target as one request,
    /// and would otherwise wait for itself.
    static WITHIN: usize;
}

impl Gate {
    async fn enter(self: &Arc<Self>, downloads: bool) -> Result<Slot> {
        if let Some(account) = &self.account {
            let traffic = self.below.traffic().map(|traffic| traffic.requests);
            let entered = account.enter(traffic, downloads, Timestamp::now());
            entered.inspect_err(|_| self.limiter.meter.count_refusal())?;
        }
        if WITHIN.try_with(|within| *within == self.id()) == Ok(true) {
            return Ok(Slot::default());
        }
        self.limiter.admit().await
    }

    fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self) as usize
    }
}

#[derive(Debug)]
pub(super) struct LimitedStore {
    pub(super) below: Arc<dyn Store>,
    pub(super) gate: Arc<Gate>,
}

impl Layer for LimitedStore {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let _slot = self.gate.enter(false).await?;
        self.below.head(address, conditions).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let _slot = self.gate.enter(false).await?;
        self.below.describe(address, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let slot = self.gate.enter(true).await?;
        let reply = self.below.get(address, request).await?;
        let body = self.gate.limiter.outgoing(reply.body, slot, self.gate.account.clone());
        Ok(GetReply { body, ..reply })
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let _slot = self.gate.enter(false).await?;
        let payload = self.gate.limiter.upload(request.payload);
        self.below.put(key, PutRequest { payload, ..request }).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        let _slot = self.gate.enter(false).await?;
        WITHIN.scope(self.gate.id(), self.below.copy(key, request)).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let _slot = self.gate.enter(false).await?;
        self.below.delete(address, conditions).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let _slot = self.gate.enter(false).await?;
        self.below.update(address, change).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let _slot = self.gate.enter(false).await?;
        self.below.list(request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let _slot = self.gate.enter(false).await?;
        self.below.begin_upload(key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let _slot = self.gate.enter(false).await?;
        self.below.put_part(key, upload, number, self.gate.limiter.upload(payload)).await
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        let _slot = self.gate.enter(false).await?;
        WITHIN.scope(self.gate.id(), self.below.copy_part(key, upload, number, request)).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let _slot = self.gate.enter(false).await?;
        self.below.list_parts(key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let _slot = self.gate.enter(false).await?;
        self.below.complete_upload(key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let _slot = self.gate.enter(false).await?;
        self.below.abort_upload(key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        let _slot = self.gate.enter(false).await?;
        self.below.list_uploads(request).await
    }

    /// Passes on the source below: a native copy moves no bytes that the limits count.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}
