//! Foreign files: files that were created outside Causeway, where objects are. They are served at once. Their
//! MD5 is computed when it first matters, and kept as a record like that of any other object.
//!
//! A small file is adopted when it is first seen. A large one has a provisional ETag (it ends in `-0`) while
//! a single background task reads it, so that HEAD never waits for gigabytes.

use super::{
    Inner, blocking,
    record::{Fingerprint, row},
    recording::recorded,
    volume::Found,
};
use crate::{
    catalog::IndexChange,
    model::{ObjectInfo, ObjectKey},
    store::{Result, error::StoreError},
};
use std::sync::Arc;

/// The size up to which the MD5 is computed while the client waits: it takes some milliseconds.
const SMALL: u64 = 4 * 1024 * 1024;

/// Returns what a client sees of a found file. A small foreign file is adopted here, a large one in the
/// background.
pub(super) async fn describe(inner: &Arc<Inner>, key: &ObjectKey, found: &Found) -> Result<ObjectInfo> {
    if found.record.is_some() {
        return Ok(found.info());
    }
    if found.fingerprint.size <= SMALL {
        // The result is used only if it is of the same file: the caller serves the file that it has open.
        let adopted = adopt(inner.clone(), key.clone())
            .await?
            .filter(|(fingerprint, _)| *fingerprint == found.fingerprint);
        return Ok(adopted.map_or_else(|| found.info(), |(_, info)| info));
    }
    // A read-only file cannot store a record, but the index may have its MD5.
    let row = inner.catalog.index_lookup(inner.bucket, vec![key.clone()]).await?.pop().flatten();
    if let Some(row) =
        row.filter(|row| row.fingerprint == found.fingerprint.bytes() && row.etag.as_md5().is_some())
    {
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

/// Computes the MD5 of a foreign file and records it, under the key's lock. `None` if the file is gone.
pub(super) async fn adopt(inner: Arc<Inner>, key: ObjectKey) -> Result<Option<(Fingerprint, ObjectInfo)>> {
    let guard = inner.locks.lock(&key).await;
    let _changing = inner.changes.begin(&key);
    let (volume, name) = (inner.volume.clone(), key.clone());
    let found = blocking(move || {
        let Some(found) = volume.find(&name).map_err(|e| StoreError::of_entry("looking for an object", e))?
        else {
            return Ok(None);
        };
        let fingerprint = found.fingerprint;
        let record = recorded(&volume, found)?;
        Ok(Some((row(&name, fingerprint, &record), fingerprint, record.object.info())))
    })
    .await?;
    let Some((row, fingerprint, info)) = found else { return Ok(None) };
    let commit = inner.catalog.index(inner.bucket, IndexChange::Put(row));
    drop(guard);
    commit.await?;
    Ok(Some((fingerprint, info)))
}
