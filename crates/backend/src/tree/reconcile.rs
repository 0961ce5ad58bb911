//! Compares files that were seen in the storage with the index, and writes rows that differ again.
//!
//! This module does not select the files: a full scan (`scan`) or the change feed (`feed`) provides them.
//!
//! Invariants: a row changes only under its key's lock; an entry that cannot be read does not stop the
//! others.

use super::{
    bucket::Bucket,
    descent::has_keys,
    files::{Entry, EntryKind, Service, Stat},
    record::{self, Row, foreign_row, is_fingerprint_of},
};
use crate::{
    backend::{codec, unreadable::is_of_entry},
    catalog::IndexChange,
    model::ObjectKey,
    store::Result,
};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// The number of files that are compared at once, and of rows that are read at once.
pub(super) const BATCH: usize = 512;
/// The number of requests to the storage at once.
pub(super) const LOOKS: usize = 8;

/// A key, with the path of its file below the bucket's folder and what was seen there.
pub(super) type FoundFile = (ObjectKey, String, Stat);

/// Returns a file as one of the bucket's, if its path is one of a key.
pub(super) fn seen(path: String, stat: Stat, service: Service) -> Option<FoundFile> {
    codec::decode(&path, service.names)
        .or_else(|| codec::decode_apart(&path, service.names))
        .map(|key| (key, path, stat))
}

/// Returns the keys of a folder's files. Its subfolders are added to those that will be scanned next.
pub(super) fn sort(
    folder: &str,
    entries: Vec<Entry>,
    service: Service,
    pending: &mut Vec<String>,
) -> Vec<FoundFile> {
    let mut found = Vec::with_capacity(entries.len());
    for Entry { name, stat } in entries {
        let path = codec::join(folder, &name);
        match stat.kind {
            EntryKind::Folder if path != codec::RESERVED_DIR && has_keys(&path, service) => {
                pending.push(path)
            }
            EntryKind::File => found.extend(seen(path, stat, service)),
            EntryKind::Folder | EntryKind::Other | EntryKind::Nameless => {}
        }
    }
    found
}

/// Compares files with their rows, and refreshes those that differ. Returns those.
pub(super) async fn reconcile(bucket: &Arc<Bucket>, files: &[FoundFile]) -> Result<Vec<FoundFile>> {
    let rows =
        bucket.catalog.index_lookup(bucket.id, files.iter().map(|(key, ..)| key.clone()).collect()).await?;
    let differing: Vec<_> = files
        .iter()
        .zip(rows)
        .filter(|((_, _, stat), row)| {
            row.as_ref().is_none_or(|row| !is_fingerprint_of(&row.fingerprint, stat))
        })
        .map(|(seen, row)| (seen.clone(), row.is_some()))
        .collect();
    let changed = differing.iter().map(|(seen, _)| seen.clone()).collect();
    // Many rows are refreshed at once: their commits share transactions.
    let refreshing = futures_util::stream::iter(differing).map(|(seen, known)| meet(bucket, seen, known));
    refreshing.buffer_unordered(64).try_collect::<()>().await?;
    Ok(changed)
}

/// Handles a file that differs from the index. One that cannot be read does not stop the others.
async fn meet(bucket: &Bucket, seen: FoundFile, known: bool) -> Result<()> {
    let path = seen.1.clone();
    alone(bucket, &path, meet_locked(bucket, seen, known).await)
}

/// Records that an entry cannot be read, so that the others are still processed.
pub(super) fn alone(bucket: &Bucket, path: &str, looked: Result<()>) -> Result<()> {
    match looked {
        Err(error) if is_of_entry(&error) => bucket.unreadable.meet(path, &error),
        Err(error) => return Err(error),
        Ok(()) => bucket.unreadable.forget(path),
    }
    Ok(())
}

/// Updates the row of one key. A file that is new is taken from the listing; any other is checked in the
/// storage.
async fn meet_locked(bucket: &Bucket, (key, path, stat): FoundFile, known: bool) -> Result<()> {
    let _guard = bucket.lock(&key).await;
    let unheard_of = !known
        && !bucket.scan.is_touched(&key)
        && bucket.row(&key).await? == Row::default()
        && bucket.catalog.index_lookup(bucket.id, vec![key.clone()]).await? == [None];
    if !unheard_of {
        return refresh_locked(bucket, &key).await;
    }
    // Several paths may have a file of one key: the first one is the object.
    for earlier in bucket.native_paths(&key).into_iter().take_while(|place| *place != path) {
        if bucket.files.stat(&bucket.at(&earlier)).await?.is_some_and(|stat| stat.kind == EntryKind::File) {
            return Ok(());
        }
    }
    Ok(bucket.catalog.index(bucket.id, IndexChange::Put(foreign_row(&key, &stat))).await?)
}

/// Updates the row of a key whose file was not seen at the expected path.
pub(super) async fn missed(bucket: &Bucket, key: ObjectKey) -> Result<()> {
    let _guard = bucket.lock(&key).await;
    let looked = refresh_locked(bucket, &key).await;
    alone(bucket, &bucket.path_of(&key).plain_path(), looked)
}

/// Updates the index row of a key from the storage. The caller holds the lock.
async fn refresh_locked(bucket: &Bucket, key: &ObjectKey) -> Result<()> {
    let (found, _) = bucket.find_locked(key).await?;
    let change = match found {
        None => IndexChange::Delete(key.clone()),
        Some(found) => IndexChange::Put(match &found.record {
            Some(record) => record::row(key, record),
            None => foreign_row(key, &found.stat),
        }),
    };
    Ok(bucket.catalog.index(bucket.id, change).await?)
}
