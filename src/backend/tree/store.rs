//! A bucket of files as a [`Store`].

use super::{
    adopt,
    bucket::{Bucket, Look, to_the_end},
    capabilities, multipart,
    record::{Identity, Intent, Row},
    remove, scan,
    write::{self, Making, Ready},
};
use crate::{
    model::{ChecksumKind, ETag, ObjectInfo, ObjectKey, PartNumber, Span, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyRequest, GetReply, GetRequest, ListPage, ListRequest, ListUploadsRequest,
        ListedPart, ObjectBody, PartWritten, PartsPage, PutRequest, Result, Store, UploadInfo, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        copy,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        selection::select,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{any::Any, sync::Arc};

/// As often a file may be replaced between being opened and being read.
const ROUNDS: usize = 8;

#[derive(Debug)]
pub(super) struct TreeStore {
    pub(super) bucket: Arc<Bucket>,
}

impl TreeStore {
    fn writable(&self) -> Result<()> {
        match self.bucket.files.service().read_only {
            true => Err(StoreError::new(StoreErrorKind::NotImplemented, "the storage behind this bucket can only be read")),
            false => Ok(()),
        }
    }

    /// The object as a client may know it.
    async fn info(&self, key: &ObjectKey) -> Result<ObjectInfo> {
        let (found, _) = self.bucket.find(key, self.bucket.row(key).await?, Look::Only).await?.ok_or(StoreErrorKind::NoSuchKey)?;
        adopt::describe(&self.bucket, key, &found).await
    }

    /// What a reader will most likely want, as far as the catalog can tell.
    fn ahead(row: &Row, request: &GetRequest) -> Option<Span> {
        let record = match (&row.stands, &row.intended) {
            (Some(record), _) => record,
            (None, Some(Intent::Put(record))) => record,
            (None, _) => return Some(Span { start: 0, end: u64::MAX }).filter(|_| request.selection == Default::default()),
        };
        let info = record.info();
        request.conditions.check(&info.etag, info.last_modified).ok()?;
        select(&info, request.selection).ok()
    }

    /// The object as it is now, and what is wanted of it on its way.
    async fn begin(&self, key: &ObjectKey, request: &GetRequest) -> Result<GetReply> {
        let row = self.bucket.row(key).await?;
        let ahead = Self::ahead(&row, request);
        let (found, opened) = self.bucket.find(key, row, Look::Open(ahead)).await?.ok_or(StoreErrorKind::NoSuchKey)?;
        let info = adopt::describe(&self.bucket, key, &found).await?;
        request.conditions.check(&info.etag, info.last_modified)?;
        let span = select(&info, request.selection)?;
        let opened = opened.ok_or(StoreErrorKind::Internal)?;
        let body = match span.is_empty() {
            true => ObjectBody::Full(Bytes::new()),
            false => ObjectBody::Stream(opened.read(span).await?),
        };
        Ok(GetReply { info, span, body })
    }

    /// A copy by the storage itself: what the source's record says holds for the copy as well.
    async fn copied(&self, source: &TreeStore, key: &ObjectKey, request: &CopyRequest) -> Result<Option<Ready>> {
        let from = &source.bucket;
        if !Arc::ptr_eq(&from.files, &self.bucket.files) {
            return Ok(None);
        }
        let Some((found, _)) = from.find(&request.source.key, from.row(&request.source.key).await?, Look::Only).await? else {
            return Ok(None);
        };
        let Some(record) = found.record else { return Ok(None) };
        request.source.conditions.check_source(&record.etag, record.modified)?;
        let Some(checksum) = record.checksum.clone().filter(|sum| sum.kind == ChecksumKind::FullObject) else { return Ok(None) };
        if record.etag.as_md5().is_none() || request.checksum.is_some_and(|algorithm| algorithm != checksum.algorithm()) {
            return Ok(None);
        }
        let path = self.bucket.at(&self.bucket.path_of(key).plain_path());
        let name = self.bucket.drafts.name();
        let Some(mut draft) = self.bucket.files.copy(&name, &from.at(&found.path), &found.stat, &path).await? else { return Ok(None) };
        let expected = match draft.finish().await {
            Ok(expected) => expected,
            Err(error) => {
                draft.discard().await;
                return Err(error);
            }
        };
        let attributes = request.attributes.apply(&record.attributes);
        let identity = Identity { size: record.size, etag: record.etag, attributes, checksum: Some(checksum), parts: None };
        Ok(Some(Ready { draft, expected, identity }))
    }
}

#[async_trait]
impl Store for TreeStore {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.bucket.durability)
    }

    async fn head(&self, key: &ObjectKey, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let info = self.info(key).await?;
        conditions.check(&info.etag, info.last_modified)?;
        Ok(info)
    }

    async fn get(&self, key: &ObjectKey, request: GetRequest) -> Result<GetReply> {
        for _ in 0..ROUNDS {
            match self.begin(key, &request).await {
                // The file that was opened was replaced before a byte of it was read.
                Err(error) if error.kind() == StoreErrorKind::Conflict => {}
                begun => return begun,
            }
        }
        Err(StoreError::new(StoreErrorKind::Busy, "the object was replaced again and again while it was opened"))
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.writable()?;
        write::put(&self.bucket, key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        self.writable()?;
        if let Some(source) = request.source.store.as_any().downcast_ref::<TreeStore>()
            && let Some(ready) = self.copied(source, key, &request).await?
        {
            return write::publish(&self.bucket, key, request.conditions, Making::Whole(Box::new(ready))).await;
        }
        copy::stream_object(self, key, request).await
    }

    async fn delete(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
        self.writable()?;
        remove::remove(&self.bucket, key, conditions).await
    }

    async fn update(&self, key: &ObjectKey, change: Change) -> Result<()> {
        let (bucket, key) = (self.bucket.clone(), key.clone());
        to_the_end(async move {
            let _guard = bucket.lock(&key).await;
            let (found, row) = bucket.find_locked(&key).await?;
            let (mut record, _) = adopt::recorded(&bucket, &key, found.ok_or(StoreErrorKind::NoSuchKey)?, row).await?;
            match change {
                Change::Tags(tags) => record.attributes.tags = tags,
                Change::Acl(acl) => record.attributes.acl = acl,
            }
            bucket.set_row(&key, &Row { stands: Some(record), intended: None }).await
        })
        .await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        scan::ready(&self.bucket).await?;
        Ok(self.bucket.catalog.list(self.bucket.id, request).await?)
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        self.writable()?;
        multipart::begin(&self.bucket, key, request).await
    }

    async fn put_part(&self, key: &ObjectKey, upload: &UploadId, number: PartNumber, payload: Payload) -> Result<PartWritten> {
        multipart::put_part(&self.bucket, key, upload, number, payload).await
    }

    async fn list_parts(&self, key: &ObjectKey, upload: &UploadId, after: u16, limit: usize) -> Result<PartsPage> {
        let record = multipart::record(&self.bucket, key, upload).await?;
        let mut parts = self.bucket.catalog.parts(self.bucket.id, upload, after, limit.saturating_add(1)).await?;
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
            initiated: record.initiated,
            checksum: record.checksum,
            explicit_checksum: record.explicit_checksum,
        };
        Ok(PartsPage { upload, parts: listed.collect(), truncated })
    }

    async fn complete_upload(&self, key: &ObjectKey, upload: &UploadId, request: CompleteUpload) -> Result<Written> {
        multipart::complete(&self.bucket, key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        multipart::abort(&self.bucket, key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.bucket.catalog.list_uploads(self.bucket.id, request).await?)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
