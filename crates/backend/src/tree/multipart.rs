//! Multipart uploads on storage that has none. Where files can be written at any offset, parts are written to
//! their final offset (`backend::slots`), and Complete moves only those that had no free slot. Elsewhere
//! parts wait in the spool, and Complete streams those into one file that no flow has sent before.
//!
//! Invariants: a part is recorded in the catalog after its bytes are as durable as the setting says; a
//! Complete that is refused leaves every part as it was; one that succeeded gets the same reply again, even
//! after a crash.

use super::{
    bucket::{Bucket, to_the_end},
    drafts::Drafts,
    files::{Draft, Files, Slot, Stat},
    flow_start,
    given::{Given, names_of},
    sink::{Sink, stream},
    spool::SpooledPart,
    write::{self, Making, Ready},
};
use crate::{
    backend::{
        slots::{Location, Move, base, moves},
        uploads,
    },
    catalog::{BucketId, CompletedUpload, PartRecord, UploadRecord},
    model::{ObjectKey, PartNumber, Span, Timestamp, UploadId},
    store::{
        BeginUpload, ByteStream, CompleteUpload, PartWritten, Result, Written,
        error::{StoreError, StoreErrorKind},
        multipart::{Assembled, RecordedPart, assemble, part_algorithm},
        payload::Payload,
        record::ObjectRecord,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use std::{collections::BTreeSet, sync::Arc};

pub(super) async fn begin(bucket: &Bucket, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
    let now = Timestamp::now();
    let upload = uploads::new_id(now)?;
    let record = UploadRecord {
        bucket: bucket.id,
        upload: upload.clone(),
        key: key.clone(),
        initiator: request.initiator,
        initiated: now,
        attributes: request.attributes,
        checksum: request.checksum,
        explicit_checksum: request.explicit_checksum,
        location: String::new(),
    };
    bucket.catalog.begin_upload(record).await?;
    Ok(upload)
}

pub(super) async fn record(bucket: &Bucket, key: &ObjectKey, upload: &UploadId) -> Result<UploadRecord> {
    let record = bucket.catalog.upload(bucket.id, upload).await?.filter(|record| record.key == *key);
    Ok(record.ok_or(StoreErrorKind::NoSuchUpload)?)
}

pub(super) async fn put_part(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    id: &UploadId,
    number: PartNumber,
    payload: Payload,
) -> Result<PartWritten> {
    let upload = record(bucket, key, id).await?;
    let algorithm = part_algorithm(upload.checksum, upload.explicit_checksum, payload.checksum_algorithm())?;
    let digests = payload.digests(Some(algorithm));
    let mut target = match bucket.slot(id, number, payload.length()).await? {
        Some(given) => PartTarget::Slot(given.open().await?),
        None => PartTarget::Spool(bucket.spool.create(bucket.id, id, number).await?),
    };
    let verified = stream(payload, digests, &mut target).await?;
    let (location, waiting) = target.finish().await?;
    let part = PartRecord {
        number,
        size: verified.size(),
        md5: verified.md5(),
        checksum: verified.checksum().cloned(),
        last_modified: Timestamp::now(),
        location,
    };
    let written = PartWritten {
        etag: verified.etag(),
        checksum: part.checksum.clone(),
        last_modified: part.last_modified,
    };
    // From here on the task runs to its end, even if the client disconnects: the catalog and the spool must
    // agree.
    let (bucket, key, id) = (bucket.clone(), key.clone(), id.clone());
    to_the_end(async move {
        let replaced = bucket.catalog.put_part(bucket.id, &id, part).await?;
        flow_start::part_recorded(&bucket, &key, &id, number, replaced.is_some());
        waiting.keep();
        if let Some(Location::Own(name)) = replaced.and_then(|old| Location::parse(&old.location)) {
            bucket.spool.remove(bucket.id, &id, &name).await?;
        }
        Ok(written)
    })
    .await
}

impl Bucket {
    /// Removes everything that is stored for an upload that has ended, including the bytes of parts that
    /// failed and were never recorded.
    async fn discard(&self, id: &UploadId, recorded: &[PartRecord]) -> Result<()> {
        let given_out = self.uploads.end(id);
        self.flows.end(id);
        if let Some(slots) = self.files.slots() {
            let located = recorded.iter().filter_map(|part| Location::parse(&part.location));
            let shared = located.filter(|location| matches!(location, Location::Slot(_)));
            let files: BTreeSet<_> =
                shared.chain(given_out.files()).map(|location| self.slot_file(id, &location)).collect();
            for file in files {
                slots.remove(&file).await?;
            }
        }
        self.spool.discard(self.id, id).await
    }
}

/// Where one part is written.
enum PartTarget {
    Slot(Given),
    Spool(SpooledPart),
}

#[async_trait]
impl Sink for PartTarget {
    async fn take(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        match self {
            Self::Slot(given) => given.write(bytes).await,
            Self::Spool(spooled) => spooled.take(bytes).await,
        }
    }
}

impl PartTarget {
    /// Ends the writing. Returns the location for the catalog, and the place to keep once the part is
    /// recorded.
    async fn finish(mut self) -> Result<(String, Self)> {
        let location = match &mut self {
            Self::Slot(given) => {
                given.finish().await?;
                given.location().file()
            }
            Self::Spool(spooled) => {
                spooled.finish().await?;
                spooled.name().to_owned()
            }
        };
        Ok((location, self))
    }

    fn keep(self) {
        match self {
            Self::Slot(given) => given.keep(),
            Self::Spool(spooled) => spooled.keep(),
        }
    }
}

pub(super) async fn complete(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    id: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let (bucket, key, id) = (bucket.clone(), key.clone(), id.clone());
    to_the_end(async move { complete_to_the_end(&bucket, &key, &id, request).await }).await
}

async fn complete_to_the_end(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    id: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let _only = bucket.completing.lock(id).await;
    let upload = match record(bucket, key, id).await {
        Ok(upload) => upload,
        // A repeated Complete gets the reply of the one that succeeded.
        Err(gone) => {
            let completed = bucket
                .catalog
                .completed_upload(bucket.id, id)
                .await?
                .filter(|completed| completed.key == *key);
            return completed.map(|completed| completed.written).ok_or(gone);
        }
    };
    if let Some(written) = published_before_a_crash(bucket, key, id).await? {
        let recorded = bucket.catalog.parts(bucket.id, id, 0, usize::MAX).await?;
        return finish(bucket, key, id, &recorded, written).await;
    }
    // Keeps further parts out of the slots until the object is published.
    let _sealed = bucket.seal(id).await?;
    let recorded = bucket.catalog.parts(bucket.id, id, 0, usize::MAX).await?;
    let known: Vec<RecordedPart> = recorded
        .iter()
        .map(|part| RecordedPart {
            number: part.number,
            size: part.size,
            md5: part.md5,
            checksum: part.checksum.clone(),
        })
        .collect();
    let assembled = assemble(upload.checksum, upload.explicit_checksum, &request, &known)?;
    if assembled.size > bucket.files.service().max_size {
        return Err(write::too_large(bucket));
    }
    let moves = moves(&assembled.parts, &recorded)?;
    // A slot that is still being written to keeps its file from becoming the object: late bytes would change
    // it.
    let making = match base(&moves)
        .filter(|base| bucket.files.slots().is_some() && !bucket.uploads.are_written_to(id, base))
    {
        Some(base) => {
            let bucket = bucket.clone();
            Making::Late(Box::pin(
                async move { build_in_place(&bucket, upload, base, moves, assembled).await },
            ))
        }
        None => Making::Whole(Box::new(build(bucket, key, upload, moves, assembled).await?)),
    };
    let written = write::publish(bucket, key, request.conditions, making).await?;
    finish(bucket, key, id, &recorded, written).await
}

/// Reads the bytes of a part.
async fn bytes_of(bucket: &Bucket, id: &UploadId, part: &Move) -> Result<ByteStream> {
    match (&part.location, bucket.files.slots()) {
        (location @ Location::Slot(_), Some(slots)) => {
            slots
                .read(&bucket.slot_file(id, location), Span { start: part.from, end: part.from + part.size })
                .await
        }
        (Location::Slot(_), None) => {
            Err(StoreError::new(StoreErrorKind::Internal, "a part lies where the storage has no places"))
        }
        (Location::Own(name), _) => {
            let reader = bucket.spool.read(bucket.id, id, name).await?;
            Ok(Box::pin(futures_util::stream::try_unfold(reader, async |mut reader| {
                Ok(reader.next().await?.map(|bytes| (bytes, reader)))
            })))
        }
    }
}

/// Makes the object from the file of slots that contains most of its parts; only the other parts are moved.
async fn build_in_place(
    bucket: &Bucket,
    upload: UploadRecord,
    base: Location,
    moves: Vec<Move>,
    assembled: Assembled,
) -> Result<Ready> {
    let slots = bucket.files.slots().ok_or(StoreErrorKind::Internal)?;
    let id = &upload.upload;
    let file = bucket.slot_file(id, &base);
    let mut target = None;
    for part in moves.iter().filter(|part| part.location != base) {
        let mut slot: Box<dyn Slot> = match target.take() {
            Some(slot) => slot,
            None => slots.open(&file).await?,
        };
        let (mut stream, mut at) = (bytes_of(bucket, id, part).await?, part.to);
        while let Some(bytes) = stream.next().await.transpose()? {
            let length = bytes.len() as u64;
            slot.write(at, vec![bytes]).await?;
            at += length;
        }
        target = Some(slot);
    }
    if let Some(slot) = target {
        slot.finish().await?;
    }
    let mut draft = slots.draft(&file, assembled.size).await?;
    let expected = draft.finish().await?;
    let object = ObjectRecord::of_upload(assembled, upload.attributes, upload.upload);
    Ok(Ready { draft, expected, object })
}

async fn build(
    bucket: &Bucket,
    key: &ObjectKey,
    upload: UploadRecord,
    moves: Vec<Move>,
    assembled: Assembled,
) -> Result<Ready> {
    let id = &upload.upload;
    if let Some(flowed) = bucket.flows.take(id).await
        && let Some((draft, there)) = flowed.up_to_a_part(&moves).await
    {
        match pour(bucket, id, &moves[there..], draft, assembled.size).await {
            Ok((draft, expected)) => {
                let object = ObjectRecord::of_upload(assembled, upload.attributes, upload.upload);
                return Ok(Ready { draft, expected, object });
            }
            Err(error) => {
                tracing::debug!(%key, %error, "what has flowed on is lost, and all of it is sent again")
            }
        }
    }
    let path = bucket.at(&bucket.path_of(key).plain_path());
    let draft = bucket.files.create(&bucket.drafts.name(), &path, Some(assembled.size)).await?;
    let (draft, expected) = pour(bucket, id, &moves, draft, assembled.size).await?;
    let object = ObjectRecord::of_upload(assembled, upload.attributes, upload.upload);
    Ok(Ready { draft, expected, object })
}

/// Writes the remaining parts of an object of this size and finishes the draft. After a failure the draft is
/// discarded.
async fn pour(
    bucket: &Bucket,
    id: &UploadId,
    parts: &[Move],
    mut draft: Box<dyn Draft>,
    size: u64,
) -> Result<(Box<dyn Draft>, Option<Stat>)> {
    let poured = async {
        for part in parts {
            let mut stream = bytes_of(bucket, id, part).await?;
            while let Some(bytes) = stream.next().await.transpose()? {
                draft.write(vec![bytes]).await?;
            }
        }
        let expected = draft.finish().await?;
        if expected.as_ref().is_none_or(|stat| stat.size == size) {
            Ok(expected)
        } else {
            Err(StoreError::new(StoreErrorKind::Unavailable, "the storage kept another size than was sent"))
        }
    };
    match poured.await {
        Ok(expected) => Ok((draft, expected)),
        Err(error) => {
            draft.discard().await;
            Err(error)
        }
    }
}

/// Looks for the object of an upload whose Complete was published but not recorded before the process was
/// killed. The record of the object names the upload.
async fn published_before_a_crash(
    bucket: &Bucket,
    key: &ObjectKey,
    id: &UploadId,
) -> Result<Option<Written>> {
    if bucket.row(key).await?.is_of_upload(id) {
        let _guard = bucket.lock(key).await;
        let (found, _) = bucket.find_locked(key).await?;
        let object = found.and_then(|found| found.record).map(|record| record.object);
        let published = object.filter(|object| object.upload.as_ref() == Some(id));
        return Ok(published.map(|object| object.written()));
    }
    Ok(None)
}

async fn finish(
    bucket: &Bucket,
    key: &ObjectKey,
    id: &UploadId,
    recorded: &[PartRecord],
    written: Written,
) -> Result<Written> {
    let completed = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
    bucket.catalog.finish_upload(bucket.id, id, completed).await?;
    // The object exists, so a failure is only logged: files that remain are swept later.
    if let Err(error) = bucket.discard(id, recorded).await {
        tracing::warn!(%key, %error, "parts of an upload that was completed stay for a while");
    }
    Ok(written)
}

pub(super) async fn abort(bucket: &Arc<Bucket>, key: &ObjectKey, id: &UploadId) -> Result<()> {
    record(bucket, key, id).await?;
    let _completing = bucket.completing.lock(id).await;
    let recorded = bucket.catalog.parts(bucket.id, id, 0, usize::MAX).await?;
    let aborted = bucket.catalog.abort_upload(bucket.id, id).await?;
    if let Err(error) = bucket.discard(id, &recorded).await {
        tracing::warn!(%key, %error, "parts of an upload that was aborted stay for a while");
    }
    if aborted { Ok(()) } else { Err(StoreErrorKind::NoSuchUpload.into()) }
}

/// Removes the slots of uploads of this bucket that have ended without a clean-up, because of a crash or an
/// unreachable storage.
pub(super) async fn sweep(bucket: &Bucket) -> Result<()> {
    let Some(slots) = bucket.files.slots() else { return Ok(()) };
    let ours = names_of(&bucket.drafts, bucket.id);
    for name in bucket.slot_names.of(bucket.id, &bucket.drafts, slots).await? {
        let id = name.strip_prefix(&ours).and_then(|rest| UploadId::parse(rest.rsplit_once('.')?.0));
        if let Some(id) = id
            && bucket.catalog.upload(bucket.id, &id).await?.is_none()
        {
            slots.remove(&name).await?;
        }
    }
    Ok(())
}

/// Removes all slots of a bucket that is gone: none of its uploads can be completed any more.
pub(super) async fn sweep_all(files: &dyn Files, drafts: &Drafts, id: BucketId) -> Result<()> {
    let Some(slots) = files.slots() else { return Ok(()) };
    let ours = names_of(drafts, id);
    for name in slots.names().await?.into_iter().filter(|name| name.starts_with(&ours)) {
        slots.remove(&name).await?;
    }
    Ok(())
}
