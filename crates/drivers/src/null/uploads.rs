//! Multipart uploads that are open, in memory: what Complete needs of their parts, and no bytes.
//!
//! Invariant: uploads and parts of all buckets together hold at most `ROOM` places, so their memory is
//! bounded.

use crate::{
    backend::uploads::{ByUpload, UploadCursor, new_id, upload_at},
    model::{ChecksumAlgorithm, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, ListUploadsRequest, ListedPart, PartsPage, Result, UploadEntry,
        UploadInfo, UploadsPage,
        error::{StoreError, StoreErrorKind},
        grouping::{self, Grouped, Query},
        multipart::{self, Assembled, RecordedPart},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for uploads and parts: about 20 MiB.
const ROOM: usize = 100_000;
/// The places that one upload takes: its key may have 1,024 bytes.
const UPLOAD: u32 = 10;
const PART: u32 = 1;

/// The places for uploads of one backend.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Room {
    fn take(&self, places: u32) -> Result<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_many_owned(places).map_err(|_| {
            StoreError::new(
                StoreErrorKind::Busy,
                "too many parts of uploads are open: complete or abort some",
            )
        })
    }
}

/// The open uploads of one bucket.
#[derive(Debug)]
pub(super) struct Uploads {
    room: Room,
    open: Mutex<ByUpload<Upload>>,
}

#[derive(Debug)]
struct Upload {
    info: UploadInfo,
    parts: BTreeMap<PartNumber, Part>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Part {
    recorded: RecordedPart,
    last_modified: Timestamp,
    _place: OwnedSemaphorePermit,
}

impl AsRef<ObjectKey> for Upload {
    fn as_ref(&self) -> &ObjectKey {
        &self.info.key
    }
}

impl Uploads {
    pub(super) fn new(room: Room) -> Self {
        Self { room, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ByUpload<Upload>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let place = self.room.take(UPLOAD)?;
        let initiated = Timestamp::now();
        let upload = new_id(initiated)?;
        let info = UploadInfo {
            key: key.clone(),
            upload: upload.clone(),
            initiator: request.initiator,
            owner: None,
            initiated,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
        };
        let opened = Upload { info, parts: BTreeMap::new(), _place: place };
        self.lock().insert(upload_at(key, &upload), opened);
        Ok(upload)
    }

    /// Returns the checksum that a part needs beyond the one that its sender announced.
    pub(super) fn checksum_of_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        announced: Option<ChecksumAlgorithm>,
    ) -> Result<Option<ChecksumAlgorithm>> {
        let mut open = self.lock();
        let UploadInfo { checksum, explicit_checksum, .. } = found(&mut open, key, upload)?.info;
        let algorithm = multipart::part_algorithm(checksum, explicit_checksum, announced)?;
        Ok(explicit_checksum.then_some(algorithm))
    }

    pub(super) fn record(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        recorded: RecordedPart,
        last_modified: Timestamp,
    ) -> Result<()> {
        let part = Part { last_modified, _place: self.room.take(PART)?, recorded };
        found(&mut self.lock(), key, upload)?.parts.insert(part.recorded.number, part);
        Ok(())
    }

    pub(super) fn parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let mut open = self.lock();
        let upload = found(&mut open, key, upload)?;
        let mut rest = upload.parts.values().filter(|part| part.recorded.number.get() > after);
        let parts: Vec<_> = rest.by_ref().take(limit).map(Part::listed).collect();
        Ok(PartsPage { upload: upload.info.clone(), parts, truncated: limit > 0 && rest.next().is_some() })
    }

    /// Ends an upload as Complete does. An upload whose parts do not make an object stays open.
    pub(super) fn complete(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: &CompleteUpload,
    ) -> Result<Assembled> {
        let mut open = self.lock();
        let Upload { info, parts, .. } = found(&mut open, key, upload)?;
        let recorded: Vec<_> = parts.values().map(|part| part.recorded.clone()).collect();
        let assembled = multipart::assemble(info.checksum, info.explicit_checksum, request, &recorded)?;
        open.remove(&upload_at(key, upload));
        Ok(assembled)
    }

    pub(super) fn abort(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let removed = self.lock().remove(&upload_at(key, upload));
        removed.map(drop).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    pub(super) fn list(&self, request: ListUploadsRequest) -> UploadsPage {
        let (after, delimiter) = (request.key_marker.as_deref(), request.delimiter.as_deref());
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        let open = self.lock();
        let mut cursor = UploadCursor::new(&open, after.zip(request.upload_marker.as_ref()));
        let Ok((entries, truncated)) = grouping::page(&mut cursor, query);
        let entry = |grouped: Grouped<&Upload>| match grouped {
            Grouped::CommonPrefix(prefix) => UploadEntry::CommonPrefix(prefix),
            Grouped::Item(upload) => UploadEntry::Upload(upload.info.clone()),
        };
        UploadsPage { entries: entries.into_iter().map(entry).collect(), truncated }
    }
}

impl Part {
    fn listed(&self) -> ListedPart {
        let RecordedPart { number, size, checksum, .. } = self.recorded.clone();
        ListedPart { number, size, etag: self.recorded.etag(), checksum, last_modified: self.last_modified }
    }
}

fn found<'u>(open: &'u mut ByUpload<Upload>, key: &ObjectKey, upload: &UploadId) -> Result<&'u mut Upload> {
    open.get_mut(&upload_at(key, upload)).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
}
