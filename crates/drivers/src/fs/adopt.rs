//! Foreign files: files created outside Causeway where objects are. They are served at once; their MD5 is
//! computed when it first matters and kept as a record like any other object's.
//!
//! Small files are adopted when first seen. Large ones answer with a provisional ETag (it ends in `-0`) while
//! a single background task reads them, so that HEAD never waits for gigabytes.

use super::{Inner, blocking, record::Fingerprint, recording::recorded, volume::Found, write::row};
use crate::{
    catalog::IndexChange,
    model::{ObjectInfo, ObjectKey},
    store::{Result, error::StoreError},
};
use std::sync::Arc;

/// Up to here the MD5 is computed while the client waits: some milliseconds.
const SMALL: u64 = 4 * 1024 * 1024;

/// Returns what a client sees of a found file. Adopts it if that is quick, begins to if it is not.
pub(super) async fn describe(inner: &Arc<Inner>, key: &ObjectKey, found: &Found) -> Result<ObjectInfo> {
    if found.record.is_some() {
        return Ok(found.info());
    }
    if found.fingerprint.size <= SMALL {
        // Only if it is still the same file: the caller goes on with the one it has open.
        let adopted = adopt(inner.clone(), key.clone())
            .await?
            .filter(|(fingerprint, _)| *fingerprint == found.fingerprint);
        return Ok(adopted.map_or_else(|| found.info(), |(_, info)| info));
    }
    // Read-only files cannot take a record: the index may know them.
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

/// Computes the MD5 of a foreign file and records it, under the key's lock. `None` if there is nothing any
/// more.
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
