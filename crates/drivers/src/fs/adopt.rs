//! Foreign files: what others put where objects are. They are served at once; their MD5 is computed when it first
//! matters and kept as a record like any other object's.
//!
//! Small files are adopted on first sight. Large ones answer with a provisional ETag (it ends in `-0`) while a single
//! background task reads them, so that HEAD never waits for gigabytes.

use super::{
    Inner, blocking,
    record::{Fingerprint, Record},
    volume::{Found, Volume},
    write::row,
};
use crate::{
    catalog::IndexChange,
    model::{ETag, ObjectInfo, ObjectKey},
    store::{Result, error::StoreError},
};
use md5::{Digest, Md5};
use rustix::{fd::OwnedFd, io::Errno};
use std::sync::Arc;

/// Up to here the MD5 is computed while the client waits: some milliseconds.
const SMALL: u64 = 4 * 1024 * 1024;

/// What a client is told of a found file. Adopts it if that is quick, begins to if it is not.
pub(super) async fn describe(inner: &Arc<Inner>, key: &ObjectKey, found: &Found) -> Result<ObjectInfo> {
    if found.record.is_some() {
        return Ok(found.info());
    }
    if found.fingerprint.size <= SMALL {
        // Only if it is still the same file: the caller goes on with the one it has open.
        let adopted = adopt(inner.clone(), key.clone()).await?.filter(|(fingerprint, _)| *fingerprint == found.fingerprint);
        return Ok(adopted.map_or_else(|| found.info(), |(_, info)| info));
    }
    // Read-only files cannot take a record: the index may know them.
    let row = inner.catalog.index_lookup(inner.bucket, vec![key.clone()]).await?.pop().flatten();
    if let Some(row) = row.filter(|row| row.fingerprint == found.fingerprint.bytes() && row.etag.as_md5().is_some()) {
        return Ok(ObjectInfo { etag: row.etag, ..found.info() });
    }
    if let Ok(permit) = inner.adopting.clone().try_acquire_owned() {
        let (inner, key) = (inner.clone(), key.clone());
        tokio::spawn(async move {
            if let Err(error) = adopt(inner, key.clone()).await {
                tracing::warn!(%key, %error, "adopting a foreign file failed");
            }
            drop(permit);
        });
    }
    Ok(found.info())
}

/// Computes the MD5 of a foreign file and records it, under the key's lock. `None` if there is nothing any more.
pub(super) async fn adopt(inner: Arc<Inner>, key: ObjectKey) -> Result<Option<(Fingerprint, ObjectInfo)>> {
    let guard = inner.locks.lock(&key).await;
    let _changing = inner.changes.begin(&key);
    let (volume, name) = (inner.volume.clone(), key.clone());
    let found = blocking(move || {
        let Some(found) = volume.find(&name).map_err(|e| StoreError::of_entry("looking for an object", e))? else { return Ok(None) };
        let fingerprint = found.fingerprint;
        let record = recorded(&volume, found)?;
        Ok(Some((row(&name, fingerprint, &record), fingerprint, record.info())))
    })
    .await?;
    let Some((row, fingerprint, info)) = found else { return Ok(None) };
    let commit = inner.catalog.index(inner.bucket, IndexChange::Put(row));
    drop(guard);
    commit.await?;
    Ok(Some((fingerprint, info)))
}

/// As `describe`, for those that hold the lock and may block: never provisional.
pub(super) fn described(volume: &Volume, found: Found) -> Result<ObjectInfo> {
    Ok(recorded(volume, found)?.info())
}

/// The record of a found file; made, and kept if the file takes one, where there was none.
pub(super) fn recorded(volume: &Volume, found: Found) -> Result<Record> {
    if let Some(record) = found.record {
        return Ok(record);
    }
    let fingerprint = found.fingerprint;
    let md5 = digest(&found.file).map_err(|e| StoreError::of_entry("reading a foreign file", e))?;
    let record = Record::new(fingerprint, fingerprint.modified(), ETag::from_md5(md5), Default::default(), None);
    match volume.staging.records.write(&found.file, fingerprint, &record, false) {
        // Not ours to write: the index row is all that remembers.
        Ok(()) | Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(record),
        Err(error) => Err(StoreError::of_entry("recording a foreign file", error)),
    }
}

fn digest(file: &OwnedFd) -> std::result::Result<[u8; 16], Errno> {
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match rustix::io::pread(file, &mut buffer[..], at) {
            Ok(0) => return Ok(md5.finalize().into()),
            Ok(read) => {
                md5.update(&buffer[..read]);
                at += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
