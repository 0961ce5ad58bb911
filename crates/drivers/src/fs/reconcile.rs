//! Compares rows of the index with files, and makes rows equal to them.
//!
//! Invariant: a row changes only under its key's lock, from the state of the disk at that moment.

use super::{
    Inner,
    pace::STEP,
    record::{Fingerprint, row},
    volume::{Volume, foreign},
};
use crate::{
    backend::{
        codec::{self, Names, encode},
        unreadable::is_of_entry,
    },
    catalog::{IndexChange, IndexRow},
    model::ObjectKey,
    store::{ListEntry, ListRequest, Result, error::StoreError},
};
use futures_util::{StreamExt, TryStreamExt};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType},
    io::Errno,
};
use std::sync::Arc;

/// The number of rows that are refreshed at once: their commits share transactions. Few in the background, so
/// that a client's change does not wait long behind them.
const AT_ONCE: usize = 64;
const IN_THE_BACKGROUND: usize = 8;

/// Compares files with their rows, and refreshes those that differ. Returns their number.
pub(super) async fn reconcile(inner: &Arc<Inner>, files: Vec<(ObjectKey, Fingerprint)>) -> Result<usize> {
    if files.is_empty() {
        return Ok(0);
    }
    let rows =
        inner.catalog.index_lookup(inner.bucket, files.iter().map(|(key, _)| key.clone()).collect()).await?;
    let differing = files
        .into_iter()
        .zip(rows)
        .filter(|((_, seen), row)| row.as_ref().is_none_or(|row| row.fingerprint != seen.bytes()));
    let differing: Vec<ObjectKey> = differing.map(|((key, _), _)| key).collect();
    let changed = differing.len();
    refresh_all(inner, differing).await.map(|()| changed)
}

/// The rows whose files belong into one directory, of which those without a file are removed, step by step.
pub(super) struct Sweep<'a> {
    inner: &'a Arc<Inner>,
    directory: String,
    /// Listings below this one; the first is of the directory itself.
    listings: Vec<Listing>,
}

struct Listing {
    prefix: String,
    /// Whether keys in folders are left out.
    is_flat: bool,
    after: Option<String>,
}

impl<'a> Sweep<'a> {
    /// `prefix` is what the keys of the directory begin with.
    pub(super) fn new(inner: &'a Arc<Inner>, directory: String, prefix: String) -> Self {
        Self { inner, directory, listings: vec![Listing { prefix, is_flat: true, after: None }] }
    }

    /// Checks some rows. Returns the number of those that were removed; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<usize>> {
        let Some(listing) = self.listings.last_mut() else { return Ok(None) };
        let request = ListRequest {
            prefix: listing.prefix.clone(),
            delimiter: listing.is_flat.then(|| "/".to_owned()),
            after: listing.after.take(),
            limit: STEP,
        };
        let page = self.inner.catalog.list(self.inner.bucket, request).await?;
        match page.entries.last() {
            Some(last) if page.truncated => listing.after = Some(last.name().to_owned()),
            _ => drop(self.listings.pop()),
        }
        let (mut keys, mut folders) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                ListEntry::Object(object) => keys.push(object.key),
                ListEntry::CommonPrefix(prefix) => folders.push(prefix),
            }
        }
        let (volume, directory) = (self.inner.volume.clone(), self.directory.clone());
        let (missing, gone) = self
            .inner
            .step(move || {
                let missing = missing(&volume, &directory, keys)?;
                let mut gone = Vec::new();
                for folder in folders {
                    if !is_there(&volume, &folder)? {
                        gone.push(folder);
                    }
                }
                Ok((missing, gone))
            })
            .await?;
        let below = |prefix| Listing { prefix, is_flat: false, after: None };
        self.listings.extend(gone.into_iter().map(below));
        let removed = missing.len();
        refresh_all(self.inner, missing).await?;
        Ok(Some(removed))
    }
}

/// Returns which of these keys have no file. Most files are in `directory`, and need not be opened.
fn missing(volume: &Volume, directory: &str, keys: Vec<ObjectKey>) -> Result<Vec<ObjectKey>> {
    let dir = if keys.is_empty() { None } else { volume.root.open_dir(directory).ok() };
    let mut missing = Vec::new();
    for key in keys {
        if dir.as_ref().is_some_and(|dir| is_in(dir, directory, &key)) {
            continue;
        }
        match volume.find(&key).map_err(failed) {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(key),
            // The state of the file is unknown: its row stays.
            Err(error) if is_of_entry(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

fn is_in(dir: &OwnedFd, directory: &str, key: &ObjectKey) -> bool {
    let path = encode(key, Names::Posix);
    let is_file = |name: &str| {
        rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    };
    path.dir == directory && (is_file(&path.plain) || is_file(&path.beside))
}

/// Returns whether there is a directory for keys with a prefix. One that cannot be looked at counts.
fn is_there(volume: &Volume, prefix: &str) -> Result<bool> {
    // Keys that are too long are looked at one by one.
    let Ok(key) = ObjectKey::new(format!("{prefix}x")) else { return Ok(false) };
    match volume.root.open_dir(&encode(&key, Names::Posix).dir) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => Ok(false),
        Err(error) if is_of_entry(&failed(error)) => Ok(true),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: Errno) -> StoreError {
    StoreError::of_entry("looking for an object", error)
}

/// A missing directory does not mean that the objects were removed: the file system may not be mounted.
pub(super) fn is_removed(volume: &Volume) -> Result<bool> {
    volume.root.is_removed().map_err(|e| StoreError::of_entry("scanning a bucket", e))
}

/// Refreshes many rows at once.
pub(super) async fn refresh_all(inner: &Arc<Inner>, keys: impl IntoIterator<Item = ObjectKey>) -> Result<()> {
    let most = if inner.scan.is_in_the_background() { IN_THE_BACKGROUND } else { AT_ONCE };
    let refreshing = futures_util::stream::iter(keys).map(|key| refresh(inner, key)).buffer_unordered(most);
    refreshing.try_for_each(|()| std::future::ready(Ok(()))).await
}

/// Updates the row of one key from the disk.
pub(super) async fn refresh(inner: &Arc<Inner>, key: ObjectKey) -> Result<()> {
    let guard = inner.locks.lock(&key).await;
    let (volume, name) = (inner.volume.clone(), key.clone());
    let found = inner.step(move || {
        Ok(match volume.find(&name).map_err(failed) {
            Err(error) if is_of_entry(&error) => Err((volume.glimpse(&name), error)),
            // The bucket's directory may have been removed since the scan began.
            Ok(None) if is_removed(&volume)? => return Err(volume.root.removed()),
            found => Ok(found?),
        })
    });
    let path = codec::encode(&key, Names::Posix).plain_path();
    let found = match found.await? {
        Ok(found) => {
            inner.unreadable.forget(&path);
            found.map(|found| (found.fingerprint, found.record))
        }
        // A folder that cannot be opened shows no entries, so the rows below it stay.
        Err((Err(_), _)) => return Ok(()),
        Err((Ok(glimpse), error)) => {
            inner.unreadable.meet(&path, &error);
            glimpse.map(|fingerprint| (fingerprint, None))
        }
    };
    let change = match found {
        None => IndexChange::Delete(key),
        Some((fingerprint, record)) => IndexChange::Put(match &record {
            Some(record) => row(&key, fingerprint, record),
            None => IndexRow::of(&key, &foreign(fingerprint), fingerprint.bytes()),
        }),
    };
    let commit = inner.catalog.index(inner.bucket, change);
    drop(guard);
    Ok(commit.await?)
}
