//! Parts of uploads: received or copied into their slots, and recorded.
//!
//! Invariants: a part is recorded in the catalog after its bytes are as durable as the setting says; a slot whose
//! part was not recorded is emptied before it is free again.

use super::{
    Inner, blocking,
    copying::copy_range,
    multipart::{Upload, load},
    staging::Staging,
    volume::Found,
    write,
};
use crate::{
    backend::slots::Location,
    catalog::PartRecord,
    model::{ByteRange, Checksum, ETag, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        CopyPartRequest, PartWritten, Result,
        error::{StoreError, StoreErrorKind},
        multipart::{MAX_OBJECT_SIZE, part_algorithm},
        payload::Payload,
    },
};
use rustix::{
    fd::OwnedFd,
    fs::{FallocateFlags, SeekFrom},
    io::Errno,
};
use std::sync::Arc;

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

pub(super) async fn put(
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
    record(inner, id, reservation, part).await
}

/// The digests of an object that becomes a part as a whole: nothing of it has to be read.
struct Whole {
    file: OwnedFd,
    size: u64,
    md5: [u8; 16],
    checksum: Checksum,
}

/// Copies an object of another bucket, or of this one, into a part, within the kernel. `None`: the digests of the
/// part are not known from the object, so its bytes have to be read.
pub(super) async fn copy(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    id: &UploadId,
    number: PartNumber,
    (source, request): (&Inner, &CopyPartRequest),
) -> Result<Option<PartWritten>> {
    let upload = load(inner, key, id).await?;
    let algorithm = part_algorithm(upload.record.checksum, upload.record.explicit_checksum, None)?;
    let (from, name) = (source.volume.clone(), request.source.key.clone());
    let (conditions, range) = (request.source.conditions.clone(), request.range);
    let opened = blocking(move || {
        let failed = |error| StoreError::of_entry("looking for an object", error);
        let Some(Found { file, record: Some(record), .. }) = from.find(&name).map_err(failed)? else {
            return Ok(None);
        };
        let object = record.object;
        conditions.check_source(&object.etag, object.modified)?;
        let is_whole =
            object.size > 0 && range.is_none_or(|range| range == ByteRange::FromTo(0, object.size - 1));
        let checksum = object.whole_checksum().map(|whole| whole.checksum.clone());
        let checksum = checksum.filter(|checksum| checksum.algorithm() == algorithm);
        Ok(match (object.etag.as_md5(), checksum) {
            (Some(md5), Some(checksum)) if is_whole => Some(Whole { file, size: object.size, md5, checksum }),
            _ => None,
        })
    });
    let Some(Whole { file, size, md5, checksum }) = opened.await? else { return Ok(None) };
    let slot = upload.slots().take(number, Some(size), MAX_OBJECT_SIZE);
    let staging = inner.volume.staging.clone();
    let reservation = blocking(move || {
        let durable = staging.durable;
        let (reservation, target) = reserve(upload, staging, number, slot)?;
        copy_range(&file, 0, &target, reservation.location.offset(number), size).map_err(io)?;
        if durable {
            rustix::fs::fdatasync(&target).map_err(io)?;
        }
        Ok(reservation)
    });
    let reservation = reservation.await?;
    let location = reservation.location.file();
    let (checksum, last_modified) = (Some(checksum), Timestamp::now());
    let part = PartRecord { number, size, md5, checksum, last_modified, location };
    record(inner, id, reservation, part).await.map(Some)
}

/// Records a part whose bytes are in place. Runs to its end, even if the client disconnects: the catalog and the
/// reservation must agree.
async fn record(
    inner: &Arc<Inner>,
    id: &UploadId,
    reservation: Arc<Reservation>,
    part: PartRecord,
) -> Result<PartWritten> {
    let written = PartWritten {
        etag: ETag::from_md5(part.md5),
        checksum: part.checksum.clone(),
        last_modified: part.last_modified,
    };
    let (inner, id) = (inner.clone(), id.clone());
    let task = tokio::spawn(async move {
        let number = part.number;
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
