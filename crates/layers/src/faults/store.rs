//! A store that fails by its plan, on top of one that does not.

use super::{
    body,
    handle::{Fate, Faults},
    pages::Pages,
    plan::FaultKind,
};
use crate::{
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, CopySource,
        DeleteRequest, Deleted, GetReply, GetRequest, Layer, ListPage, ListRequest, ListUploadsRequest,
        NativeSource, PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        deleting,
        operation::Operation,
        payload::Payload,
    },
};
use futures_util::future::{join, join_all};
use std::sync::Arc;

#[derive(Debug)]
pub struct FaultyStore {
    below: Arc<dyn Store>,
    faults: Faults,
    pages: Pages,
}

impl FaultyStore {
    pub fn new(below: Arc<dyn Store>, faults: Faults) -> Self {
        Self { below, faults, pages: Pages::default() }
    }

    /// Returns the source for the store below. If it is behind the same faults, the store below copies it as
    /// one call; any other source is read through its own faults.
    fn source(&self, source: CopySource) -> CopySource {
        match source.native::<Self>() {
            Some(other) if self.faults.are(&other.faults) => {
                CopySource { store: other.below.clone(), ..source }
            }
            _ => source,
        }
    }
}

impl FaultyStore {
    async fn fate_of_delete(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<Fate> {
        let fate = self.faults.meet(Operation::Delete, key.as_str()).await?;
        self.faults.refuse_condition(Operation::Delete, conditions)?;
        Ok(fate)
    }

    async fn delete_as_fated(&self, fate: &Fate, request: DeleteRequest) -> Result<Deleted> {
        let below = self.below.clone();
        fate.act(async move { below.delete(request.address(), &request.conditions).await }).await
    }
}

impl Layer for FaultyStore {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(self.faults.without_lacks(self.below.tried_capabilities().await?))
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let fate = self.faults.meet(Operation::Head, address.key.as_str()).await?;
        fate.ask(self.below.head(address, conditions)).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let fate = self.faults.meet(Operation::Describe, address.key.as_str()).await?;
        fate.ask(self.below.describe(address, conditions)).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let fate = self.faults.meet(Operation::Get, address.key.as_str()).await?;
        let reply = fate.ask(self.below.get(address, request)).await?;
        let body = body::outgoing(reply.body, reply.span.len(), &fate);
        Ok(GetReply { body, ..reply })
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let fate = self.faults.meet(Operation::Put, key.as_str()).await?;
        self.faults.refuse_condition(Operation::Put, &request.conditions)?;
        let (payload, broken) = body::incoming(request.payload, &fate).await?;
        let (below, key) = (self.below.clone(), key.clone());
        broken.answer(fate.act(async move { below.put(&key, PutRequest { payload, ..request }).await }).await)
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        let fate = self.faults.meet(Operation::Copy, key.as_str()).await?;
        let request = CopyRequest { source: self.source(request.source), ..request };
        let (below, key) = (self.below.clone(), key.clone());
        fate.act(async move { below.copy(&key, request).await }).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let fate = self.fate_of_delete(address.key, conditions).await?;
        let (key, version) = (address.key.clone(), address.version.cloned());
        self.delete_as_fated(&fate, DeleteRequest { key, version, conditions: conditions.clone() }).await
    }

    /// Each key has a fate of its own. Keys to which nothing happens reach the store below together.
    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let fates =
            join_all(requests.iter().map(|request| self.fate_of_delete(&request.key, &request.conditions)));
        let (mut spared, mut ended, mut fated) = (Vec::new(), Vec::new(), Vec::new());
        for ((at, request), fate) in requests.clone().into_iter().enumerate().zip(fates.await) {
            match fate {
                Err(error) => ended.push((at, Err(error))),
                Ok(fate) if fate.spares() => spared.push((at, request)),
                Ok(fate) => fated.push(async move { (at, self.delete_as_fated(&fate, request).await) }),
            }
        }
        let (positions, together): (Vec<_>, Vec<_>) = spared.into_iter().unzip();
        let (together, fated) = join(self.below.delete_all(together), join_all(fated)).await;
        deleting::in_order(positions.into_iter().zip(together).chain(fated).chain(ended))
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let fate = self.faults.meet(Operation::Update, address.key.as_str()).await?;
        let (below, key, version) = (self.below.clone(), address.key.clone(), address.version.cloned());
        fate.act(async move { below.update(ObjectAddress::new(&key, version.as_ref()), change).await }).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let fate = self.faults.meet(Operation::List, &request.prefix).await?;
        if fate.is(FaultKind::StaleList)
            && let Some(page) = self.pages.last(&request)
        {
            return Ok(page);
        }
        let page = fate.ask(self.below.list(request.clone())).await?;
        self.pages.keep(request, &page);
        Ok(page)
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let fate = self.faults.meet(Operation::BeginUpload, key.as_str()).await?;
        let (below, key) = (self.below.clone(), key.clone());
        fate.act(async move { below.begin_upload(&key, request).await }).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let fate = self.faults.meet(Operation::PutPart, key.as_str()).await?;
        let (payload, broken) = body::incoming(payload, &fate).await?;
        let (below, key, upload) = (self.below.clone(), key.clone(), upload.clone());
        broken.answer(fate.act(async move { below.put_part(&key, &upload, number, payload).await }).await)
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        let fate = self.faults.meet(Operation::CopyPart, key.as_str()).await?;
        let request = CopyPartRequest { source: self.source(request.source), ..request };
        let (below, key, upload) = (self.below.clone(), key.clone(), upload.clone());
        fate.act(async move { below.copy_part(&key, &upload, number, request).await }).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let fate = self.faults.meet(Operation::ListParts, key.as_str()).await?;
        fate.ask(self.below.list_parts(key, upload, after, limit)).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let fate = self.faults.meet(Operation::CompleteUpload, key.as_str()).await?;
        self.faults.refuse_condition(Operation::CompleteUpload, &request.conditions)?;
        let (below, key, upload) = (self.below.clone(), key.clone(), upload.clone());
        fate.act(async move { below.complete_upload(&key, &upload, request).await }).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let fate = self.faults.meet(Operation::AbortUpload, key.as_str()).await?;
        let (below, key, upload) = (self.below.clone(), key.clone(), upload.clone());
        fate.act(async move { below.abort_upload(&key, &upload).await }).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        let fate = self.faults.meet(Operation::ListUploads, &request.prefix).await?;
        fate.ask(self.below.list_uploads(request)).await
    }

    /// Offers itself, not the store below, so that no driver bypasses its faults.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }
}
