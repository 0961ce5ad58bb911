//! Copies between any two stores by streaming through this process: the default where no driver has a shorter way.
//!
//! Invariant: a copy of a whole object is published only if its bytes have the checksum or the MD5 that the source's record tells, where
//! it tells one. A range has no such proof: there the source's store answers for what it opened.

use super::{
    ByteStream, CopyPartRequest, CopyRequest, CopySource, GetReply, GetRequest, ObjectBody, PartWritten, PutRequest, Result, Selection,
    Store, Written,
    condition::{ETagMatch, ReadConditions},
    error::{StoreError, StoreErrorKind},
    payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
};
use crate::model::{
    ByteRange, Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, EncryptionAlgorithm, ObjectInfo, ObjectKey, PartNumber, Span,
    UploadId,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How often a copy is begun whose bytes were not those of its source's record.
const ATTEMPTS: usize = 3;

pub async fn stream_object<S: Store + ?Sized>(target: &S, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
    let keep = |info: &ObjectInfo| info.checksum.as_ref().map(|sum| sum.algorithm());
    let CopyRequest { source, attributes, conditions, checksum } = request;
    for _ in 0..ATTEMPTS {
        let Opened { mut info, payload, refuted } = open(&source, None, |info| checksum.or(keep(info))).await?;
        if attributes.tags.is_none() && info.tag_count > info.attributes.tags.len() {
            let same = ReadConditions { if_match: Some(ETagMatch::OneOf(vec![info.etag.clone()])), ..Default::default() };
            info.attributes.tags = source.store.describe(&source.key, &same).await?.attributes.tags;
        }
        let attributes = attributes.apply(&info.attributes);
        match target.put(key, PutRequest { attributes, conditions: conditions.clone(), payload }).await {
            Err(_) if refuted.load(Ordering::Acquire) => {}
            written => return written,
        }
    }
    Err(other_bytes())
}

pub async fn stream_part<S: Store + ?Sized>(
    target: &S,
    key: &ObjectKey,
    upload: &UploadId,
    number: PartNumber,
    request: CopyPartRequest,
) -> Result<PartWritten> {
    for _ in 0..ATTEMPTS {
        // The upload says which checksum its parts carry, not their source.
        let Opened { payload, refuted, .. } = open(&request.source, request.range, |_| None).await?;
        match target.put_part(key, upload, number, payload).await {
            Err(_) if refuted.load(Ordering::Acquire) => {}
            written => return written,
        }
    }
    Err(other_bytes())
}

fn other_bytes() -> StoreError {
    let why = "copying an object: its bytes are not those of its checksum or ETag, each time that it was read; nothing was written. If trying \
               again does not help, its storage holds damaged bytes";
    StoreError::new(StoreErrorKind::Unavailable, why)
}

/// A copy range must lie inside its source: unlike a GET's, it is not clipped.
pub fn check_range(range: ByteRange, size: u64) -> Result<()> {
    match range {
        ByteRange::FromTo(_, last) if last < size => Ok(()),
        _ => Err(StoreError::new(StoreErrorKind::InvalidRange { size }, "The specified copy range is not inside the source object")),
    }
}

/// The source of a copy.
struct Opened {
    info: ObjectInfo,
    payload: Payload,
    /// Set once its bytes were found not to be what `info` says. The payload fails then, and never comes to its end.
    refuted: Arc<AtomicBool>,
}

async fn open(
    source: &CopySource,
    range: Option<ByteRange>,
    checksum: impl FnOnce(&ObjectInfo) -> Option<ChecksumAlgorithm>,
) -> Result<Opened> {
    let request = GetRequest { conditions: source.conditions.clone(), selection: range.map_or(Selection::Whole, Selection::Range) };
    let GetReply { info, span, body } = source.store.get(&source.key, request).await.map_err(|error| match error.kind() {
        StoreErrorKind::NotModified => StoreErrorKind::PreconditionFailed.into(),
        _ => error,
    })?;
    // By the very object that was opened: a GET clips its range, and an earlier look may have seen another object.
    range.map_or(Ok(()), |range| check_range(range, info.size))?;
    let checksum = checksum(&info).map_or(AnnouncedChecksum::None, AnnouncedChecksum::Algorithm);
    let announced = Announced { length: Some(span.len()), checksum, ..Default::default() };
    let stream: ByteStream = match body {
        ObjectBody::Full(bytes) => Box::pin(futures_util::stream::iter([Ok(bytes)])),
        ObjectBody::Stream(stream) => stream,
    };
    let refuted = Arc::new(AtomicBool::new(false));
    let proof = Proof::of(&info).filter(|_| span == Span::whole(info.size));
    let frames = proven(stream, proof, refuted.clone());
    Ok(Opened { info, payload: Payload::from_stream(frames, announced), refuted })
}

/// What all bytes of an object have to come to.
enum Proof {
    Checksum(Box<ChecksumHasher>, Checksum),
    Md5(Box<Md5>, [u8; 16]),
}

impl Proof {
    /// As far as the object's record tells. Where keys of a key service encrypt, the ETag only looks like an MD5.
    fn of(info: &ObjectInfo) -> Option<Self> {
        let plain = info.attributes.encryption.as_ref().is_none_or(|with| with.algorithm == EncryptionAlgorithm::Aes256);
        match info.checksum.as_ref().filter(|checksum| checksum.kind == ChecksumKind::FullObject) {
            Some(whole) => Some(Self::Checksum(Box::new(ChecksumHasher::new(whole.algorithm())), whole.checksum.clone())),
            None => info.etag.as_md5().filter(|_| plain).map(|md5| Self::Md5(Box::default(), md5)),
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        match self {
            Self::Checksum(hasher, _) => hasher.update(bytes),
            Self::Md5(hasher, _) => hasher.update(bytes),
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::Checksum(hasher, expected) => hasher.finish() == expected,
            Self::Md5(hasher, expected) => <[u8; 16]>::from(hasher.finalize()) == expected,
        }
    }
}

/// The frames of a source. The last one waits until all are proven to be of the object: a target that knows the length may publish as
/// soon as it has that.
fn proven(
    stream: ByteStream,
    proof: Option<Proof>,
    refuted: Arc<AtomicBool>,
) -> impl Stream<Item = std::result::Result<Bytes, PayloadError>> + Send {
    let failed = |error: StoreError| {
        tracing::warn!(%error, "reading the source of a copy failed");
        PayloadError::Source
    };
    futures_util::stream::try_unfold((stream, proof, None::<Bytes>), move |(mut stream, mut proof, mut held)| {
        let refuted = refuted.clone();
        async move {
            while let Some(frame) = stream.next().await.transpose().map_err(failed)? {
                let Some(watching) = &mut proof else { return Ok(Some((frame, (stream, proof, held)))) };
                watching.saw(&frame);
                if let Some(before) = held.replace(frame) {
                    return Ok(Some((before, (stream, proof, held))));
                }
            }
            if proof.take().is_some_and(|proof| !proof.holds()) {
                tracing::warn!("what was read of the source of a copy is not what its checksum or ETag says");
                refuted.store(true, Ordering::Release);
                return Err(PayloadError::Source);
            }
            Ok(held.take().map(|last| (last, (stream, None, None))))
        }
    })
}
