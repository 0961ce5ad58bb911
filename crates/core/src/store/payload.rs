//! A request body on its way into a store, and the proof that it arrived whole.
//!
//! The edge builds a [`Payload`] from the wire: framing decoded, chunk signatures checked, announced digests
//! attached. A store reads it in batches, runs every batch through [`Digests`] (beside the write to disk,
//! because hashing is the most expensive part of a PUT), and trades both for a [`Verified`].
//!
//! Invariants:
//! - `Verified` has no other constructor, and only a driver whose storage makes ETags relies on `Arrived`:
//!   nothing is published before the end of the stream was seen, its length was compared with the declared
//!   one and every announced digest with the bytes that were read;
//! - a `Payload` holds no more than the batch being gathered.

pub use super::{
    announced::{Announced, AnnouncedChecksum},
    digests::Digests,
    payload_error::PayloadError,
};
use super::{condition::WriteConditions, memory::Memory};
use crate::{
    digest::Md5,
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher, ETag},
};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// How many bytes of a document are read at once.
const PIECE: usize = 16 * 1024;

/// Decoded object bytes as they arrive.
pub trait BodySource: Send {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>>;

    /// Returns the checksum that followed the body. It is called once the stream has ended.
    fn trailing_checksum(&self) -> Option<Checksum> {
        None
    }

    /// Returns the result for the whole body, where its sender has verified it. It is called once the stream
    /// has ended, and only on the source of a [`Payload::foretold`].
    fn foretold(&self) -> Option<Arrived> {
        None
    }
}

pub struct Payload {
    /// The mutex is never locked. It only makes the payload `Sync`, so that a request may be borrowed across
    /// an await.
    source: Mutex<Pin<Box<dyn BodySource>>>,
    announced: Announced,
    foretold: bool,
    read: u64,
    ended: bool,
    memory: Option<Arc<Memory>>,
}

impl Payload {
    pub fn new(source: impl BodySource + 'static, announced: Announced) -> Self {
        Self {
            source: Mutex::new(Box::pin(source)),
            announced,
            foretold: false,
            read: 0,
            ended: false,
            memory: None,
        }
    }

    /// Creates a body that its source verifies: the source returns the result at its end. It is for several
    /// bodies with the same bytes, which are digested once. `announced` says which checksum that result has.
    pub fn foretold(source: impl BodySource + 'static, announced: Announced) -> Self {
        Self { foretold: true, ..Self::new(source, announced) }
    }

    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = Some(bytes.len() as u64);
        let frames = futures_util::stream::iter([Ok(bytes)]);
        Self::from_stream(frames, Announced { length, ..Default::default() })
    }

    pub fn from_stream(
        stream: impl Stream<Item = Result<Bytes, PayloadError>> + Send + 'static,
        announced: Announced,
    ) -> Self {
        struct Frames<S>(Pin<Box<S>>);
        impl<S: Stream<Item = Result<Bytes, PayloadError>> + Send> BodySource for Frames<S> {
            fn poll_frame(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Result<Bytes, PayloadError>>> {
                self.0.as_mut().poll_next(cx)
            }
        }
        Self::new(Frames(Box::pin(stream)), announced)
    }

    /// Returns the same body with `wrap` around its source. The announced digests stay. It must be called
    /// before anything was read.
    pub fn through<W: BodySource + 'static>(self, wrap: impl FnOnce(Pin<Box<dyn BodySource>>) -> W) -> Self {
        let source = self.source.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self { source: Mutex::new(Box::pin(wrap(source))), ..self }
    }

    /// Returns the same body. Its bytes are counted in `memory` until their last owner drops them.
    pub fn within(self, memory: Arc<Memory>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Returns whether the end of the body was read.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns the memory in which the bytes are counted.
    pub fn memory(&self) -> Option<&Arc<Memory>> {
        self.memory.as_ref()
    }

    /// Reads the whole body into memory, and returns a body that no longer needs its sender. It must be
    /// called before anything was read.
    pub async fn held(mut self) -> Result<Self, PayloadError> {
        struct Held {
            frames: std::vec::IntoIter<Bytes>,
            trailer: Option<Checksum>,
            arrived: Option<Arrived>,
        }
        impl BodySource for Held {
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Bytes, PayloadError>>> {
                Poll::Ready(self.frames.next().map(Ok))
            }

            fn trailing_checksum(&self) -> Option<Checksum> {
                self.trailer.clone()
            }

            fn foretold(&self) -> Option<Arrived> {
                self.arrived.clone()
            }
        }
        let frames = self.read(usize::MAX).await?.unwrap_or_default().into_iter();
        let held = |source: Pin<Box<dyn BodySource>>| Held {
            frames,
            trailer: source.trailing_checksum(),
            arrived: source.foretold(),
        };
        Ok(Self { read: 0, ended: false, ..self }.through(held))
    }

    /// Returns the declared length. A store may use it to place a part, but must not trust it: `verify`
    /// compares it.
    pub fn length(&self) -> Option<u64> {
        self.announced.length
    }

    /// Returns the checksum algorithm that the client chose.
    pub fn checksum_algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.announced.checksum.algorithm()
    }

    pub fn announced_checksum(&self) -> &AnnouncedChecksum {
        &self.announced.checksum
    }

    /// Returns the digests that this body needs: MD5 for the ETag, the announced ones, and `default` if no
    /// checksum was announced.
    pub fn digests(&self, default: Option<ChecksumAlgorithm>) -> Digests {
        Digests { md5: (!self.foretold).then(Md5::new), ..self.digests_sent(default) }
    }

    /// Like `digests`, for storage that makes the ETag itself: MD5, the most expensive digest, is computed
    /// only if it was announced.
    pub fn digests_sent(&self, default: Option<ChecksumAlgorithm>) -> Digests {
        if self.foretold {
            return Digests::none();
        }
        Digests {
            md5: self.announced.md5.map(|_| Md5::new()),
            sha256: self.announced.sha256.map(|_| ChecksumHasher::new(ChecksumAlgorithm::Sha256)),
            checksum: self.announced.checksum.algorithm().or(default).map(ChecksumHasher::new),
            size: 0,
        }
    }

    /// Returns frames of at least `enough` bytes together. Only the last batch may be smaller. After the end
    /// of the body it always returns `None`.
    pub async fn read(&mut self, enough: usize) -> Result<Option<Vec<Bytes>>, PayloadError> {
        let mut batch = Vec::new();
        let mut gathered = 0;
        while gathered < enough && !self.ended {
            if let Some(frame) = self.frame().await? {
                gathered += frame.len();
                batch.push(frame);
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Like `read`, for callers that can use fewer bytes. It waits while memory is full, and returns what it
    /// has read when memory becomes full. A task that holds bytes therefore never waits for a client that
    /// sends more.
    pub async fn read_some(&mut self, enough: usize) -> Result<Option<Vec<Bytes>>, PayloadError> {
        let Some(memory) = self.memory.clone() else { return self.read(enough).await };
        let mut batch = Vec::new();
        let mut gathered = 0;
        while gathered < enough && !self.ended {
            let frame = if batch.is_empty() {
                memory.room().await;
                self.frame().await?
            } else {
                tokio::select! {
                    biased;
                    frame = self.frame() => frame?,
                    () = memory.full() => break,
                }
            };
            if let Some(frame) = frame {
                gathered += frame.len();
                batch.push(frame);
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Returns the next frame. `None`: the frame is empty, or the body has ended. Dropping the future loses
    /// nothing.
    async fn frame(&mut self) -> Result<Option<Bytes>, PayloadError> {
        let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(frame) = std::future::poll_fn(|cx| source.as_mut().poll_frame(cx)).await else {
            self.ended = true;
            return Ok(None);
        };
        let frame = frame?;
        self.read += frame.len() as u64;
        if self.announced.length.is_some_and(|length| self.read > length) {
            return Err(PayloadError::Incomplete);
        }
        if frame.is_empty() {
            return Ok(None);
        }
        Ok(Some(match &self.memory {
            Some(memory) => memory.pin(frame),
            None => frame,
        }))
    }

    /// Returns the conditions that came with the end of the body, once that was read. See
    /// [`Verified::conditions`].
    pub fn conditions(&mut self) -> Option<WriteConditions> {
        let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.foretold && self.ended { source.foretold()?.conditions } else { None }
    }

    /// Returns the proof that the body has everything that was announced. `digests` must have seen every byte
    /// that `read` returned.
    pub fn verify(self, digests: Digests) -> Result<Verified, PayloadError> {
        let Arrived { size, md5, checksum, conditions } = self.check(digests)?;
        Ok(Verified { size, md5: md5.ok_or(PayloadError::Incomplete)?, checksum, conditions })
    }

    /// Like `verify`, but also for a body without a digest for an ETag.
    pub fn check(self, digests: Digests) -> Result<Arrived, PayloadError> {
        if !self.ended
            || digests.size != self.read
            || self.announced.length.is_some_and(|length| length != self.read)
        {
            return Err(PayloadError::Incomplete);
        }
        if self.foretold {
            let source = self.source.into_inner().unwrap_or_else(PoisonError::into_inner);
            return source
                .foretold()
                .filter(|arrived| arrived.size == self.read)
                .ok_or(PayloadError::Incomplete);
        }
        let md5: Option<[u8; 16]> = digests.md5.map(Md5::finish);
        if let (Some(announced), Some(hasher)) = (self.announced.sha256, digests.sha256) {
            let computed = hasher.finish().bytes().try_into().map_err(|_| PayloadError::Incomplete)?;
            if announced != computed {
                return Err(PayloadError::Sha256Mismatch { announced, computed });
            }
        }
        if let Some(announced) = self.announced.md5 {
            let computed = md5.ok_or(PayloadError::Incomplete)?;
            if announced != computed {
                return Err(PayloadError::Md5Mismatch { announced, computed });
            }
        }
        let checksum = digests.checksum.map(ChecksumHasher::finish);
        let announced = match self.announced.checksum {
            AnnouncedChecksum::None | AnnouncedChecksum::Algorithm(_) => None,
            AnnouncedChecksum::Header(announced) => Some(announced),
            AnnouncedChecksum::Trailer(_) => Some(
                self.source
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner)
                    .trailing_checksum()
                    .ok_or(PayloadError::Trailer("the announced checksum did not come"))?,
            ),
        };
        if let Some(announced) = announced
            && checksum.as_ref() != Some(&announced)
        {
            return Err(PayloadError::ChecksumMismatch(announced.algorithm()));
        }
        Ok(Arrived { size: self.read, md5, checksum, conditions: None })
    }

    /// Reads the whole body into memory, and verifies it. It is for XML, which has a limit.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, PayloadError> {
        if self.announced.length.is_some_and(|length| length > limit as u64) {
            return Err(PayloadError::TooLarge(limit));
        }
        let mut digests = self.digests(None);
        let mut all = Vec::new();
        let memory = self.memory.clone();
        let mut held = memory.map(|memory| memory.hold(0));
        while let Some(batch) = self.read(PIECE).await? {
            for frame in batch {
                if all.len() + frame.len() > limit {
                    return Err(PayloadError::TooLarge(limit));
                }
                if held.as_mut().is_some_and(|held| !held.try_grow(frame.len())) {
                    return Err(PayloadError::NoMemory);
                }
                digests.update(&frame);
                all.extend_from_slice(&frame);
            }
        }
        self.verify(digests)?;
        Ok(all.into())
    }

    /// Passes the body to `take` piece by piece, so that a document can be read without being held. The body
    /// is verified at the end: the pieces count only if this succeeds.
    pub async fn pieces<E: From<PayloadError>>(
        mut self,
        limit: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        if self.announced.length.is_some_and(|length| length > limit as u64) {
            return Err(PayloadError::TooLarge(limit).into());
        }
        let mut digests = self.digests(None);
        while let Some(batch) = self.read(PIECE).await? {
            for frame in batch {
                if self.read > limit as u64 {
                    return Err(PayloadError::TooLarge(limit).into());
                }
                digests.update(&frame);
                take(&frame)?;
            }
        }
        Ok(self.verify(digests)?.size())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("announced", &self.announced)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

/// A body that arrived whole and as announced. It has the digests that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub size: u64,
    pub md5: Option<[u8; 16]>,
    pub checksum: Option<Checksum>,
    /// Conditions of the write that became known only at the end of its body. Where the storage can still
    /// check them, they replace those that the write began with: see
    /// [`Capabilities::late_conditions`](super::Capabilities).
    pub conditions: Option<WriteConditions>,
}

/// A body that arrived whole and as announced, with the MD5 for its ETag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    size: u64,
    md5: [u8; 16],
    checksum: Option<Checksum>,
    conditions: Option<WriteConditions>,
}

impl From<Verified> for Arrived {
    fn from(Verified { size, md5, checksum, conditions }: Verified) -> Self {
        Self { size, md5: Some(md5), checksum, conditions }
    }
}

impl Verified {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }

    pub fn etag(&self) -> ETag {
        ETag::from_md5(self.md5)
    }

    pub fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }

    /// Returns the conditions that count when this body is published: those that came with its end, or else
    /// those that the write began with.
    pub fn conditions(&self, begun_with: WriteConditions) -> WriteConditions {
        self.conditions.clone().unwrap_or(begun_with)
    }
}

#[cfg(test)]
mod tests;
