//! A replicated bucket as a [`Store`].

use super::{bucket::Bucket, multipart, read, together::Together, write};
use crate::{
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, DeleteRequest, Deleted, Durability, GetReply,
        GetRequest, Guarantee, Keeping, ListPage, ListRequest, ListUploadsRequest, MultipartSupport,
        PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        payload::Payload,
    },
};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::sync::Arc;

/// How many objects are deleted at once. Each takes a place among the changes in progress on every replica.
const AT_ONCE: usize = 16;

#[derive(Debug)]
pub(super) struct ReplicatedStore(pub(super) Arc<Bucket>);

/// Returns the capabilities of a replicated bucket: the record keeps what some storage cannot. Storage
/// classes and encryption are left to the storage.
pub(super) fn capabilities(members: impl Iterator<Item = Capabilities>) -> Capabilities {
    let rank = |durability: Durability| match durability {
        Durability::Volatile => 0,
        Durability::Relaxed => 1,
        Durability::Strict => 2,
    };
    let members: Vec<Capabilities> = members.collect();
    let durability =
        members.iter().map(|member| member.durability).min_by_key(|durability| rank(*durability));
    Capabilities {
        conditional_writes: Guarantee::Leased,
        conditional_completes: Guarantee::Leased,
        conditional_deletes: Guarantee::Leased,
        checksums: Keeping::Kept,
        tags: Keeping::Kept,
        object_acls: Keeping::Kept,
        versions: Keeping::NotKept,
        parts: Keeping::Kept,
        storage_classes: Keeping::NotKept,
        encryption: Keeping::NotKept,
        late_conditions: false,
        needs_length: members.iter().any(|member| member.needs_length),
        multipart: MultipartSupport::InPlace,
        durability: durability.unwrap_or(Durability::Volatile),
    }
}

#[async_trait]
impl Store for ReplicatedStore {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.0.members().iter().map(|member| member.capabilities()))
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        read::head(&self.0, address.unversioned()?, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        read::get(&self.0, address.unversioned()?, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        write::put(&self.0, key, request).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        write::delete(&self.0, address.unversioned()?, conditions, None).await
    }

    /// Each object is a change of its own. What is due on one replica at the same time is deleted there
    /// together.
    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for group in requests.chunks(AT_ONCE) {
            // A replica that hangs delays the objects of one group only.
            let together = &Arc::<Together>::default();
            let delete = |request: &DeleteRequest| {
                let DeleteRequest { key, version, conditions } = request.clone();
                async move {
                    let key = ObjectAddress::new(&key, version.as_ref()).unversioned()?;
                    write::delete(&self.0, key, &conditions, Some(together)).await
                }
            };
            outcomes.extend(join_all(group.iter().map(delete)).await);
        }
        outcomes
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        write::update(&self.0, address.unversioned()?, change).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.0.looked_through().await?;
        self.0.caught_up().await;
        self.0.changes.wait(&request.prefix).await?;
        Ok(self.0.catalog.list(self.0.record.id, request).await?)
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        multipart::begin(&self.0, key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        multipart::put_part(&self.0, key, upload, number, payload).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        multipart::list_parts(&self.0, key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        multipart::complete(&self.0, key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        multipart::abort(&self.0, key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.0.catalog.list_uploads(self.0.record.id, request).await?)
    }
}
