//! Copies an object that is too large for one request: in parts, as a client would.

use super::{
    bucket::Bucket,
    member::{Member, in_time, nothing},
    record::{Copy, Known, Record},
    repair_steps::{bytes, confirm, turn},
    write,
};
use crate::{
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectKey, PartNumber, Span, UploadId},
    store::{BeginUpload, CompletePart, Result, error::StoreErrorKind},
};
use std::sync::Arc;

/// The minimum size of a part; there are at most 10,000 parts.
const PART: u64 = 64 << 20;

/// Returns whether the object was copied; `false` means that the key has changed.
pub(super) async fn copy(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    member: &Arc<Member>,
    record: &Arc<Record>,
) -> Result<bool> {
    let object = record.object().ok_or_else(nothing)?;
    let store = member.store().await?;
    let _in_hand = bucket.uploads.in_hand();
    let begin = BeginUpload {
        attributes: member.keeps(&object.attributes),
        checksum: ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject },
        explicit_checksum: false,
        initiator: bucket.record.bucket.owner.clone(),
    };
    let upload = store.begin_upload(key, begin).await?;
    let copied = parts(bucket, key, member, record, &upload).await;
    if !matches!(copied, Ok(Some(_)))
        && let Err(error) = store.abort_upload(key, &upload).await
    {
        tracing::debug!(%key, backend = member.name, %error, "an upload for repair was not aborted; it is tried again");
        bucket.uploads.leave_orphans();
    }
    let Some(copy) = copied? else { return Ok(false) };
    confirm(bucket, key, record.change.generation, member, copy).await?;
    Ok(true)
}

async fn parts(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    member: &Arc<Member>,
    record: &Arc<Record>,
    upload: &UploadId,
) -> Result<Option<Copy>> {
    let size = record.object().ok_or_else(nothing)?.size;
    let step = PART.max(size.div_ceil(9_000));
    let store = member.store().await?;
    let mut parts = Vec::new();
    let mut start = 0;
    while start < size {
        let span = Span { start, end: (start + step).min(size) };
        let number = u16::try_from(parts.len() + 1)
            .ok()
            .and_then(PartNumber::new)
            .ok_or(StoreErrorKind::EntityTooLarge)?;
        let (_, payload) = bytes(bucket, key, record, span).await?;
        let written = in_time(Some(span.len()), store.put_part(key, upload, number, payload)).await?;
        parts.push(CompletePart { number, etag: written.etag, checksum: written.checksum });
        start = span.end;
    }
    let Some(mut turn) = turn(bucket, key, member, record.change.generation, None).await? else {
        return Ok(None);
    };
    turn.come().await;
    write::complete(member, key, Known::Unknown, (upload.clone(), parts, size)).await.map(Some)
}
