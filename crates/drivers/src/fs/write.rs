//! The body of a PUT on its way into a file. What follows is in `publication`.
//!
//! Invariant: a file becomes a draft only after its payload was verified.

use super::{
    Inner,
    publication::{Draft, publish},
    staging::TempFile,
    volume::Volume,
};
use crate::{
    model::{Attributes, ChecksumAlgorithm, ObjectKey},
    store::{
        PutRequest, Result, Written,
        condition::WriteConditions,
        error::StoreError,
        payload::{Digests, Payload, Verified},
        record::ObjectRecord,
    },
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustix::{fd::OwnedFd, io::Errno};
use std::{future::ready, io::IoSlice, sync::Arc};

/// The largest body that is collected in memory first, and then hashed, written and published by one call on
/// one thread.
const SMALL: usize = 64 * 1024;
/// Larger bodies are hashed and written in batches of this size while the next batch arrives.
pub(super) const BATCH: usize = 128 * 1024;
/// The checksum that S3 computes when a client names none.
const DEFAULT_CHECKSUM: Option<ChecksumAlgorithm> = Some(ChecksumAlgorithm::Crc64Nvme);

/// A body that was received. Each request has one and moves it twice: a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub(super) enum Staged {
    /// A small body, which is not written yet.
    Memory {
        batch: Vec<Bytes>,
        payload: Payload,
        digests: Digests,
    },
    Disk {
        temp: TempFile,
        verified: Verified,
    },
}

pub(super) async fn put(inner: &Arc<Inner>, key: &ObjectKey, request: PutRequest) -> Result<Written> {
    let mut staged = stage(inner, request.payload).await?;
    let conditions = staged.conditions(request.conditions);
    let attributes = request.attributes;
    publish(inner, key, conditions, move |volume| staged.draft(volume, attributes)).await
}

pub(super) async fn stage(inner: &Arc<Inner>, mut payload: Payload) -> Result<Staged> {
    let digests = payload.digests(DEFAULT_CHECKSUM);
    let batch = payload.read_some(SMALL + 1).await?.unwrap_or_default();
    if payload.has_ended() && batch.iter().map(Bytes::len).sum::<usize>() <= SMALL {
        return Ok(Staged::Memory { batch, payload, digests });
    }
    let staging = inner.volume.staging.clone();
    let make = move || {
        let temp = staging.temp_file()?;
        let file = temp.file()?.try_clone().map_err(|_| Errno::MFILE)?;
        Ok((temp, file))
    };
    let make = move || make().map_err(|e: Errno| StoreError::io("making a temporary file", e));
    let (temp, file) = inner.disk.run(make).await?;
    let verified = stream(Arc::new(file), 0, batch, payload, digests, ()).await?;
    Ok(Staged::Disk { temp, verified })
}

/// Writes a body to an offset of a file and hashes it batch by batch. `keep` lives until the last write has
/// ended, even if the caller is dropped.
pub(super) async fn stream<K: Clone + Send + 'static>(
    file: Arc<OwnedFd>,
    start: u64,
    first: Vec<Bytes>,
    mut payload: Payload,
    digests: Digests,
    keep: K,
) -> Result<Verified> {
    let mut at = start;
    let mut digested: BoxFuture<'static, Result<Digests>> = Box::pin(ready(Ok(digests)));
    let mut next = Some(first);
    while let Some(batch) = next {
        let before = digested.await?;
        let length: u64 = batch.iter().map(|frame| frame.len() as u64).sum();
        let (file, keep, offset) = (file.clone(), keep.clone(), at);
        digested = Box::pin(before.absorb_beside(batch, move |frames| {
            let _keep = keep;
            write_at(&file, frames, offset).map_err(|e| StoreError::io("writing a body", e))
        }));
        at += length;
        next = payload.read_some(BATCH).await?;
    }
    Ok(payload.verify(digested.await?)?)
}

pub(super) fn write_at(file: &OwnedFd, frames: &[Bytes], mut offset: u64) -> std::result::Result<(), Errno> {
    // The kernel accepts at most 1,024 slices per call.
    for frames in frames.chunks(512) {
        let mut slices: Vec<IoSlice<'_>> = frames.iter().map(|frame| IoSlice::new(frame)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match rustix::io::pwritev(file, left, offset) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

impl Staged {
    /// Returns the conditions that came with the end of the body, or else those that the write began with.
    fn conditions(&mut self, begun_with: WriteConditions) -> WriteConditions {
        match self {
            Self::Disk { verified, .. } => verified.conditions(begun_with),
            Self::Memory { payload, .. } => payload.conditions().unwrap_or(begun_with),
        }
    }

    /// Returns the file, written and verified. It writes a small body here, so it must run on a thread that
    /// may block.
    pub(super) fn draft(self, volume: &Volume, attributes: Attributes) -> Result<Draft> {
        match self {
            Self::Disk { temp, verified } => {
                Ok(Draft { temp, object: ObjectRecord::of_body(&verified, attributes) })
            }
            Self::Memory { batch, payload, mut digests } => {
                batch.iter().for_each(|frame| digests.update(frame));
                let verified = payload.verify(digests)?;
                let temp =
                    volume.staging.temp_file().map_err(|e| StoreError::io("making a temporary file", e))?;
                temp.file()
                    .and_then(|file| write_at(file, &batch, 0))
                    .map_err(|e| StoreError::io("writing a body", e))?;
                Ok(Draft { temp, object: ObjectRecord::of_body(&verified, attributes) })
            }
        }
    }
}
