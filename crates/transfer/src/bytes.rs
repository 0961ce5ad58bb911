//! The bytes of one object, read to compare them: with those of another object, or with a digest.
//!
//! Invariant: what is read is the object with the ETag that was named, or nothing.

use crate::{
    context::only,
    end::End,
    listing::Entry,
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher},
    pace::Pace,
    store::{ByteStream, GetRequest, error::StoreError},
};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;

/// Reads both objects, up to the first difference.
pub(crate) async fn same_bytes(
    pace: &Pace,
    (left_end, left): (&End, &Entry),
    (right_end, right): (&End, &Entry),
) -> Result<bool, StoreError> {
    let (left, right) = futures_util::try_join!(open(left_end, left), open(right_end, right))?;
    let (mut left, mut right) = (left, right);
    loop {
        futures_util::try_join!(left.fill(), right.fill())?;
        let length = left.first.len().min(right.first.len());
        if length == 0 {
            return Ok(left.first.is_empty() && right.first.is_empty());
        }
        if left.first[..length] != right.first[..length] {
            return Ok(false);
        }
        left.first.advance(length);
        right.first.advance(length);
        pace.pass(2 * length).await;
    }
}

/// Reads an object, and returns the digest of its bytes.
pub(crate) async fn digest(
    pace: &Pace,
    (end, entry): (&End, &Entry),
    algorithm: ChecksumAlgorithm,
) -> Result<Checksum, StoreError> {
    let mut pieces = open(end, entry).await?;
    let mut hasher = ChecksumHasher::new(algorithm);
    loop {
        pieces.fill().await?;
        if pieces.first.is_empty() {
            return Ok(hasher.finish());
        }
        let bytes = std::mem::take(&mut pieces.first);
        hasher.update(&bytes);
        pace.pass(bytes.len()).await;
    }
}

async fn open(end: &End, entry: &Entry) -> Result<Pieces, StoreError> {
    let request = GetRequest { conditions: only(&entry.object.etag), ..Default::default() };
    let reply = end.store.get(entry.object.key.current(), request).await?;
    Ok(Pieces { stream: reply.body.into_stream(), first: Bytes::new() })
}

/// A body, with the bytes that were read and not used yet.
struct Pieces {
    stream: ByteStream,
    first: Bytes,
}

impl Pieces {
    /// Reads until there are bytes, or the body has ended.
    async fn fill(&mut self) -> Result<(), StoreError> {
        while self.first.is_empty() {
            match self.stream.next().await {
                Some(piece) => self.first = piece?,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
