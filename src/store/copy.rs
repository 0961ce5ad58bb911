//! Copies between any two stores by streaming through this process: the default where no driver has a shorter way.

use super::{
    CopyPartRequest, CopyRequest, CopySource, GetRequest, ObjectBody, PartWritten, PutRequest, Result, Selection, Store, Written,
    condition::{ETagMatch, ReadConditions},
    error::{StoreError, StoreErrorKind},
    payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
};
use crate::model::{ByteRange, ChecksumAlgorithm, ObjectInfo, ObjectKey, PartNumber, UploadId};
use futures_util::StreamExt;

pub async fn stream_object<S: Store + ?Sized>(target: &S, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
    let keep = |info: &ObjectInfo| info.checksum.as_ref().map(|sum| sum.algorithm());
    let (mut info, payload) = open(&request.source, None, |info| request.checksum.or(keep(info))).await?;
    if request.attributes.tags.is_none() && info.tag_count > info.attributes.tags.len() {
        let same = ReadConditions { if_match: Some(ETagMatch::OneOf(vec![info.etag.clone()])), ..Default::default() };
        info.attributes.tags = request.source.store.describe(&request.source.key, &same).await?.attributes.tags;
    }
    let attributes = request.attributes.apply(&info.attributes);
    target.put(key, PutRequest { attributes, conditions: request.conditions, payload }).await
}

pub async fn stream_part<S: Store + ?Sized>(
    target: &S,
    key: &ObjectKey,
    upload: &UploadId,
    number: PartNumber,
    request: CopyPartRequest,
) -> Result<PartWritten> {
    // The upload says which checksum its parts carry, not their source.
    let (_, payload) = open(&request.source, request.range, |_| None).await?;
    target.put_part(key, upload, number, payload).await
}

/// A copy range must lie inside its source: unlike a GET's, it is not clipped.
pub fn check_range(range: ByteRange, size: u64) -> Result<()> {
    match range {
        ByteRange::FromTo(_, last) if last < size => Ok(()),
        _ => Err(StoreError::new(StoreErrorKind::InvalidRange { size }, "The specified copy range is not inside the source object")),
    }
}

async fn open(
    source: &CopySource,
    range: Option<ByteRange>,
    checksum: impl FnOnce(&ObjectInfo) -> Option<ChecksumAlgorithm>,
) -> Result<(ObjectInfo, Payload)> {
    let request = GetRequest { conditions: source.conditions.clone(), selection: range.map_or(Selection::Whole, Selection::Range) };
    let reply = source.store.get(&source.key, request).await.map_err(|error| match error.kind() {
        StoreErrorKind::NotModified => StoreErrorKind::PreconditionFailed.into(),
        _ => error,
    })?;
    // By the very object that was opened: a GET clips its range, and an earlier look may have seen another object.
    range.map_or(Ok(()), |range| check_range(range, reply.info.size))?;
    let checksum = checksum(&reply.info).map_or(AnnouncedChecksum::None, AnnouncedChecksum::Algorithm);
    let announced = Announced { length: Some(reply.span.len()), checksum, ..Default::default() };
    let payload = match reply.body {
        ObjectBody::Full(bytes) => Payload::from_stream(futures_util::stream::iter([Ok(bytes)]), announced),
        ObjectBody::Stream(stream) => {
            let frames = stream.map(|frame| {
                frame.map_err(|error| {
                    tracing::warn!(%error, "reading the source of a copy failed");
                    PayloadError::Source
                })
            });
            Payload::from_stream(frames, announced)
        }
    };
    Ok((reply.info, payload))
}
