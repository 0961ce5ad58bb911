//! Multipart uploads on storage that has none: parts wait in the spool, Complete streams them into one file.
//!
//! Invariants: a part is recorded in the catalog after its bytes are as durable as the setting says; a Complete that is
//! refused leaves every part as it was; one that succeeded is answered the same again, also after a crash.

use super::{
    bucket::{Bucket, to_the_end},
    record::Identity,
    write::{self, Ready},
};
use crate::{
    backend::uploads,
    catalog::{CompletedUpload, PartRecord, UploadRecord},
    model::{ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, PartWritten, Result, Written,
        error::StoreErrorKind,
        multipart::{Assembled, RecordedPart, assemble, part_algorithm},
        payload::Payload,
    },
};
use std::{collections::HashMap, sync::Arc};

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
    let mut spooled = bucket.spool.create(bucket.id, id, number).await?;
    let verified = write::stream(payload, digests, &mut spooled).await?;
    spooled.finish().await?;
    let part = PartRecord {
        number,
        size: verified.size(),
        md5: verified.md5(),
        checksum: verified.checksum().cloned(),
        last_modified: Timestamp::now(),
        location: spooled.name().to_owned(),
    };
    let written = PartWritten { etag: verified.etag(), checksum: part.checksum.clone(), last_modified: part.last_modified };
    // From here on to its end whatever becomes of the client: the catalog and the spool must agree.
    let (bucket, id) = (bucket.clone(), id.clone());
    to_the_end(async move {
        let replaced = bucket.catalog.put_part(bucket.id, &id, part).await?;
        spooled.keep();
        if let Some(old) = replaced {
            bucket.spool.remove(bucket.id, &id, &old.location).await?;
        }
        Ok(written)
    })
    .await
}

pub(super) async fn complete(bucket: &Arc<Bucket>, key: &ObjectKey, id: &UploadId, request: CompleteUpload) -> Result<Written> {
    let (bucket, key, id) = (bucket.clone(), key.clone(), id.clone());
    to_the_end(async move { complete_to_the_end(&bucket, &key, &id, request).await }).await
}

async fn complete_to_the_end(bucket: &Arc<Bucket>, key: &ObjectKey, id: &UploadId, request: CompleteUpload) -> Result<Written> {
    let _only = bucket.completing.lock(id).await;
    let upload = match record(bucket, key, id).await {
        Ok(upload) => upload,
        // A Complete that succeeded is answered the same again.
        Err(gone) => {
            let completed = bucket.catalog.completed_upload(bucket.id, id).await?.filter(|completed| completed.key == *key);
            return completed.map(|completed| completed.written).ok_or(gone);
        }
    };
    if let Some(written) = published_before_a_crash(bucket, key, id).await? {
        return finish(bucket, key, id, written).await;
    }
    let recorded = bucket.catalog.parts(bucket.id, id, 0, usize::MAX).await?;
    let known: Vec<RecordedPart> = recorded
        .iter()
        .map(|part| RecordedPart { number: part.number, size: part.size, md5: part.md5, checksum: part.checksum.clone() })
        .collect();
    let assembled = assemble(upload.checksum, upload.explicit_checksum, &request, &known)?;
    if assembled.size > bucket.files.service().max_size {
        return Err(write::too_large(bucket));
    }
    let ready = build(bucket, key, upload, &recorded, assembled).await?;
    let written = write::publish(bucket, key, request.conditions, ready).await?;
    finish(bucket, key, id, written).await
}

async fn build(bucket: &Bucket, key: &ObjectKey, upload: UploadRecord, recorded: &[PartRecord], assembled: Assembled) -> Result<Ready> {
    let locations: HashMap<u16, &str> = recorded.iter().map(|part| (part.number.get(), part.location.as_str())).collect();
    let path = bucket.at(&bucket.path_of(key).plain_path());
    let mut draft = bucket.files.create(&bucket.drafts.name(), &path, Some(assembled.size)).await?;
    let filled = async {
        for part in &assembled.parts {
            let location = locations.get(&part.number).ok_or(StoreErrorKind::InvalidPart)?;
            let mut reader = bucket.spool.read(bucket.id, &upload.upload, location).await?;
            while let Some(bytes) = reader.next().await? {
                draft.write(vec![bytes]).await?;
            }
        }
        draft.finish().await
    };
    let expected = match filled.await {
        Ok(expected) => expected,
        Err(error) => {
            draft.discard().await;
            return Err(error);
        }
    };
    let Assembled { etag, size, checksum, parts } = assembled;
    let identity = Identity { size, etag, attributes: upload.attributes, checksum, parts: Some((parts, upload.upload)) };
    Ok(Ready { draft, expected, identity })
}

/// A process killed between publishing and recording it left the upload's id in the object's record.
async fn published_before_a_crash(bucket: &Bucket, key: &ObjectKey, id: &UploadId) -> Result<Option<Written>> {
    if bucket.row(key).await?.is_of_upload(id) {
        let _guard = bucket.lock(key).await;
        let (found, _) = bucket.find_locked(key).await?;
        let record = found.and_then(|found| found.record).filter(|record| record.upload.as_ref() == Some(id));
        return Ok(record.map(|record| record.written()));
    }
    Ok(None)
}

async fn finish(bucket: &Bucket, key: &ObjectKey, id: &UploadId, written: Written) -> Result<Written> {
    let completed = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
    bucket.catalog.finish_upload(bucket.id, id, completed).await?;
    bucket.spool.discard(bucket.id, id).await?;
    Ok(written)
}

pub(super) async fn abort(bucket: &Arc<Bucket>, key: &ObjectKey, id: &UploadId) -> Result<()> {
    record(bucket, key, id).await?;
    let _completing = bucket.completing.lock(id).await;
    let aborted = bucket.catalog.abort_upload(bucket.id, id).await?;
    bucket.spool.discard(bucket.id, id).await?;
    if aborted { Ok(()) } else { Err(StoreErrorKind::NoSuchUpload.into()) }
}

/// Removes what uploads of this bucket left in the spool that have ended without us, by a crash.
pub(super) async fn sweep(bucket: &Bucket) -> Result<()> {
    for id in bucket.spool.uploads(bucket.id) {
        if bucket.catalog.upload(bucket.id, &id).await?.is_none() {
            bucket.spool.discard(bucket.id, &id).await?;
        }
    }
    Ok(())
}
