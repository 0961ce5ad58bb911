//! Multipart uploads on local disk: parts are written to their offsets in the finished object, which `slots`
//! computes.
//!
//! Invariants: parts are recorded in the catalog after their bytes are as durable as the setting says;
//! conditions are checked before the staging file is touched, so a refused Complete leaves every part as it
//! was.

use super::{
    Inner, blocking,
    copying::copy_range,
    publication::{self, Draft},
    staging::Staging,
    volume::Volume,
    write,
};
use crate::{
    backend::{
        slots::{Location, Slots, base, moves},
        uploads::{left, staged_name},
    },
    catalog::{Catalog, CompletedUpload, PartRecord, UploadRecord},
    model::{ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, PartWritten, Result, Written,
        error::{StoreError, StoreErrorKind},
        multipart::{Assembled, MAX_OBJECT_SIZE, RecordedPart, assemble, part_algorithm},
        payload::Payload,
        record::ObjectRecord,
    },
};
use rustix::{
    fd::OwnedFd,
    fs::{FallocateFlags, SeekFrom},
    io::Errno,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The uploads of a bucket that are being written to. This state can be rebuilt from the catalog.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<UploadId, Arc<Upload>>>);

#[derive(Debug)]
struct Upload {
    record: UploadRecord,
    dir: String,
    slots: Mutex<Slots>,
    completing: tokio::sync::Mutex<()>,
}

/// A slot or file that is being written to. It is dropped with the last task that writes to it. The slot is
/// free again then, unless the part was kept.
struct Reservation {
    upload: Arc<Upload>,
    staging: Arc<Staging>,
    number: PartNumber,
    location: Location,
    kept: std::sync::atomic::AtomicBool,
}

impl Reservation {
    /// Returns the offset where the longest part that fits the slot ends.
    fn end(&self) -> u64 {
        match self.location {
            Location::Slot(unit) => self.location.offset(self.number) + unit,
            Location::Own(_) => 0,
        }
    }

    /// Must be called when the part was recorded: its slot stays occupied.
    fn keep(&self) {
        if let Location::Slot(unit) = self.location {
            self.upload.slots().filled(self.number, unit);
        }
        self.kept.store(true, std::sync::atomic::Ordering::Release);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept.load(std::sync::atomic::Ordering::Acquire) {
            // The bytes are removed before the slot is freed: afterwards it may belong to another part.
            self.upload.empty(&self.staging, self.number, &self.location);
            self.upload.free(&self.staging, self.number, &self.location);
        }
    }
}

impl Upload {
    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the disk space of a slot in which nothing was acknowledged. A file system that cannot do that
    /// frees the space at the end of the upload. No object is made of the file meanwhile, because the slot is
    /// occupied.
    fn empty(&self, staging: &Staging, number: PartNumber, location: &Location) {
        let Location::Slot(unit) = location else { return };
        let emptied = staging
            .uploads
            .sub(&self.dir)
            .and_then(|dir| dir.open_file_for_writing(&location.file()))
            .and_then(|file| {
                rustix::fs::fallocate(
                    &file,
                    FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                    location.offset(number),
                    *unit,
                )
            });
        match emptied {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                tracing::debug!(%error, "the space of a part that failed is kept until its upload ends")
            }
        }
    }

    fn free(&self, staging: &Staging, number: PartNumber, location: &Location) {
        match location {
            Location::Slot(unit) => {
                self.slots().free(number, *unit);
            }
            // Files that cannot be removed now are removed with the upload's directory.
            Location::Own(name) => {
                let _ = staging.uploads.remove_tree(&format!("{}/{name}", self.dir));
            }
        }
    }
}

pub(super) async fn begin(inner: &Inner, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random)
        .map_err(|e| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(e))?;
    let upload = UploadId::parse(&hex::encode(random)).ok_or(StoreErrorKind::Internal)?;
    let record = UploadRecord {
        bucket: inner.bucket,
        upload: upload.clone(),
        key: key.clone(),
        initiator: request.initiator,
        initiated: Timestamp::now(),
        attributes: request.attributes,
        checksum: request.checksum,
        explicit_checksum: request.explicit_checksum,
        location: String::new(),
    };
    inner.catalog.begin_upload(record).await?;
    Ok(upload)
}

/// Returns the upload's state, loaded from the catalog if this process does not know it yet.
async fn load(inner: &Inner, key: &ObjectKey, id: &UploadId) -> Result<Arc<Upload>> {
    let known = inner.uploads.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
    if let Some(upload) = known {
        return if upload.record.key == *key { Ok(upload) } else { Err(StoreErrorKind::NoSuchUpload.into()) };
    }
    let record = inner
        .catalog
        .upload(inner.bucket, id)
        .await?
        .filter(|record| record.key == *key)
        .ok_or(StoreErrorKind::NoSuchUpload)?;
    let slots = Slots::of(&inner.catalog.parts(inner.bucket, id, 0, usize::MAX).await?);
    let dir = directory(inner, id);
    let upload = Arc::new(Upload { record, dir, slots: Mutex::new(slots), completing: Default::default() });
    // Another task may have inserted a state first: its reservations are the ones that count.
    Ok(inner
        .uploads
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(id.clone())
        .or_insert(upload)
        .clone())
}

fn directory(inner: &Inner, id: &UploadId) -> String {
    staged_name(inner.bucket, id)
}

fn forget(inner: &Inner, id: &UploadId) {
    inner.uploads.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
}

pub(super) async fn put_part(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    id: &UploadId,
    number: PartNumber,
    mut payload: Payload,
) -> Result<PartWritten> {
    let upload = load(inner, key, id).await?;
    let algorithm = part_algorithm(
        upload.record.checksum,
        upload.record.explicit_checksum,
        payload.checksum_algorithm(),
    )?;
    let digests = payload.digests(Some(algorithm));
    let slot = upload.slots().take(number, payload.length(), MAX_OBJECT_SIZE);
    let staging = inner.volume.staging.clone();
    let (reservation, file) = blocking(move || reserve(upload, staging, number, slot)).await?;
    let offset = reservation.location.offset(number);
    let first = payload.read_some(write::BATCH).await?.unwrap_or_default();
    let verified = write::stream(
        Arc::new(file.try_clone().map_err(io)?),
        offset,
        first,
        payload,
        digests,
        reservation.clone(),
    )
    .await?;
    if inner.volume.staging.durable {
        blocking(move || rustix::fs::fdatasync(&file).map_err(io)).await?;
    }
    let part = PartRecord {
        number,
        size: verified.size(),
        md5: verified.md5(),
        checksum: verified.checksum().cloned(),
        last_modified: Timestamp::now(),
        location: reservation.location.file(),
    };
    let written = PartWritten {
        etag: verified.etag(),
        checksum: part.checksum.clone(),
        last_modified: part.last_modified,
    };
    // From here on the task runs to its end, even if the client disconnects: the catalog and the reservation
    // must agree.
    let (inner, id) = (inner.clone(), id.clone());
    let task = tokio::spawn(async move {
        let replaced = inner.catalog.put_part(inner.bucket, &id, part).await?;
        reservation.keep();
        if let Some(old) =
            replaced.and_then(|old| Location::parse(&old.location)).filter(|old| *old != reservation.location)
        {
            blocking(move || {
                reservation.upload.free(&reservation.staging, number, &old);
                Ok(())
            })
            .await?;
        }
        Ok(written)
    });
    task.await
        .map_err(|e| StoreError::new(StoreErrorKind::Internal, "recording a part failed").with_source(e))?
}

fn reserve(
    upload: Arc<Upload>,
    staging: Arc<Staging>,
    number: PartNumber,
    slot: Option<Location>,
) -> Result<(Arc<Reservation>, OwnedFd)> {
    let hold = |location| Reservation {
        upload: upload.clone(),
        staging: staging.clone(),
        number,
        location,
        kept: false.into(),
    };
    // The slot is reserved before the file is opened, so that a failure frees it.
    let slot = slot.map(hold);
    let open = || {
        staging.uploads.make_dirs(&upload.dir, staging.durable)?;
        let dir = staging.uploads.sub(&upload.dir)?;
        let in_slot = match slot {
            Some(reservation) => {
                let file = dir.open_or_create(&reservation.location.file())?;
                holds(&file, reservation.end()).then_some((reservation, file))
            }
            None => None,
        };
        let opened = match in_slot {
            Some(opened) => opened,
            None => {
                let mut nth = 0;
                loop {
                    let name = format!("p{number}.{nth}", number = number.get());
                    match dir.create_new(&name) {
                        Ok(file) => break (hold(Location::Own(name)), file),
                        Err(Errno::EXIST) => nth += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        if staging.durable {
            rustix::fs::fsync(dir.fd())?;
        }
        Ok((Arc::new(opened.0), opened.1))
    };
    open().map_err(|e| StoreError::io("staging a part", e))
}

/// Returns whether the file system supports a file of this size: ext4 ends at 16 TiB. It is checked before a
/// part is received.
fn holds(file: &OwnedFd, size: u64) -> bool {
    rustix::fs::seek(file, SeekFrom::Start(size)).is_ok()
}

/// Completes an upload in a task of its own. Once begun, the task runs to its end, even if the client
/// disconnects.
pub(super) async fn complete(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    id: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let (inner, key, id) = (inner.clone(), key.clone(), id.clone());
    let task = tokio::spawn(async move { complete_to_the_end(&inner, &key, &id, request).await });
    task.await.map_err(|e| StoreError::new(StoreErrorKind::Internal, "completing failed").with_source(e))?
}

async fn complete_to_the_end(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    id: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let upload = match load(inner, key, id).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => return replay(inner, key, id).await,
        other => other?,
    };
    let _completing = upload.completing.lock().await;
    if inner.catalog.upload(inner.bucket, id).await?.is_none() {
        return replay(inner, key, id).await;
    }
    if let Some(written) = published_before_a_crash(inner, key, id).await? {
        return finish(inner, key, id, written).await;
    }
    // Keeps further parts out of the slots until the object is published.
    let _sealed = Sealed::new(upload.clone());
    let recorded = inner.catalog.parts(inner.bucket, id, 0, usize::MAX).await?;
    let known: Vec<RecordedPart> = recorded
        .iter()
        .map(|part| RecordedPart {
            number: part.number,
            size: part.size,
            md5: part.md5,
            checksum: part.checksum.clone(),
        })
        .collect();
    let assembled = assemble(upload.record.checksum, upload.record.explicit_checksum, &request, &known)?;
    let building = Building { upload: upload.clone(), id: id.clone(), recorded, assembled };
    let written =
        publication::publish(inner, key, request.conditions, move |volume| building.build(volume)).await?;
    finish(inner, key, id, written).await
}

async fn finish(inner: &Inner, key: &ObjectKey, id: &UploadId, written: Written) -> Result<Written> {
    let completed = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
    inner.catalog.finish_upload(inner.bucket, id, completed).await?;
    discard(inner, id).await?;
    Ok(written)
}

/// Returns the result of an earlier Complete of the same upload that succeeded.
async fn replay(inner: &Inner, key: &ObjectKey, id: &UploadId) -> Result<Written> {
    let completed =
        inner.catalog.completed_upload(inner.bucket, id).await?.filter(|completed| completed.key == *key);
    Ok(completed.ok_or(StoreErrorKind::NoSuchUpload)?.written)
}

/// Looks for the object of an upload whose Complete was published but not recorded before the process was
/// killed. The record of the object names the upload.
async fn published_before_a_crash(inner: &Inner, key: &ObjectKey, id: &UploadId) -> Result<Option<Written>> {
    let (volume, key, id) = (inner.volume.clone(), key.clone(), id.clone());
    blocking(move || {
        let found = volume.find(&key).map_err(|e| StoreError::of_entry("looking for an object", e))?;
        let object = found.and_then(|found| found.record).map(|record| record.object);
        Ok(object.filter(|object| object.upload.as_ref() == Some(&id)).map(|object| object.written()))
    })
    .await
}

pub(super) async fn abort(inner: &Inner, key: &ObjectKey, id: &UploadId) -> Result<()> {
    let upload = load(inner, key, id).await?;
    let _completing = upload.completing.lock().await;
    let aborted = inner.catalog.abort_upload(inner.bucket, id).await?;
    discard(inner, id).await?;
    if aborted { Ok(()) } else { Err(StoreErrorKind::NoSuchUpload.into()) }
}

/// Removes the staged files of an upload that has ended.
async fn discard(inner: &Inner, id: &UploadId) -> Result<()> {
    forget(inner, id);
    remove_staged(&inner.volume.staging, directory(inner, id)).await
}

/// Removes the staged files of uploads that the catalog does not know: uploads that ended in a crash, and
/// those of buckets that are gone.
pub(super) async fn sweep(staging: Arc<Staging>, catalog: &dyn Catalog) -> Result<()> {
    let listed = staging.clone();
    let names = blocking(move || {
        let names = super::root::entries(listed.uploads.fd()).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.0.to_string_lossy().into_owned()))
                .collect::<std::result::Result<Vec<_>, Errno>>()
        });
        names.map_err(|e| StoreError::io("listing staged uploads", e))
    });
    for name in names.await? {
        if left(catalog, &name).await?.is_some() {
            remove_staged(&staging, name).await?;
        }
    }
    Ok(())
}

async fn remove_staged(staging: &Arc<Staging>, name: String) -> Result<()> {
    let staging = staging.clone();
    blocking(move || {
        staging.uploads.remove_tree(&name).map_err(|e| StoreError::io("removing staged parts", e))
    })
    .await
}

/// While this value lives, new parts of the upload are written to files of their own instead of slots.
struct Sealed(Arc<Upload>);

impl Sealed {
    fn new(upload: Arc<Upload>) -> Self {
        upload.slots().seal();
        Self(upload)
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.0.slots().unseal();
    }
}

/// The data for making the object, on a thread that may block.
struct Building {
    upload: Arc<Upload>,
    id: UploadId,
    recorded: Vec<PartRecord>,
    assembled: Assembled,
}

impl Building {
    fn build(self, volume: &Volume) -> Result<Draft> {
        let staging = &volume.staging;
        let moves = moves(&self.assembled.parts, &self.recorded)?;
        let gone = |error: Errno| match error {
            // A process that was then killed has published the object, and it was overwritten since.
            Errno::NOENT => StoreErrorKind::NoSuchUpload.into(),
            error => StoreError::io("assembling an object", error),
        };
        let dir = staging.uploads.sub(&self.upload.dir).map_err(gone)?;
        // A slot that is still being written to keeps its file from becoming the object: late bytes would
        // change it.
        let in_place = base(&moves).filter(|base| !self.upload.slots().are_written_to(base));
        let temp = match &in_place {
            Some(base) => {
                let name = base.file();
                let file = dir.open_file_for_writing(&name).map_err(gone)?;
                staging.adopt(dir.open_dir("").map_err(gone)?, &name, file)
            }
            None => staging.temp_file().map_err(gone)?,
        };
        let target = temp.file().map_err(gone)?;
        for part in moves.iter().filter(|part| in_place.as_ref() != Some(&part.location)) {
            let source = dir.open_file(&part.location.file()).map_err(gone)?;
            copy_range(&source, part.from, target, part.to, part.size).map_err(gone)?;
        }
        rustix::fs::ftruncate(target, self.assembled.size).map_err(gone)?;
        let attributes = self.upload.record.attributes.clone();
        Ok(Draft { temp, object: ObjectRecord::of_upload(self.assembled, attributes, self.id) })
    }
}

fn io(error: impl Into<std::io::Error>) -> StoreError {
    StoreError::io("staging a part", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_can_be_written_into_it() {
        let file = OwnedFd::from(tempfile::tempfile().expect("a file"));
        for size in [1, 8 << 40, 17 << 40, MAX_OBJECT_SIZE] {
            let is_written = rustix::io::pwrite(&file, b"x", size - 1).is_ok();
            assert_eq!(holds(&file, size), is_written, "{size}");
        }
    }
}
