//! A bucket on local disk as a [`Store`].

use super::{
    Inner, adopt, blocking, capabilities,
    copying::copy_range,
    deferred, multipart, parts,
    publication::{self, Draft},
    recording, removing, scan,
    volume::Found,
    write,
};
use crate::{
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Span, Timestamp, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest,
        Deleted, GetReply, GetRequest, ListPage, ListRequest, ListUploadsRequest, ListedPart, NativeSource,
        PartWritten, PartsPage, PutRequest, Result, Store, UploadInfo, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        copy,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        record::ObjectRecord,
        selection::select,
    },
};
use async_trait::async_trait;
use rustix::io::Errno;
use std::sync::Arc;

#[derive(Debug)]
pub struct FsStore {
    pub(super) inner: Arc<Inner>,
}

fn io(error: Errno) -> StoreError {
    StoreError::of_entry("looking for an object", error)
}

impl FsStore {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Returns what a client sees of the object.
    async fn info(&self, key: &ObjectKey) -> Result<ObjectInfo> {
        if let Some(found) = self.inner.volume.find_cached(key) {
            return Ok(found.info());
        }
        let (volume, name) = (self.inner.volume.clone(), key.clone());
        let found = blocking(move || volume.look_up(&name)).await?.ok_or(StoreErrorKind::NoSuchKey)?;
        adopt::describe(&self.inner, key, &found).await
    }

    /// Copies an object without reading its bytes in this process: the record of the source is true for the
    /// copy too.
    async fn clone_of(&self, source: &FsStore, request: &CopyRequest) -> Result<Option<Draft>> {
        let (from, to, key) =
            (source.inner.volume.clone(), self.inner.volume.clone(), request.source.key.clone());
        let (conditions, attributes, algorithm) =
            (request.source.conditions.clone(), request.attributes.clone(), request.checksum);
        blocking(move || {
            let Some(Found { file, record: Some(record), fingerprint, .. }) = from.find(&key).map_err(io)?
            else {
                return Ok(None);
            };
            let record = record.object;
            conditions.check_source(&record.etag, record.modified)?;
            let Some(checksum) = record.whole_checksum().cloned() else { return Ok(None) };
            if record.etag.as_md5().is_none()
                || algorithm.is_some_and(|algorithm| algorithm != checksum.algorithm())
            {
                return Ok(None);
            }
            let temp = to.staging.temp_file().map_err(|e| StoreError::io("making a temporary file", e))?;
            let target = temp.file().map_err(io)?;
            if rustix::fs::ioctl_ficlone(target, &file).is_err() {
                copy_range(&file, 0, target, 0, fingerprint.size)
                    .map_err(|e| StoreError::io("copying an object", e))?;
            }
            let attributes = attributes.apply(&record.attributes);
            let checksum = Some(checksum);
            let object = ObjectRecord::new(record.size, Timestamp::now(), record.etag);
            Ok(Some(Draft { temp, object: ObjectRecord { attributes, checksum, ..object } }))
        })
        .await
    }
}

#[async_trait]
impl Store for FsStore {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.inner.durability)
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.inner.scanner.requests().begin();
        let info = self.info(address.unversioned()?).await?;
        conditions.check(&info.etag, info.last_modified)?;
        Ok(info)
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        self.inner.scanner.requests().begin();
        let key = address.unversioned()?;
        // A file in the kernel's cache is served on this thread: a switch to another thread costs more than
        // the read.
        let mut cached = self.inner.volume.find_cached(key);
        if let Some(found) = cached.take() {
            let (info, span) = select_from(&found, &request)?;
            match self.inner.buffers.read_cached(found.file, span) {
                Ok(body) => return Ok(GetReply { info, span, body }),
                Err(file) => cached = Some(Found { file, ..found }),
            }
        }
        let (inner, name) = (self.inner.clone(), key.clone());
        let (request, read) = blocking(move || {
            let found = match cached {
                Some(found) => found,
                None => inner.volume.look_up(&name)?.ok_or(StoreErrorKind::NoSuchKey)?,
            };
            Ok(if found.record.is_some() {
                let info = found.info();
                (None, Ok(reply(&inner, found, info, &request)?))
            } else {
                (Some(request), Err(found))
            })
        })
        .await?;
        match (read, request) {
            (Ok(reply), _) => Ok(reply),
            (Err(found), Some(request)) => {
                let info = adopt::describe(&self.inner, key, &found).await?;
                let inner = self.inner.clone();
                blocking(move || reply(&inner, found, info, &request)).await
            }
            (Err(_), None) => Err(StoreErrorKind::Internal.into()),
        }
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.inner.scanner.requests().begin();
        write::put(&self.inner, key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        if let Some(source) = request.source.native::<FsStore>()
            && let Some(draft) = self.clone_of(source, &request).await?
        {
            return publication::publish(&self.inner, key, request.conditions, move |_| Ok(draft)).await;
        }
        copy::stream_object(self, key, request).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        self.inner.scanner.requests().begin();
        removing::remove(&self.inner, address.unversioned()?, conditions).await
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        self.inner.scanner.requests().begin();
        removing::remove_all(&self.inner, requests).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let (inner, key) = (self.inner.clone(), address.unversioned()?.clone());
        let task = tokio::spawn(async move {
            let _guard = inner.locks.lock(&key).await;
            let volume = inner.volume.clone();
            blocking(move || {
                let found = volume.look_up(&key)?.ok_or(StoreErrorKind::NoSuchKey)?;
                let file = found.file.try_clone().map_err(|e| StoreError::io("updating an object", e))?;
                let fingerprint = found.fingerprint;
                let mut record = recording::recorded(&volume, found)?;
                match change {
                    Change::Tags(tags) => record.object.attributes.tags = tags,
                    Change::Acl(acl) => record.object.attributes.acl = acl,
                }
                let durable = volume.staging.durable;
                let failed = |e: Errno| StoreError::of_entry("updating an object", e);
                volume.staging.records.write(&file, fingerprint, &record, durable).map_err(failed)?;
                if durable { rustix::fs::fsync(&file).map_err(failed) } else { Ok(()) }
            })
            .await
        });
        task.await.map_err(|e| StoreError::new(StoreErrorKind::Internal, "updating failed").with_source(e))?
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.inner.scanner.requests().begin();
        scan::ready(&self.inner).await?;
        self.inner.catalog.hurry();
        self.inner.changes.wait(&request.prefix).await?;
        deferred::bring(&self.inner).await?;
        Ok(self.inner.catalog.list(self.inner.bucket, request).await?)
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        multipart::begin(&self.inner, key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        parts::put(&self.inner, key, upload, number, payload).await
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        if let Some(source) = request.source.native::<FsStore>() {
            let copied = parts::copy(&self.inner, key, upload, number, (&source.inner, &request)).await?;
            if let Some(written) = copied {
                return Ok(written);
            }
        }
        copy::stream_part(self, key, upload, number, request).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let catalog = &self.inner.catalog;
        let record = catalog.upload(self.inner.bucket, upload).await?.filter(|record| record.key == *key);
        let record = record.ok_or(StoreErrorKind::NoSuchUpload)?;
        let mut parts = catalog.parts(self.inner.bucket, upload, after, limit.saturating_add(1)).await?;
        let truncated = parts.len() > limit && limit > 0;
        parts.truncate(limit);
        let listed = parts.into_iter().map(|part| ListedPart {
            number: part.number,
            size: part.size,
            etag: crate::model::ETag::from_md5(part.md5),
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
        multipart::complete(&self.inner, key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        multipart::abort(&self.inner, key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.inner.catalog.list_uploads(self.inner.bucket, request).await?)
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }
}

fn select_from(found: &Found, request: &GetRequest) -> Result<(ObjectInfo, Span)> {
    let info = found.info();
    request.conditions.check(&info.etag, info.last_modified)?;
    let span = select(&info, request.selection)?;
    Ok((info, span))
}

/// Checks conditions, selects the range and reads the first bytes, on a thread that may block.
fn reply(inner: &Inner, found: Found, info: ObjectInfo, request: &GetRequest) -> Result<GetReply> {
    request.conditions.check(&info.etag, info.last_modified)?;
    let span = select(&info, request.selection)?;
    let body = inner.buffers.body(found.file, span)?;
    Ok(GetReply { info, span, body })
}
