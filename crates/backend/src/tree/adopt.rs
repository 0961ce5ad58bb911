//! Foreign files: files that were created outside Causeway, where objects are. They are served at once. Their
//! MD5 is reported by the storage, or computed when it first matters and kept as a record like that of any
//! other object.
//!
//! A small file is adopted when it is first seen. A large one has a provisional ETag (it ends in `-0`) while
//! a single background task reads it, so that HEAD never waits for gigabytes.

use super::{
    bucket::{Bucket, to_the_end},
    finding::Found,
    record::{self, Record, Row},
};
use crate::{
    model::{ObjectInfo, ObjectKey, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::sync::Arc;

/// The size up to which the MD5 is computed while the client waits.
const SMALL: u64 = 1024 * 1024;

/// What is missing before a file can be described as an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Nothing,
    /// The MD5 of a file that is small enough for the client to wait.
    Digest,
    /// The MD5 of a larger file. The client gets a provisional ETag meanwhile.
    LongDigest,
}

impl Missing {
    fn of(found: &Found) -> Self {
        match (&found.record, found.stat.md5) {
            (Some(_), _) | (_, Some(_)) => Self::Nothing,
            (None, None) if found.stat.size <= SMALL => Self::Digest,
            (None, None) => Self::LongDigest,
        }
    }
}

/// Returns what a client sees of a found file. A small foreign file is adopted here, a large one in the
/// background.
pub(super) async fn describe(bucket: &Arc<Bucket>, key: &ObjectKey, found: &Found) -> Result<ObjectInfo> {
    match Missing::of(found) {
        Missing::Nothing => {}
        Missing::Digest => {
            // The result is used only if it is of the same file: the caller serves the file that it has open.
            let (adopting, its) = (bucket.clone(), key.clone());
            let adopted = to_the_end(async move { adopt(&adopting, &its).await }).await?;
            if let Some(record) = adopted.filter(|record| record.own.is(&found.stat)) {
                return Ok(record.object.info());
            }
        }
        Missing::LongDigest => adopt_later(bucket, key),
    }
    Ok(found.info())
}

/// Describes a file like `describe`, for a caller that holds the lock of the key and has read this row under
/// it.
pub(super) async fn describe_locked(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    found: &Found,
    row: Row,
) -> Result<ObjectInfo> {
    match Missing::of(found) {
        Missing::Nothing => {}
        Missing::Digest => return Ok(recorded(bucket, key, found.clone(), row).await?.0.object.info()),
        Missing::LongDigest => adopt_later(bucket, key),
    }
    Ok(found.info())
}

/// Returns whether a file is described only after its bytes were read.
pub(super) fn needs_digest(found: &Found) -> bool {
    Missing::of(found) == Missing::Digest
}

fn adopt_later(bucket: &Arc<Bucket>, key: &ObjectKey) {
    if let Ok(permit) = bucket.adopting.clone().try_acquire_owned() {
        let (bucket, key) = (bucket.clone(), key.clone());
        tokio::spawn(async move {
            if let Err(error) = adopt(&bucket, &key).await {
                tracing::warn!(%key, %error, "adopting a foreign file failed");
            }
            drop(permit);
        });
    }
}

/// Records a foreign file, under the key's lock. `None` if the file is gone.
pub(super) async fn adopt(bucket: &Bucket, key: &ObjectKey) -> Result<Option<Record>> {
    let _guard = bucket.lock(key).await;
    match bucket.find_locked(key).await? {
        (Some(found), row) => Ok(Some(recorded(bucket, key, found, row).await?.0)),
        (None, _) => Ok(None),
    }
}

/// Returns the record of a found file and its row. A missing record is made. The caller holds the lock.
pub(super) async fn recorded(
    bucket: &Bucket,
    key: &ObjectKey,
    found: Found,
    row: Row,
) -> Result<(Record, Row)> {
    if let Some(record) = found.record {
        return Ok((record, row));
    }
    let md5 = match found.stat.md5 {
        Some(md5) => md5,
        None => digest(bucket, &found).await?,
    };
    let record = record::adopted(found.path, found.stat, md5);
    let row = Row { committed: Some(record.clone()), pending: None };
    bucket.record(key, &row).await?;
    Ok((record, row))
}

async fn digest(bucket: &Bucket, found: &Found) -> Result<[u8; 16]> {
    let whole = Span::whole(found.stat.size);
    let opened = bucket
        .files
        .open(&bucket.at(&found.path), Some(whole))
        .await?
        .filter(|opened| opened.stat().is_same(&found.stat));
    let changing = || StoreError::new(StoreErrorKind::Conflict, "the file is being changed by others");
    let mut stream = opened.ok_or_else(changing)?.read(whole).await?;
    let mut md5 = Md5::new();
    while let Some(bytes) = stream.next().await.transpose()? {
        md5.update(&bytes);
    }
    Ok(md5.finalize().into())
}
