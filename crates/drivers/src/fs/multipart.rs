//! Multipart uploads on local disk: begun, completed and aborted. Parts are written to their offsets in the finished
//! object, which `slots` computes. Does not own how parts are written (`parts`).
//!
//! Invariant: conditions are checked before the staging file is touched, so a refused Complete leaves every part as
//! it was.

use super::{
    Inner, blocking,
    copying::copy_range,
    publication::{self, Draft},
    staging::Staging,
    volume::Volume,
};
use crate::{
    backend::{
        slots::{Slots, base, moves},
        uploads::{left, staged_name},
    },
    catalog::{Catalog, CompletedUpload, PartRecord, UploadRecord},
    model::{ObjectKey, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, Result, Written,
        error::{StoreError, StoreErrorKind},
        multipart::{Assembled, RecordedPart, assemble},
        record::ObjectRecord,
    },
};
use rustix::io::Errno;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The uploads of a bucket that are being written to. This state can be rebuilt from the catalog.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<UploadId, Arc<Upload>>>);

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) record: UploadRecord,
    pub(super) dir: String,
    slots: Mutex<Slots>,
    completing: tokio::sync::Mutex<()>,
}

impl Upload {
    pub(super) fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
pub(super) async fn load(inner: &Inner, key: &ObjectKey, id: &UploadId) -> Result<Arc<Upload>> {
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
