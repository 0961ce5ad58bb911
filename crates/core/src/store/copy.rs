//! Copies between any two stores, by streaming through this process: the default where no driver has a native
//! copy.
//!
//! Invariant: a copy of a whole object is published only if its bytes have the checksum or the MD5 in the
//! source's record, where the record has one. A range has no such proof: there the source's store is
//! responsible for the bytes that it opened.

use super::{
    ByteStream, CopyPartRequest, CopyRequest, CopySource, GetReply, GetRequest, PartWritten, PutRequest,
    Result, Selection, Store, Written,
    condition::{ETagMatch, ReadConditions},
    error::{StoreError, StoreErrorKind},
    payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
};
use crate::model::{
    ByteRange, Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, EncryptionAlgorithm, ObjectInfo,
    ObjectKey, PartNumber, Span, UploadId,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
};

/// A bucket from which its driver can make native copies.
pub struct NativeSource<'s>(&'s dyn Any);

impl<'s> NativeSource<'s> {
    pub fn new(store: &'s impl Store) -> Self {
        Self(store)
    }

    pub fn of<S: Store>(self) -> Option<&'s S> {
        self.0.downcast_ref()
    }
}

/// The maximum number of attempts, where the source breaks off or its bytes differ from its record.
const ATTEMPTS: usize = 3;

pub async fn stream_object<S: Store + ?Sized>(
    target: &S,
    key: &ObjectKey,
    request: CopyRequest,
) -> Result<Written> {
    let keep = |info: &ObjectInfo| info.checksum.as_ref().map(|sum| sum.algorithm());
    let CopyRequest { source, attributes, conditions, checksum } = request;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Opened { mut info, payload, failure } =
            open(&source, None, |info| checksum.or(keep(info))).await?;
        if attributes.tags.is_none() && info.tag_count > info.attributes.tags.len() {
            let same = ReadConditions {
                if_match: Some(ETagMatch::OneOf(vec![info.etag.clone()])),
                ..Default::default()
            };
            info.attributes.tags = source.store.describe(source.address(), &same).await?.attributes.tags;
        }
        let attributes = attributes.apply(&info.attributes);
        match target.put(key, PutRequest { attributes, conditions: conditions.clone(), payload }).await {
            Err(error) => last = Some(failure.take().ok_or(error)?),
            written => return written,
        }
    }
    Err(unread(last))
}

pub async fn stream_part<S: Store + ?Sized>(
    target: &S,
    key: &ObjectKey,
    upload: &UploadId,
    number: PartNumber,
    request: CopyPartRequest,
) -> Result<PartWritten> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        // The upload decides which checksum its parts carry; the source does not.
        let Opened { payload, failure, .. } = open(&request.source, request.range, |_| None).await?;
        match target.put_part(key, upload, number, payload).await {
            Err(error) => last = Some(failure.take().ok_or(error)?),
            written => return written,
        }
    }
    Err(unread(last))
}

/// Returns the error of the source in the last attempt.
fn unread(last: Option<StoreError>) -> StoreError {
    let Some(last) = last else { return other_bytes() };
    let kind =
        if last.kind() == StoreErrorKind::Busy { StoreErrorKind::Busy } else { StoreErrorKind::Unavailable };
    StoreError::new(
        kind,
        "copying an object: its source could not be read to its end, each time that it was tried",
    )
    .with_source(last)
}

fn other_bytes() -> StoreError {
    let why = "its bytes are not those of its checksum or ETag; nothing was written. If trying again does not help, its storage holds \
               damaged bytes";
    StoreError::new(StoreErrorKind::Unavailable, why)
}

/// A copy range must lie inside its source. It is not clipped, unlike the range of a GET.
pub fn check_range(range: ByteRange, size: u64) -> Result<()> {
    match range {
        ByteRange::FromTo(_, last) if last < size => Ok(()),
        _ => Err(StoreError::new(
            StoreErrorKind::InvalidRange { size },
            "The specified copy range is not inside the source object",
        )),
    }
}

/// The source of a copy.
struct Opened {
    info: ObjectInfo,
    payload: Payload,
    failure: Failure,
}

/// The reason why the bytes of a source differ from `info`, or cannot all be read. The payload then fails and
/// never reaches its end.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<StoreError>>>);

impl Failure {
    fn note(&self, error: StoreError) -> PayloadError {
        tracing::warn!(%error, "reading the source of a copy failed");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        PayloadError::Source
    }

    fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn open(
    source: &CopySource,
    range: Option<ByteRange>,
    checksum: impl FnOnce(&ObjectInfo) -> Option<ChecksumAlgorithm>,
) -> Result<Opened> {
    let request = GetRequest {
        conditions: source.conditions.clone(),
        selection: range.map_or(Selection::Whole, Selection::Range),
    };
    let GetReply { info, span, body } =
        source.store.get(source.address(), request).await.map_err(|error| match error.kind() {
            StoreErrorKind::NotModified => StoreErrorKind::PreconditionFailed.into(),
            _ => error,
        })?;
    // The range is checked against the object that was opened: a GET clips its range, and an earlier check
    // may have seen another object.
    range.map_or(Ok(()), |range| check_range(range, info.size))?;
    let checksum = checksum(&info).map_or(AnnouncedChecksum::None, AnnouncedChecksum::Algorithm);
    let announced = Announced { length: Some(span.len()), checksum, ..Default::default() };
    let failure = Failure::default();
    let proof = Proof::of(&info).filter(|_| span == Span::whole(info.size));
    let frames = proven(body.into_stream(), proof, failure.clone());
    Ok(Opened { info, payload: Payload::from_stream(frames, announced), failure })
}

/// The digest that all bytes of an object must have.
enum Proof {
    Checksum(Box<ChecksumHasher>, Checksum),
    Md5(Box<Md5>, [u8; 16]),
}

impl Proof {
    /// Returns the proof that the object's record allows. Where a key service holds the keys, the ETag looks
    /// like an MD5 and is none.
    fn of(info: &ObjectInfo) -> Option<Self> {
        let plain = info
            .attributes
            .encryption
            .as_ref()
            .is_none_or(|with| with.algorithm == EncryptionAlgorithm::Aes256);
        match info.checksum.as_ref().filter(|checksum| checksum.kind == ChecksumKind::FullObject) {
            Some(whole) => {
                Some(Self::Checksum(Box::new(ChecksumHasher::new(whole.algorithm())), whole.checksum.clone()))
            }
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

/// Returns the frames of a source. The last one is held back until the proof holds: a target that knows the
/// length may publish as soon as it has the last byte.
fn proven(
    stream: ByteStream,
    proof: Option<Proof>,
    failure: Failure,
) -> impl Stream<Item = std::result::Result<Bytes, PayloadError>> + Send {
    futures_util::stream::try_unfold(
        (stream, proof, None::<Bytes>),
        move |(mut stream, mut proof, mut held)| {
            let failure = failure.clone();
            async move {
                while let Some(frame) =
                    stream.next().await.transpose().map_err(|error| failure.note(error))?
                {
                    let Some(watching) = &mut proof else { return Ok(Some((frame, (stream, proof, held)))) };
                    watching.saw(&frame);
                    if let Some(before) = held.replace(frame) {
                        return Ok(Some((before, (stream, proof, held))));
                    }
                }
                if proof.take().is_some_and(|proof| !proof.holds()) {
                    return Err(failure.note(other_bytes()));
                }
                Ok(held.take().map(|last| (last, (stream, None, None))))
            }
        },
    )
}
