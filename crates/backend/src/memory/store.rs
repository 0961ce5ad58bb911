//! One bucket in memory.
//!
//! Invariants: the maps contain only complete and verified objects; everything that a client can observe is
//! decided under the one lock, which is never held across an await.

use super::{
    content::Content,
    cursor::{ByKey, KeyCursor},
};
use crate::{
    backend::uploads::{self, ByUpload, UploadCursor, upload_at},
    model::{
        ChecksumAlgorithm, ObjectAddress, ObjectChecksum, ObjectInfo, ObjectKey, PartNumber, Timestamp,
        UploadId,
    },
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, Deleted, Durability, GetReply, GetRequest,
        Guarantee, Keeping, ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject, ListedPart,
        MultipartSupport, PartWritten, PartsPage, PutRequest, Removal, Result, Store, UploadEntry,
        UploadInfo, UploadsPage, Written,
        condition::{Current, ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        grouping::{self, Grouped, Query},
        multipart::{self, RecordedPart},
        payload::Payload,
        selection,
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    conditional_writes: Guarantee::Native,
    conditional_completes: Guarantee::Native,
    conditional_deletes: Guarantee::Native,
    checksums: Keeping::Kept,
    tags: Keeping::Kept,
    object_acls: Keeping::Kept,
    versions: Keeping::NotKept,
    parts: Keeping::Kept,
    storage_classes: Keeping::NotKept,
    encryption: Keeping::NotKept,
    late_conditions: true,
    needs_length: false,
    multipart: MultipartSupport::InPlace,
    durability: Durability::Volatile,
};

/// The checksum that S3 computes when a client asks for none.
const DEFAULT_CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

/// The number of completed uploads that are remembered for repeated Completes.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<StoreState>);

#[derive(Debug, Default)]
struct StoreState {
    objects: ByKey<Arc<Object>>,
    uploads: ByUpload<Upload>,
    /// Ids begin with their time, so the first one is the oldest.
    completed: BTreeMap<UploadId, (ObjectKey, Written)>,
    /// The bucket was removed: no further write may be acknowledged.
    retired: bool,
}

#[derive(Debug, Clone)]
struct Object {
    info: ObjectInfo,
    content: Content,
}

#[derive(Debug)]
struct Upload {
    info: UploadInfo,
    begun: BeginUpload,
    parts: BTreeMap<PartNumber, Part>,
}

impl AsRef<ObjectKey> for Upload {
    fn as_ref(&self) -> &ObjectKey {
        &self.info.key
    }
}

#[derive(Debug)]
struct Part {
    recorded: RecordedPart,
    last_modified: Timestamp,
    content: Content,
}

impl StoreState {
    fn object(&self, key: &ObjectKey) -> Result<&Arc<Object>> {
        self.objects
            .get(key.as_str().as_bytes())
            .map(|(_, object)| object)
            .ok_or_else(|| StoreErrorKind::NoSuchKey.into())
    }

    fn upload(&mut self, key: &ObjectKey, upload: &UploadId) -> Result<&mut Upload> {
        self.uploads.get_mut(&upload_at(key, upload)).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    fn check(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
        let current = self.object(key).ok();
        let current = current.map(|o| Current {
            etag: &o.info.etag,
            size: o.info.size,
            last_modified: o.info.last_modified,
        });
        Ok(conditions.check(current)?)
    }

    fn publish(
        &mut self,
        key: &ObjectKey,
        conditions: &WriteConditions,
        mut info: ObjectInfo,
        content: Content,
    ) -> Result<Written> {
        if self.retired {
            return Err(gone());
        }
        self.check(key, conditions)?;
        info.last_modified = Timestamp::now();
        let (etag, checksum) = (info.etag.clone(), info.checksum.clone());
        let written = Written { etag, last_modified: info.last_modified, checksum, version: None };
        self.objects
            .insert(key.as_str().as_bytes().into(), (key.clone(), Arc::new(Object { info, content })));
        Ok(written)
    }
}

impl MemoryStore {
    /// Removes the bucket if it has no objects. Uploads in progress are removed with it.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.lock();
        state.retired = state.objects.is_empty();
        state.retired
    }

    /// Removes the bucket with all of its objects.
    pub(super) fn lose(&self) {
        let mut state = self.lock();
        *state = StoreState { retired: true, ..StoreState::default() };
    }

    fn lock(&self) -> MutexGuard<'_, StoreState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let object = self.lock().object(address.unversioned()?)?.clone();
        conditions.check(&object.info.etag, object.info.last_modified)?;
        Ok(object.info.clone())
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let object = self.lock().object(address.unversioned()?)?.clone();
        request.conditions.check(&object.info.etag, object.info.last_modified)?;
        let span = selection::select(&object.info, request.selection)?;
        Ok(GetReply { info: object.info.clone(), span, body: object.content.body(span) })
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let (content, verified) = Content::receive(request.payload, DEFAULT_CHECKSUM).await?;
        let conditions = verified.conditions(request.conditions);
        let info = ObjectInfo {
            size: verified.size(),
            etag: verified.etag(),
            last_modified: Timestamp::from_millis(0),
            tag_count: request.attributes.tags.len(),
            attributes: request.attributes,
            checksum: verified.checksum().cloned().map(ObjectChecksum::full),
            parts: Vec::new(),
            version: None,
            notes: Default::default(),
        };
        self.lock().publish(key, &conditions, info, content)
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let key = address.unversioned()?;
        let mut state = self.lock();
        state.check(key, conditions)?;
        let removed = state.objects.remove(key.as_str().as_bytes());
        Ok(removed.map_or(Removal::Absent, |_| Removal::Removed).into())
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let key = address.unversioned()?;
        let mut state = self.lock();
        let mut object = Object::clone(state.object(key)?);
        match change {
            Change::Tags(tags) => {
                object.info.tag_count = tags.len();
                object.info.attributes.tags = tags;
            }
            Change::Acl(acl) => object.info.attributes.acl = acl,
        }
        state.objects.insert(key.as_str().as_bytes().into(), (key.clone(), Arc::new(object)));
        Ok(())
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let (after, delimiter) = (request.after.as_deref(), request.delimiter.as_deref());
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        let state = self.lock();
        let Ok((entries, truncated)) = grouping::page(&mut KeyCursor::new(&state.objects), query);
        let entry = |grouped: Grouped<&(ObjectKey, Arc<Object>)>| match grouped {
            Grouped::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
            Grouped::Item((key, object)) => ListEntry::Object(listed(key, object)),
        };
        Ok(ListPage { entries: entries.into_iter().map(entry).collect(), truncated, cache: None })
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let initiated = Timestamp::now();
        let upload = uploads::new_id(initiated)?;
        let info = UploadInfo {
            key: key.clone(),
            upload: upload.clone(),
            initiator: request.initiator.clone(),
            owner: request.attributes.owner.clone(),
            initiated,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
        };
        let mut state = self.lock();
        if state.retired {
            return Err(gone());
        }
        state
            .uploads
            .insert(upload_at(key, &upload), Upload { info, begun: request, parts: BTreeMap::new() });
        Ok(upload)
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let algorithm = {
            let mut state = self.lock();
            let begun = &state.upload(key, upload)?.begun;
            multipart::part_algorithm(begun.checksum, begun.explicit_checksum, payload.checksum_algorithm())?
        };
        let (content, verified) = Content::receive(payload, algorithm).await?;
        let recorded = RecordedPart {
            number,
            size: verified.size(),
            md5: verified.md5(),
            checksum: verified.checksum().cloned(),
        };
        let last_modified = Timestamp::now();
        let written =
            PartWritten { etag: recorded.etag(), checksum: recorded.checksum.clone(), last_modified };
        // The upload may have ended while the body arrived.
        self.lock().upload(key, upload)?.parts.insert(number, Part { recorded, last_modified, content });
        Ok(written)
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let mut state = self.lock();
        let upload = state.upload(key, upload)?;
        let mut rest = upload.parts.values().filter(|part| part.recorded.number.get() > after);
        let parts: Vec<_> = rest.by_ref().take(limit).map(Part::listed).collect();
        Ok(PartsPage { upload: upload.info.clone(), parts, truncated: limit > 0 && rest.next().is_some() })
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let mut state = self.lock();
        if let Some((_, written)) = state.completed.get(upload).filter(|(completed, _)| completed == key) {
            return Ok(written.clone());
        }
        let (info, content) = state.upload(key, upload)?.assemble(&request)?;
        let written = state.publish(key, &request.conditions, info, content)?;
        state.uploads.remove(&upload_at(key, upload));
        state.completed.insert(upload.clone(), (key.clone(), written.clone()));
        while state.completed.len() > REMEMBERED {
            state.completed.pop_first();
        }
        Ok(written)
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        self.lock()
            .uploads
            .remove(&upload_at(key, upload))
            .map(drop)
            .ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        let (after, delimiter) = (request.key_marker.as_deref(), request.delimiter.as_deref());
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        let state = self.lock();
        let mut cursor = UploadCursor::new(&state.uploads, after.zip(request.upload_marker.as_ref()));
        let Ok((entries, truncated)) = grouping::page(&mut cursor, query);
        let entry = |grouped: Grouped<&Upload>| match grouped {
            Grouped::CommonPrefix(prefix) => UploadEntry::CommonPrefix(prefix),
            Grouped::Item(upload) => UploadEntry::Upload(upload.info.clone()),
        };
        Ok(UploadsPage { entries: entries.into_iter().map(entry).collect(), truncated })
    }
}

impl Upload {
    fn assemble(&self, request: &CompleteUpload) -> Result<(ObjectInfo, Content)> {
        let recorded: Vec<_> = self.parts.values().map(|part| part.recorded.clone()).collect();
        let assembled =
            multipart::assemble(self.begun.checksum, self.begun.explicit_checksum, request, &recorded)?;
        let content = Content::join(
            request.parts.iter().filter_map(|part| self.parts.get(&part.number)).map(|part| &part.content),
        );
        let info = ObjectInfo {
            size: assembled.size,
            etag: assembled.etag,
            last_modified: Timestamp::from_millis(0),
            attributes: self.begun.attributes.clone(),
            tag_count: self.begun.attributes.tags.len(),
            checksum: assembled.checksum,
            parts: assembled.parts,
            version: None,
            notes: Default::default(),
        };
        Ok((info, content))
    }
}

impl Part {
    fn listed(&self) -> ListedPart {
        let RecordedPart { number, size, checksum, .. } = self.recorded.clone();
        ListedPart { number, size, etag: self.recorded.etag(), checksum, last_modified: self.last_modified }
    }
}

fn listed(key: &ObjectKey, object: &Object) -> ListedObject {
    let ObjectInfo { size, etag, last_modified, attributes, checksum, .. } = &object.info;
    ListedObject {
        key: key.clone(),
        size: *size,
        etag: etag.clone(),
        last_modified: *last_modified,
        checksum: checksum.as_ref().map(ObjectChecksum::spec),
        storage_class: None,
        owner: attributes.owner.clone(),
    }
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the bucket was removed")
}
