//! The contract of a store, answered by the parts of this driver.

use super::{LocalStore, read::blocking};
use crate::{
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyRequest, Deleted, Durability, GetReply,
        GetRequest, Guarantee, Keeping, ListPage, ListRequest, ListUploadsRequest, MultipartSupport,
        NativeSource, PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        copy,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use async_trait::async_trait;

const CAPABILITIES: Capabilities = Capabilities {
    // Other programs write into the same directory without asking.
    conditional_writes: Guarantee::Leased,
    conditional_completes: Guarantee::Leased,
    conditional_deletes: Guarantee::Leased,
    checksums: Keeping::NotKept,
    tags: Keeping::NotKept,
    object_acls: Keeping::NotKept,
    versions: Keeping::NotKept,
    parts: Keeping::NotKept,
    storage_classes: Keeping::NotKept,
    encryption: Keeping::NotKept,
    late_conditions: true,
    needs_length: false,
    multipart: MultipartSupport::Staged,
    durability: Durability::Relaxed,
};

#[async_trait]
impl Store for LocalStore {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let (store, key) = (self.clone(), address.unversioned()?.clone());
        let info = blocking(move || store.look(&key)).await?;
        conditions.check(&info.etag, info.last_modified)?;
        Ok(info)
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let (store, key) = (self.clone(), address.unversioned()?.clone());
        blocking(move || store.open(&key, &request)).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.put_object(key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        match request.source.native::<Self>().cloned() {
            Some(from) => self.copy_object(from, key, request).await,
            None => copy::stream_object(self, key, request).await,
        }
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        self.remove(address.unversioned()?, conditions).await
    }

    async fn update(&self, address: ObjectAddress<'_>, _change: Change) -> Result<()> {
        self.head(address, &ReadConditions::default()).await?;
        Err(StoreError::new(StoreErrorKind::NotImplemented, "a local directory keeps neither tags nor ACLs"))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let store = self.clone();
        blocking(move || store.page(&request)).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        self.begin(key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        self.part(key, upload, number, payload).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        self.parts(key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        self.complete(key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        self.abort(key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.uploads(request).await
    }
}
