//! Copies a multipart object part by part, so that the copy has the same parts and the same ETag.
//!
//! An upload that a kill has left behind is found by who began it, and is aborted (`abandon`).

use super::place::Place;
use crate::{
    model::{
        Attributes, ByteRange, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectInfo, ObjectKey, Owner,
        PartNumber, UploadId,
    },
    store::{
        BeginUpload, CompletePart, CompleteUpload, CopyPartRequest, CopySource, Keeping, ListUploadsRequest,
        Result, UploadEntry, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::LazyLock;

/// Parts that are copied at once.
const AT_ONCE: usize = 4;
const PAGE: usize = 1000;
pub(super) const INITIATOR: &str = "causeway-migration";

/// Distinguishes the uploads of this process from those that an earlier one left.
static LIFE: LazyLock<String> = LazyLock::new(|| {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
});

pub(super) fn is_of_parts(info: &ObjectInfo) -> bool {
    // An ETag of one part has the form, too: the MD5 of an MD5.
    !info.parts.is_empty() && info.etag.as_md5().is_none()
}

pub(super) async fn copy(
    to: &Place,
    key: &ObjectKey,
    info: &ObjectInfo,
    attributes: Attributes,
    source: CopySource,
    conditions: WriteConditions,
) -> Result<Written> {
    let begin = BeginUpload {
        attributes,
        checksum: info.checksum.as_ref().map_or(
            ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject },
            |sum| sum.spec(),
        ),
        explicit_checksum: info.checksum.is_some(),
        initiator: Owner { id: INITIATOR.into(), display_name: LIFE.as_str().into() },
    };
    let upload = to.store().begin_upload(key, begin).await?;
    let done = send(to, key, &upload, info, &source, conditions).await;
    if done.is_err()
        && let Err(error) = to.store().abort_upload(key, &upload).await
        && error.kind() != StoreErrorKind::NoSuchUpload
    {
        tracing::warn!(backend = to.site.backend, %error, "an upload of a migration could not be aborted");
    }
    done
}

async fn send(
    to: &Place,
    key: &ObjectKey,
    upload: &UploadId,
    info: &ObjectInfo,
    source: &CopySource,
    conditions: WriteConditions,
) -> Result<Written> {
    let mut at = 0;
    let ranges: Vec<(u16, u64, u64)> = info
        .parts
        .iter()
        .map(|part| {
            at += part.size;
            (part.number, at - part.size, part.size)
        })
        .collect();
    if at != info.size {
        let words = "the parts of the object are not as long as the object";
        return Err(StoreError::new(StoreErrorKind::Broken, words));
    }
    let parts: Vec<CompletePart> = stream::iter(ranges)
        .map(|(number, first, size)| send_part(to, key, upload, source, (number, first, size)))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let keeps = to.store().capabilities().checksums == Keeping::Kept;
    let checksum = info.checksum.as_ref().filter(|_| keeps).map(|sum| (sum.algorithm(), sum.text()));
    let request = CompleteUpload { parts, conditions, checksum, size: Some(info.size) };
    to.store().complete_upload(key, upload, request).await
}

async fn send_part(
    to: &Place,
    key: &ObjectKey,
    upload: &UploadId,
    source: &CopySource,
    (number, first, size): (u16, u64, u64),
) -> Result<CompletePart> {
    let number = PartNumber::new(number)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Broken, "a part has an impossible number"))?;
    let written = match size {
        // No range has no byte.
        0 => to.store().put_part(key, upload, number, Payload::from_bytes(bytes::Bytes::new())).await?,
        _ => {
            let range = Some(ByteRange::FromTo(first, first + size - 1));
            let request = CopyPartRequest { source: source.clone(), range };
            to.store().copy_part(key, upload, number, request).await?
        }
    };
    Ok(CompletePart { number, etag: written.etag, checksum: None })
}

/// Aborts the uploads that an earlier process has left at a place.
pub(super) async fn abandon(place: &Place) -> Result<()> {
    let mut request = ListUploadsRequest { limit: PAGE, ..Default::default() };
    loop {
        let page = place.store().list_uploads(request.clone()).await?;
        let mut last = None;
        for entry in page.entries {
            let UploadEntry::Upload(info) = entry else { continue };
            if &*info.initiator.id == INITIATOR && *info.initiator.display_name != **LIFE {
                match place.store().abort_upload(&info.key, &info.upload).await {
                    Err(error) if error.kind() != StoreErrorKind::NoSuchUpload => return Err(error),
                    _ => {}
                }
            }
            last = Some((info.key, info.upload));
        }
        let Some((key, upload)) = last.filter(|_| page.truncated) else { return Ok(()) };
        request.key_marker = Some(key.as_str().to_owned());
        request.upload_marker = Some(upload);
    }
}

/// Returns whether a client's upload is at a place.
pub(super) async fn has_uploads(place: &Place) -> Result<bool> {
    let request = ListUploadsRequest { limit: PAGE, ..Default::default() };
    let page = place.store().list_uploads(request).await?;
    let is_clients = |entry: &UploadEntry| match entry {
        UploadEntry::Upload(info) => &*info.initiator.id != INITIATOR,
        UploadEntry::CommonPrefix(_) => true,
    };
    Ok(page.truncated || page.entries.iter().any(is_clients))
}
