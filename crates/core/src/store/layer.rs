//! Layers: stores on top of another store, which handles every call that the layer does not define itself.
//!
//! Every [`Layer`] is a [`Store`], and defines only what it does differently from the store below. Its
//! methods are plain `async fn`: the future of a call is boxed once per layer, whether the layer does
//! something or passes the call on.
//!
//! Invariant: bytes bypass a layer only if the layer allows it. A copy by the store below would read and
//! write beneath the layer's own `get` and `put`: by default an object is read from its source and written
//! through the layer. A layer that changes no bytes passes on `copy`, `copy_part` and `native_source`
//! explicitly; one that encrypts or keeps versions must not.

use super::{
    BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest, Deleted,
    GetReply, GetRequest, ListPage, ListRequest, ListUploadsRequest, NativeSource, PartWritten, PartsPage,
    PutRequest, Result, Store, UploadsPage, Written,
    condition::{ReadConditions, WriteConditions},
    copy, deleting,
    payload::Payload,
};
use crate::model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId};
use async_trait::async_trait;
use std::fmt;

/// [`Store`] says what each method guarantees.
pub trait Layer: Sized + Send + Sync + fmt::Debug + 'static {
    /// Returns the store below, which handles every call that this layer does not define.
    fn below(&self) -> &dyn Store;

    fn capabilities(&self) -> Capabilities {
        self.below().capabilities()
    }

    fn tried_capabilities(&self) -> impl Future<Output = Result<Capabilities>> + Send {
        async move { self.below().tried_capabilities().await }
    }

    fn head(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> impl Future<Output = Result<ObjectInfo>> + Send {
        async move { self.below().head(address, conditions).await }
    }

    fn describe(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> impl Future<Output = Result<ObjectInfo>> + Send {
        async move { self.below().describe(address, conditions).await }
    }

    fn get(
        &self,
        address: ObjectAddress<'_>,
        request: GetRequest,
    ) -> impl Future<Output = Result<GetReply>> + Send {
        async move { self.below().get(address, request).await }
    }

    fn put(&self, key: &ObjectKey, request: PutRequest) -> impl Future<Output = Result<Written>> + Send {
        async move { self.below().put(key, request).await }
    }

    /// The default reads the source and writes through this layer.
    fn copy(&self, key: &ObjectKey, request: CopyRequest) -> impl Future<Output = Result<Written>> + Send {
        copy::stream_object(self, key, request)
    }

    fn delete(
        &self,
        address: ObjectAddress<'_>,
        conditions: &WriteConditions,
    ) -> impl Future<Output = Result<Deleted>> + Send {
        async move { self.below().delete(address, conditions).await }
    }

    /// The default deletes them one by one through `delete` of this layer, so that no layer is passed by. A
    /// layer overrides it to do for each key what its `delete` does, and to pass them on together.
    fn delete_all(&self, requests: Vec<DeleteRequest>) -> impl Future<Output = Vec<Result<Deleted>>> + Send {
        deleting::one_by_one(self, requests)
    }

    fn update(&self, address: ObjectAddress<'_>, change: Change) -> impl Future<Output = Result<()>> + Send {
        async move { self.below().update(address, change).await }
    }

    fn list(&self, request: ListRequest) -> impl Future<Output = Result<ListPage>> + Send {
        async move { self.below().list(request).await }
    }

    fn begin_upload(
        &self,
        key: &ObjectKey,
        request: BeginUpload,
    ) -> impl Future<Output = Result<UploadId>> + Send {
        async move { self.below().begin_upload(key, request).await }
    }

    fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> impl Future<Output = Result<PartWritten>> + Send {
        async move { self.below().put_part(key, upload, number, payload).await }
    }

    /// The default reads the source and writes through this layer.
    fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> impl Future<Output = Result<PartWritten>> + Send {
        copy::stream_part(self, key, upload, number, request)
    }

    fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> impl Future<Output = Result<PartsPage>> + Send {
        async move { self.below().list_parts(key, upload, after, limit).await }
    }

    fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> impl Future<Output = Result<Written>> + Send {
        async move { self.below().complete_upload(key, upload, request).await }
    }

    fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> impl Future<Output = Result<()>> + Send {
        async move { self.below().abort_upload(key, upload).await }
    }

    fn list_uploads(&self, request: ListUploadsRequest) -> impl Future<Output = Result<UploadsPage>> + Send {
        async move { self.below().list_uploads(request).await }
    }

    /// Only a layer that changes no bytes may offer the source below: a native copy takes the bytes exactly
    /// as the store below holds them.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        None
    }
}

#[async_trait]
impl<L: Layer> Store for L {
    fn capabilities(&self) -> Capabilities {
        Layer::capabilities(self)
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Layer::tried_capabilities(self).await
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        Layer::head(self, address, conditions).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        Layer::describe(self, address, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        Layer::get(self, address, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        Layer::put(self, key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        Layer::copy(self, key, request).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        Layer::delete(self, address, conditions).await
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        Layer::delete_all(self, requests).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        Layer::update(self, address, change).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        Layer::list(self, request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        Layer::begin_upload(self, key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        Layer::put_part(self, key, upload, number, payload).await
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        Layer::copy_part(self, key, upload, number, request).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        Layer::list_parts(self, key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        Layer::complete_upload(self, key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        Layer::abort_upload(self, key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Layer::list_uploads(self, request).await
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Layer::native_source(self)
    }
}
