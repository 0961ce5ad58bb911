//! A store behind its backend's limits.

use super::{
    budget::Account,
    limiter::{Limiter, Slot},
};
use crate::{
    backend::Backend,
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest, Deleted, GetReply,
        GetRequest, Layer, ListPage, ListRequest, ListUploadsRequest, NativeSource, PartWritten, PartsPage,
        PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        deleting::unanswered,
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
    /// Counts an operation for the budget, or refuses it.
    fn count(&self, downloads: bool) -> Result<()> {
        let Some(account) = &self.account else { return Ok(()) };
        let traffic = self.below.traffic().map(|traffic| traffic.requests);
        let entered = account.enter(traffic, downloads, Timestamp::now());
        entered.inspect_err(|_| self.limiter.meter.count_refusal())
    }

    async fn enter(self: &Arc<Self>, downloads: bool) -> Result<Slot> {
        self.count(downloads)?;
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

impl LimitedStore {
    async fn delete_together(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let counted: Vec<_> = requests.iter().map(|_| self.gate.count(false)).collect();
        let within = |(request, counted): (DeleteRequest, &Result<()>)| counted.is_ok().then_some(request);
        let requests: Vec<_> = requests.into_iter().zip(&counted).filter_map(within).collect();
        let admitted = match requests.len() {
            0 => Ok(Slot::default()),
            count => self.gate.limiter.admit_several(count).await,
        };
        let outcomes = match admitted {
            Ok(_slot) => self.below.delete_all(requests).await,
            Err(error) => requests.iter().map(|_| Err(error.again())).collect(),
        };
        let mut outcomes = outcomes.into_iter();
        let outcome = |counted: Result<()>| counted.and_then(|()| outcomes.next().unwrap_or_else(unanswered));
        counted.into_iter().map(outcome).collect()
    }
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

    /// Each key is an operation. Those that the rate allows within a sixteenth of a second are passed on
    /// together.
    async fn delete_all(&self, mut requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let most = self.gate.limiter.together().unwrap_or(requests.len()).max(1);
        let mut outcomes = Vec::with_capacity(requests.len());
        while !requests.is_empty() {
            let later = requests.split_off(most.min(requests.len()));
            outcomes.extend(self.delete_together(requests).await);
            requests = later;
        }
        outcomes
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
