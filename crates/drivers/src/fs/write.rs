//! The steps of one PUT: write the body, attach the record, publish, index.
//!
//! Invariants: bytes get their name only after the payload was verified; publishing runs to its end in a task
//! of its own, even if the client disconnects, so the index always gets the change; the change of the index
//! is enqueued under the key's lock, so its order is that of publishing.

use super::{
    Inner, blocking,
    change::KeyChange,
    record::{self, Fingerprint, Record},
    staging::TempFile,
    volume::{PublishError, Volume},
};
use crate::{
    backend::locks::Guard,
    catalog::{IndexChange, IndexRow},
    model::{Attributes, ChecksumAlgorithm, ObjectKey, Timestamp},
    store::{
        PutRequest, Result, Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::{Digests, Payload, Verified},
        record::ObjectRecord,
    },
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustix::{fd::OwnedFd, io::Errno};
use std::{future::ready, io::IoSlice, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;

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

/// A file and its record, ready to be published.
pub(super) struct Draft {
    pub(super) temp: TempFile,
    /// Its time is that of publishing.
    pub(super) object: ObjectRecord,
}

impl Draft {
    pub(super) fn new(temp: TempFile, verified: &Verified, attributes: Attributes) -> Self {
        Self { temp, object: ObjectRecord::of_body(verified, attributes) }
    }
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
    let permit = inner.directory_change().await?;
    let (temp, file) = blocking(move || {
        let _permit = permit;
        let make = || {
            staging
                .temp_file()
                .and_then(|temp| temp.file()?.try_clone().map(|file| (temp, file)).map_err(|_| Errno::MFILE))
        };
        make().map_err(|e| StoreError::io("making a temporary file", e))
    })
    .await?;
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
            Self::Disk { temp, verified } => Ok(Draft::new(temp, &verified, attributes)),
            Self::Memory { batch, payload, mut digests } => {
                batch.iter().for_each(|frame| digests.update(frame));
                let verified = payload.verify(digests)?;
                let temp =
                    volume.staging.temp_file().map_err(|e| StoreError::io("making a temporary file", e))?;
                temp.file()
                    .and_then(|file| write_at(file, &batch, 0))
                    .map_err(|e| StoreError::io("writing a body", e))?;
                Ok(Draft::new(temp, &verified, attributes))
            }
        }
    }
}

impl Inner {
    async fn directory_change(&self) -> Result<OwnedSemaphorePermit> {
        self.directories.clone().acquire_owned().await.map_err(|_| StoreErrorKind::Internal.into())
    }
}

/// Publishes under the key's lock. `make` runs on a thread that may block, after the conditions were checked.
pub(super) async fn publish(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    conditions: WriteConditions,
    make: impl FnOnce(&Volume) -> Result<Draft> + Send + 'static,
) -> Result<Written> {
    let (inner, key) = (inner.clone(), key.clone());
    // The task is boxed: a task is moved several times before it ends, and this one contains a small body.
    let task = tokio::spawn(Box::pin(async move {
        let guard = inner.locks.lock(&key).await;
        publish_locked(&inner, &key, conditions, make, guard).await
    }));
    task.await.map_err(|e| StoreError::new(StoreErrorKind::Internal, "publishing failed").with_source(e))?
}

pub(super) async fn publish_locked(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    conditions: WriteConditions,
    make: impl FnOnce(&Volume) -> Result<Draft> + Send + 'static,
    guard: Guard<ObjectKey>,
) -> Result<Written> {
    let replace = !conditions.wants_absent();
    // Held until listings show the change.
    let change = KeyChange::begin(inner, key);
    let (volume, name, noted) = (inner.volume.clone(), key.clone(), change.clone());
    let permit = inner.directory_change().await?;
    let mut ready = blocking(move || {
        let _permit = permit;
        if !conditions.is_empty() {
            check(&volume, &name, &conditions)?;
        }
        let mut ready = Ready::new(&volume, make(&volume)?)?;
        noted.note()?;
        ready.publish(&volume, &name, replace)?;
        Ok(ready)
    })
    .await?;
    if !ready.published {
        let mut held = Vec::new();
        for ancestor in Volume::in_the_way(key) {
            held.push((inner.locks.lock(&ancestor).await, ancestor));
        }
        let (volume, name) = (inner.volume.clone(), key.clone());
        ready = blocking(move || {
            for (_guard, ancestor) in &held {
                volume
                    .make_way(ancestor)
                    .map_err(|e| StoreError::of_entry("making way for a directory", e))?;
            }
            ready.publish(&volume, &name, replace)?;
            if ready.published {
                Ok(ready)
            } else {
                Err(StoreError::of_entry("publishing an object", Errno::NOTDIR))
            }
        })
        .await?;
    }
    let written = ready.written();
    let commit = inner.catalog.index(inner.bucket, IndexChange::Put(ready.row(key)));
    drop(guard);
    commit.await?;
    drop(change);
    Ok(written)
}

/// Checks the conditions against the current object of the key, under its lock.
pub(super) fn check(volume: &Volume, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
    let found = volume.look_up(key)?;
    // A condition is never compared with a provisional ETag: the MD5 is computed here if it is missing.
    let info = match found {
        Some(found) => Some(super::recording::described(volume, found)?),
        None => None,
    };
    let current = info.as_ref().map(|info| Current {
        etag: &info.etag,
        size: info.size,
        last_modified: info.last_modified,
    });
    Ok(conditions.check(current)?)
}

/// A draft whose record is attached and whose bytes are synced as the durability setting demands.
struct Ready {
    temp: TempFile,
    record: Record,
    fingerprint: Fingerprint,
    published: bool,
}

impl Ready {
    fn new(volume: &Volume, draft: Draft) -> Result<Self> {
        let failed = |e: Errno| StoreError::io("recording an object", e);
        let file = draft.temp.file().map_err(failed)?;
        let fingerprint = Fingerprint::of(&rustix::fs::fstat(file).map_err(failed)?);
        let record = record::of(fingerprint, ObjectRecord { modified: Timestamp::now(), ..draft.object });
        volume.staging.records.write(file, fingerprint, &record, volume.staging.durable).map_err(failed)?;
        if volume.staging.durable {
            rustix::fs::fsync(file).map_err(failed)?;
        }
        Ok(Self { temp: draft.temp, record, fingerprint, published: false })
    }

    fn publish(&mut self, volume: &Volume, key: &ObjectKey, replace: bool) -> Result<()> {
        let records = &volume.staging.records;
        let replaced = if records.in_use() { volume.find(key).ok().flatten() } else { None };
        match volume.publish(&mut self.temp, key, replace) {
            Ok(()) => {
                self.published = true;
                if let Some(old) = replaced {
                    records.forget(old.fingerprint);
                }
            }
            Err(PublishError::Obstructed) => {}
            Err(PublishError::Exists) if !replace => return Err(StoreErrorKind::PreconditionFailed.into()),
            Err(PublishError::Exists) => return Err(StoreError::io("publishing an object", Errno::EXIST)),
            // The bucket's own directory is gone: the bucket is being deleted, or another program removed the
            // directory.
            Err(PublishError::Failed(Errno::NOENT)) => return Err(volume.root.removed()),
            Err(PublishError::Failed(error)) => {
                return Err(StoreError::of_entry("publishing an object", error));
            }
        }
        Ok(())
    }

    fn written(&self) -> Written {
        self.record.object.written()
    }

    fn row(&self, key: &ObjectKey) -> IndexRow {
        row(key, self.fingerprint, &self.record)
    }
}

/// Returns the index row of a file with a record.
pub(super) fn row(key: &ObjectKey, fingerprint: Fingerprint, record: &Record) -> IndexRow {
    IndexRow::of(key, &record.object, fingerprint.bytes())
}
