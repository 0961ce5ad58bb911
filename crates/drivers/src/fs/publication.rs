//! Publishing: a written file gets the name of its key, and the index gets its row.
//!
//! One job on a thread of the disk does all of it, unless another write holds the key's lock, or a file is
//! where the key needs a directory.
//!
//! Invariants:
//! - bytes get their name only after the payload was verified, and only under the key's lock;
//! - once the name was given, nothing keeps the index from getting the change, even if the client
//!   disconnects; it is enqueued under the lock, so that the order of rows is that of publishing;
//! - success is returned only after name and bytes are on disk, as the durability setting demands;
//! - the lock is held only while names change, if there are no conditions: writes of one key wait neither for
//!   each other's bytes nor for each other's syncs.

use super::{
    Inner,
    change::KeyChange,
    deferred,
    record::{self, Fingerprint, Record},
    staging::TempFile,
    volume::{PublishError, Volume},
};
use crate::{
    backend::locks::Guard,
    catalog::IndexRow,
    model::{ObjectKey, Timestamp},
    store::{
        Result, Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use rustix::{fd::OwnedFd, io::Errno};
use std::sync::Arc;

/// A file and its record, ready to be published.
pub(super) struct Draft {
    pub(super) temp: TempFile,
    /// Its time becomes that of its record.
    pub(super) object: ObjectRecord,
}

/// A write that is to be published.
struct Publication<M> {
    key: ObjectKey,
    conditions: WriteConditions,
    content: Content<M>,
}

/// It is moved twice: a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
enum Content<M> {
    Unwritten(M),
    Ready(Ready),
}

/// Like `Content`, it is moved and not kept.
#[allow(clippy::large_enum_variant)]
enum Step<M> {
    Published(Written),
    /// Another write holds the key's lock.
    Waiting(Publication<M>),
    /// A file is where the key needs a directory.
    Obstructed(Publication<M>, Guard<ObjectKey>),
}

/// Publishes what `make` writes. `make` runs on a thread that may block, after the conditions were checked.
pub(super) async fn publish<M>(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    conditions: WriteConditions,
    make: M,
) -> Result<Written>
where
    M: FnOnce(&Volume) -> Result<Draft> + Send + 'static,
{
    deferred::bring(inner).await?;
    let publication = Publication { key: key.clone(), conditions, content: Content::Unwritten(make) };
    let on = inner.clone();
    match inner.disk.run(move || publication.advance(&on, None)).await? {
        Step::Published(written) => Ok(written),
        step => {
            // A task of its own runs to its end, even if the client disconnects.
            let task = tokio::spawn(finish(inner.clone(), step));
            let failed = |e| StoreError::new(StoreErrorKind::Internal, "publishing failed").with_source(e);
            task.await.map_err(failed)?
        }
    }
}

async fn finish<M>(inner: Arc<Inner>, mut step: Step<M>) -> Result<Written>
where
    M: FnOnce(&Volume) -> Result<Draft> + Send + 'static,
{
    loop {
        let on = inner.clone();
        step = match step {
            Step::Published(written) => return Ok(written),
            Step::Waiting(publication) => {
                let guard = inner.locks.lock(&publication.key).await;
                inner.disk.run(move || publication.advance(&on, Some(guard))).await?
            }
            Step::Obstructed(publication, guard) => {
                let mut held = Vec::new();
                for ancestor in Volume::in_the_way(&publication.key) {
                    held.push((inner.locks.lock(&ancestor).await, ancestor));
                }
                let job = move || {
                    for (_guard, ancestor) in &held {
                        let failed = |e| StoreError::of_entry("making way for a directory", e);
                        on.volume.make_way(ancestor).map_err(failed)?;
                    }
                    match publication.advance(&on, Some(guard))? {
                        Step::Obstructed(..) => {
                            Err(StoreError::of_entry("publishing an object", Errno::NOTDIR))
                        }
                        step => Ok(step),
                    }
                };
                inner.disk.run(job).await?
            }
        };
    }
}

impl<M: FnOnce(&Volume) -> Result<Draft>> Publication<M> {
    /// Does what can be done on this thread, which may block.
    fn advance(self, inner: &Arc<Inner>, held: Option<Guard<ObjectKey>>) -> Result<Step<M>> {
        let (volume, Self { key, conditions, mut content }) = (&*inner.volume, self);
        if conditions.is_empty() {
            content = Content::Ready(content.write(volume)?);
        }
        let Some(guard) = held.or_else(|| inner.locks.try_lock(&key)) else {
            return Ok(Step::Waiting(Self { key, conditions, content }));
        };
        if matches!(content, Content::Unwritten(_)) {
            check(volume, &key, &conditions)?;
        }
        let mut ready = content.write(volume)?;
        let change = KeyChange::begin(inner, &key);
        change.note()?;
        let Some(dir) = ready.publish(volume, &key, !conditions.wants_absent())? else {
            let content = Content::Ready(ready);
            return Ok(Step::Obstructed(Self { key, conditions, content }, guard));
        };
        deferred::index(inner, change, ready.row(&key));
        drop(guard);
        volume.sync(&dir).map_err(|e| StoreError::io("syncing a directory", e))?;
        Ok(Step::Published(ready.record.object.written()))
    }
}

impl<M: FnOnce(&Volume) -> Result<Draft>> Content<M> {
    fn write(self, volume: &Volume) -> Result<Ready> {
        match self {
            Self::Unwritten(make) => Ready::new(volume, make(volume)?),
            Self::Ready(ready) => Ok(ready),
        }
    }
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
        Ok(Self { temp: draft.temp, record, fingerprint })
    }

    /// Returns the directory of the name, which is not synced yet. `None`: a file is where the key needs a
    /// directory.
    fn publish(&mut self, volume: &Volume, key: &ObjectKey, replace: bool) -> Result<Option<OwnedFd>> {
        let records = &volume.staging.records;
        let replaced = if records.in_use() { volume.find(key).ok().flatten() } else { None };
        match volume.publish(&mut self.temp, key, replace) {
            Ok(dir) => {
                if let Some(old) = replaced {
                    records.forget(old.fingerprint);
                }
                Ok(Some(dir))
            }
            Err(PublishError::Obstructed) => Ok(None),
            Err(PublishError::Exists) if !replace => Err(StoreErrorKind::PreconditionFailed.into()),
            Err(PublishError::Exists) => Err(StoreError::io("publishing an object", Errno::EXIST)),
            // The bucket's own directory is gone: the bucket is being deleted, or another program removed the
            // directory.
            Err(PublishError::Failed(Errno::NOENT)) => Err(volume.root.removed()),
            Err(PublishError::Failed(error)) => Err(StoreError::of_entry("publishing an object", error)),
        }
    }

    fn row(&self, key: &ObjectKey) -> IndexRow {
        record::row(key, self.fingerprint, &self.record)
    }
}
