//! A bucket of files as a [`Store`].

use super::{
    adopt,
    bucket::{Bucket, to_the_end},
    capabilities,
    finding::{Look, Looked},
    multipart, read,
    record::{Record, Row},
    remove, scan,
    write::{self, Making, Ready},
};
use crate::{
    model::{ETag, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyRequest, Deleted, GetReply, GetRequest,
        ListPage, ListRequest, ListUploadsRequest, ListedPart, NativeSource, PartWritten, PartsPage,
        PutRequest, Result, Store, UploadInfo, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        copy,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        record::ObjectRecord,
    },
};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct TreeStore {
    pub(super) bucket: Arc<Bucket>,
}

impl TreeStore {
    fn writable(&self) -> Result<()> {
        if self.bucket.files.service().read_only {
            Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                "the storage behind this bucket can only be read",
            ))
        } else {
            Ok(())
        }
    }

    /// Makes a copy by the storage itself: the record of the source is true for the copy too.
    async fn copied(
        &self,
        source: &TreeStore,
        key: &ObjectKey,
        request: &CopyRequest,
    ) -> Result<Option<Ready>> {
        let from = &source.bucket;
        if !Arc::ptr_eq(&from.files, &self.bucket.files) {
            return Ok(None);
        }
        let watch = from.watches.watch(&request.source.key);
        let row = from.row(&request.source.key).await?;
        let Some(Some(Looked { found, .. })) =
            from.find(&request.source.key, &row, Look::Only, false).await?
        else {
            return Ok(None);
        };
        let Some(Record { object: record, .. }) = found.record else { return Ok(None) };
        if request.source.conditions.check_source(&record.etag, record.modified).is_err() {
            // The record was read without the lock and may be outdated. The default evaluates the conditions
            // again when it reads the source.
            return Ok(None);
        }
        let Some(checksum) = record.whole_checksum().cloned() else {
            return Ok(None);
        };
        if record.etag.as_md5().is_none()
            || request.checksum.is_some_and(|algorithm| algorithm != checksum.algorithm())
        {
            return Ok(None);
        }
        let path = self.bucket.at(&self.bucket.path_of(key).plain_path());
        let name = self.bucket.drafts.name();
        let Some(mut draft) =
            self.bucket.files.copy(&name, &from.at(&found.path), &found.stat, &path).await?
        else {
            return Ok(None);
        };
        let expected = match draft.finish().await {
            Ok(expected) => expected,
            Err(error) => {
                draft.discard().await;
                return Err(error);
            }
        };
        if !found.by_tag && !watch.is_unchanged() {
            // It is not known which bytes the storage has copied.
            draft.discard().await;
            return Ok(None);
        }
        let attributes = request.attributes.apply(&record.attributes);
        let checksum = Some(checksum);
        let object = ObjectRecord {
            attributes,
            checksum,
            ..ObjectRecord::new(record.size, Timestamp::now(), record.etag)
        };
        Ok(Some(Ready { draft, expected, object }))
    }
}

#[async_trait]
impl Store for TreeStore {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.bucket.durability)
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        read::head(&self.bucket, address.unversioned()?, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        read::get(&self.bucket, address.unversioned()?, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.writable()?;
        write::put(&self.bucket, key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        self.writable()?;
        if let Some(source) = request.source.native::<TreeStore>()
            && let Some(ready) = self.copied(source, key, &request).await?
        {
            return write::publish(&self.bucket, key, request.conditions, Making::Whole(Box::new(ready)))
                .await;
        }
        copy::stream_object(self, key, request).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let key = address.unversioned()?;
        self.writable()?;
        remove::remove(&self.bucket, key, conditions).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let (bucket, key) = (self.bucket.clone(), address.unversioned()?.clone());
        to_the_end(async move {
            let _guard = bucket.lock(&key).await;
            let (found, row) = bucket.find_locked(&key).await?;
            let (mut record, _) =
                adopt::recorded(&bucket, &key, found.ok_or(StoreErrorKind::NoSuchKey)?, row).await?;
            match change {
                Change::Tags(tags) => record.object.attributes.tags = tags,
                Change::Acl(acl) => record.object.attributes.acl = acl,
            }
            bucket.set_row(&key, &Row { committed: Some(record), pending: None }).await
        })
        .await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        scan::ready(&self.bucket).await?;
        self.bucket.changes.wait(&request.prefix).await?;
        Ok(self.bucket.catalog.list(self.bucket.id, request).await?)
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        self.writable()?;
        multipart::begin(&self.bucket, key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        multipart::put_part(&self.bucket, key, upload, number, payload).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let record = multipart::record(&self.bucket, key, upload).await?;
        let mut parts =
            self.bucket.catalog.parts(self.bucket.id, upload, after, limit.saturating_add(1)).await?;
        let truncated = parts.len() > limit && limit > 0;
        parts.truncate(limit);
        let listed = parts.into_iter().map(|part| ListedPart {
            number: part.number,
            size: part.size,
            etag: ETag::from_md5(part.md5),
            checksum: part.checksum,
            last_modified: part.last_modified,
        });
        let upload = UploadInfo {
            key: record.key,
            upload: record.upload,
            initiator: record.initiator,
            owner: record.attributes.owner,
            initiated: record.initiated,
            checksum: record.checksum,
            explicit_checksum: record.explicit_checksum,
        };
        Ok(PartsPage { upload, parts: listed.collect(), truncated })
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        multipart::complete(&self.bucket, key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        multipart::abort(&self.bucket, key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.bucket.catalog.list_uploads(self.bucket.id, request).await?)
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }
}
