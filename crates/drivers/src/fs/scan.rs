//! Keeps the index equal to the disk: files that were created, changed or removed outside the gateway, and
//! files that a killed process had published but not indexed.
//!
//! Invariants: a listing is served only if the bucket was scanned since the last unclean stop; a row changes
//! only under its key's lock, from the state of the disk at that moment; memory is bounded (batches, and 16
//! bytes per directory).

use super::{
    Inner, blocking,
    record::{Fingerprint, row},
    root::entries,
    volume::{Volume, foreign},
};
use crate::{
    backend::{
        Progress,
        codec::{self, Names, decode, join},
        readiness::Readiness,
        unreadable::is_of_entry,
    },
    catalog::{BucketId, Catalog, IndexChange, IndexRow},
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{StreamExt, TryStreamExt};
use rustix::{
    fs::{AtFlags, FileType},
    io::Errno,
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, watch};

const BATCH: usize = 512;
/// How long a listing waits for the first scan before it answers SlowDown.
const PATIENCE: Duration = Duration::from_secs(20);
/// A directory that changed less than this time ago may change again without a new modification time.
const SETTLED_NS: i64 = 2_000_000_000;
const STATE: &str = "scan";

#[derive(Debug)]
pub(super) struct Scan {
    ready: watch::Sender<Readiness>,
    begun: AtomicBool,
    /// Held during a scan, so that one runs at a time. It contains the directories that the last scan saw.
    seen: tokio::sync::Mutex<KnownDirectories>,
}

#[derive(Debug, Default)]
struct KnownDirectories {
    hasher: RandomState,
    /// The modification time of each directory, by the hash of its path.
    directories: HashMap<u64, i64>,
}

impl Scan {
    pub(super) fn new(ready: bool) -> Self {
        Self {
            ready: watch::Sender::new(Readiness::of(ready)),
            begun: AtomicBool::new(false),
            seen: Default::default(),
        }
    }
}

/// Returns whether the index of a bucket was complete when it was last closed.
pub(super) async fn is_complete(catalog: &dyn Catalog, bucket: BucketId) -> Result<bool> {
    Ok(catalog.state(bucket, STATE).await?.as_deref() == Some("complete"))
}

pub(super) async fn mark_complete(catalog: &dyn Catalog, bucket: BucketId) -> Result<()> {
    Ok(catalog.set_state(bucket, STATE, Some("complete".to_owned())).await?)
}

/// Waits until the index is complete, and starts a scan if it is needed and none is running.
pub(super) async fn ready(inner: &Arc<Inner>) -> Result<()> {
    let mut ready = inner.scan.ready.subscribe();
    if ready.borrow().is_complete() {
        return Ok(());
    }
    begin(inner);
    match tokio::time::timeout(PATIENCE, ready.wait_for(Readiness::is_decided)).await {
        Ok(Ok(decided)) => decided.answer(),
        _ => Err(StoreError::new(StoreErrorKind::Busy, "the bucket is still being scanned")),
    }
}

fn begin(inner: &Arc<Inner>) {
    if !inner.scan.begun.swap(true, Ordering::AcqRel) {
        Readiness::begin(&inner.scan.ready);
        let inner = inner.clone();
        tokio::spawn(async move {
            if let Err(error) = pass(&inner, Depth::Changed, &Progress::default()).await {
                tracing::error!(bucket = inner.bucket.0, %error, "scanning a bucket failed");
                inner.scan.begun.store(false, Ordering::Release);
                Readiness::fail(&inner.scan.ready, &error);
            }
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Skips directories that did not change since the last scan.
    Changed,
    /// Reads every directory, and so finds files that were changed in place.
    Everything,
}

/// Runs one scan of the bucket.
pub(super) async fn pass(inner: &Arc<Inner>, depth: Depth, progress: &Progress) -> Result<()> {
    let mut seen = inner.scan.seen.lock().await;
    let volume = inner.volume.clone();
    if blocking(move || is_removed(&volume)).await? {
        return Err(inner.volume.root.removed());
    }
    let before = std::mem::take(&mut seen.directories);
    let before = if depth == Depth::Everything { HashMap::new() } else { before };
    let (send, mut batches) = mpsc::channel(2);
    let walk = DirectoryScan { inner: inner.clone(), hasher: seen.hasher.clone(), before, send };
    let walking = tokio::task::spawn_blocking(move || walk.run());
    while let Some(batch) = batches.recv().await {
        progress.saw(batch.directories, batch.files.len());
        progress.changed(reconcile(inner, batch.files).await?);
    }
    let walked = walking
        .await
        .map_err(|e| StoreError::new(StoreErrorKind::Internal, "a scan failed").with_source(e))?;
    let ScannedDirectories { directories, changed } =
        walked.map_err(|e| StoreError::of_entry("scanning a bucket", e))?;
    // Files that could not be read may be readable by now, which does not change their directories.
    let again: Vec<ObjectKey> =
        inner.unreadable.known().iter().filter_map(|path| decode(path, Names::Posix)).collect();
    refresh_all(inner, again).await?;
    if !changed.is_empty() {
        let gone = |dir: u64| changed.contains(&dir) || !directories.contains_key(&dir);
        progress.changed(
            sweep(inner, |key| gone(seen.hasher.hash_one(codec::encode(key, Names::Posix).dir))).await?,
        );
    }
    seen.directories = directories;
    match mark_complete(&*inner.catalog, inner.bucket).await {
        // Without the mark the next start scans again. That is no reason to fail: a full catalog must not
        // prevent deletes.
        Err(error) if error.kind() == StoreErrorKind::DataFull => {}
        marked => marked?,
    }
    inner.scan.ready.send_replace(Readiness::Complete);
    Ok(())
}

/// A missing directory does not mean that the objects were removed: the file system may not be mounted.
fn is_removed(volume: &Volume) -> Result<bool> {
    volume.root.is_removed().map_err(|e| StoreError::of_entry("scanning a bucket", e))
}

/// Removes the rows of files that no longer exist, among those that `suspect` selects. Returns their number.
async fn sweep(inner: &Arc<Inner>, suspect: impl Fn(&ObjectKey) -> bool) -> Result<usize> {
    let (mut after, mut gone) = (None, 0);
    loop {
        let rows = inner.catalog.index_rows(inner.bucket, after.clone(), BATCH).await?;
        let Some(last) = rows.last() else { return Ok(gone) };
        after = Some(last.key.clone());
        let keys: Vec<ObjectKey> = rows.into_iter().map(|row| row.key).filter(|key| suspect(key)).collect();
        let volume = inner.volume.clone();
        let missing = blocking(move || {
            let mut missing = Vec::new();
            for key in keys {
                match volume.find(&key).map_err(|e| StoreError::of_entry("looking for an object", e)) {
                    Ok(Some(_)) => {}
                    Ok(None) => missing.push(key),
                    // The state of the file is unknown: its row stays.
                    Err(error) if is_of_entry(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(missing)
        })
        .await?;
        gone += missing.len();
        refresh_all(inner, missing).await?;
    }
}

/// Compares files with their rows, and refreshes those that differ. Returns their number.
async fn reconcile(inner: &Arc<Inner>, batch: Vec<(ObjectKey, Fingerprint)>) -> Result<usize> {
    let rows =
        inner.catalog.index_lookup(inner.bucket, batch.iter().map(|(key, _)| key.clone()).collect()).await?;
    let differing = batch
        .into_iter()
        .zip(rows)
        .filter(|((_, seen), row)| row.as_ref().is_none_or(|row| row.fingerprint != seen.bytes()));
    let differing: Vec<ObjectKey> = differing.map(|((key, _), _)| key).collect();
    let changed = differing.len();
    refresh_all(inner, differing).await.map(|()| changed)
}

/// Refreshes many rows at once: their commits share transactions.
async fn refresh_all(inner: &Arc<Inner>, keys: impl IntoIterator<Item = ObjectKey>) -> Result<()> {
    let refreshing = futures_util::stream::iter(keys).map(|key| refresh(inner, key)).buffer_unordered(64);
    refreshing.try_for_each(|()| std::future::ready(Ok(()))).await
}

/// Updates the row of one key from the disk.
pub(super) async fn refresh(inner: &Arc<Inner>, key: ObjectKey) -> Result<()> {
    let guard = inner.locks.lock(&key).await;
    let (volume, name) = (inner.volume.clone(), key.clone());
    let found = blocking(move || {
        let found = volume.find(&name).map_err(|e| StoreError::of_entry("looking for an object", e));
        Ok(match found {
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

struct DirectoryScan {
    inner: Arc<Inner>,
    hasher: RandomState,
    before: HashMap<u64, i64>,
    send: mpsc::Sender<Batch>,
}

#[derive(Default)]
struct Batch {
    files: Vec<(ObjectKey, Fingerprint)>,
    /// The number of directories that were read since the last batch.
    directories: usize,
}

struct ScannedDirectories {
    directories: HashMap<u64, i64>,
    changed: HashSet<u64>,
}

impl DirectoryScan {
    fn volume(&self) -> &Volume {
        &self.inner.volume
    }

    /// Records an entry that cannot be read, so that the scan continues. Its rows are checked one by one.
    fn pass_over(&self, path: &str, error: Errno) -> std::result::Result<(), Errno> {
        let told = StoreError::of_entry("scanning a bucket", error);
        if path.is_empty() || !is_of_entry(&told) {
            return Err(error);
        }
        self.inner.unreadable.meet(path, &told);
        Ok(())
    }

    fn run(self) -> std::result::Result<ScannedDirectories, Errno> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
        let mut walked = ScannedDirectories { directories: HashMap::new(), changed: HashSet::new() };
        let mut pending = vec![String::new()];
        let mut batch = Batch::default();
        while let Some(path) = pending.pop() {
            let dir = match self.volume().root.open_dir(&path) {
                Ok(dir) => dir,
                // The directory was removed meanwhile: its rows are swept.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => continue,
                Err(error) => {
                    self.pass_over(&path, error)?;
                    continue;
                }
            };
            let hash = self.hasher.hash_one(&path);
            let (mtime, found) = match rustix::fs::fstat(&dir)
                .and_then(|stat| Ok((Fingerprint::of(&stat).mtime_ns, entries(&dir)?)))
            {
                Ok(read) => read,
                Err(error) => {
                    self.pass_over(&path, error)?;
                    continue;
                }
            };
            self.inner.unreadable.forget(&path);
            let unchanged = self.before.get(&hash) == Some(&mtime);
            walked.directories.insert(hash, if now - mtime > SETTLED_NS { mtime } else { 0 });
            if !unchanged {
                walked.changed.insert(hash);
                batch.directories += 1;
            }
            for entry in found {
                let (name, kind) = match entry {
                    Ok(entry) => entry,
                    // The rows of entries that were not listed are checked one by one.
                    Err(error) => {
                        self.pass_over(&path, error)?;
                        walked.changed.insert(hash);
                        walked.directories.insert(hash, 0);
                        break;
                    }
                };
                // Keys are UTF-8, so a name that is not UTF-8 has no key.
                let Ok(name) = name.into_string() else { continue };
                let path = join(&path, &name);
                if kind == FileType::Directory {
                    if path != codec::RESERVED_DIR {
                        pending.push(path);
                    }
                    continue;
                }
                if unchanged {
                    continue;
                }
                let Some(key) = decode(&path, Names::Posix) else { continue };
                let fingerprint = match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                        Fingerprint::of(&stat)
                    }
                    Ok(_) => match self.volume().open(&path) {
                        Ok(Some(found)) => found.fingerprint,
                        Ok(None) => continue,
                        Err(error) => {
                            self.pass_over(&path, error)?;
                            continue;
                        }
                    },
                    Err(Errno::NOENT) => continue,
                    Err(error) => {
                        self.pass_over(&path, error)?;
                        continue;
                    }
                };
                batch.files.push((key, fingerprint));
                if batch.files.len() == BATCH && self.send.blocking_send(std::mem::take(&mut batch)).is_err()
                {
                    return Ok(walked);
                }
            }
        }
        // The receiver is gone only if the pass failed already.
        let _ = self.send.blocking_send(batch);
        Ok(walked)
    }
}
