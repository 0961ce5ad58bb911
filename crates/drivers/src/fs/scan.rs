//! Keeps the index equal to the disk: files that were created, changed or removed outside the gateway, and
//! changes that were under way when a process was killed.
//!
//! Owns when a listing may be served, and in which order directories are looked at. Does not own how a
//! directory is read (`reading`), how rows are compared with files (`reconcile`), nor the pace (`pace`).
//!
//! The index has a row for each directory, with what the directory looked like when it was last read. A quick
//! scan looks at the directories alone, and reads those that look different.
//!
//! Invariants: a listing is served only if the bucket was scanned in the epoch in force (`mark`), and after
//! every change that a killed process had under way was looked at; a directory has its row only after all of
//! its files have theirs; memory is bounded (batches, and the names of folders that are still to be read).

use super::{
    Inner,
    journal::Late,
    pace::{Pace, STEP},
    reading::{self, Look},
    reconcile::{self, is_removed, refresh_all},
};
use crate::{
    backend::{
        Depth, Progress,
        codec::{self, Names, decode, join},
        readiness::Readiness,
        unreadable::is_of_entry,
    },
    catalog::{BucketId, Catalog, DirectoryRow},
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use rustix::io::Errno;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long a listing waits for the first scan before it answers SlowDown.
const PATIENCE: Duration = Duration::from_secs(20);
const STATE: &str = "scan";

#[derive(Debug)]
pub(super) struct Scan {
    ready: watch::Sender<Readiness>,
    begun: AtomicBool,
    /// The number of listings that wait: a scan does not rest while somebody waits for it.
    waiting: AtomicUsize,
    /// Whether the bucket was scanned in the epoch in force.
    is_scanned: AtomicBool,
    /// Whether the catalog knows that.
    is_marked: AtomicBool,
    /// Held during a scan, so that one runs at a time. It contains the changes of a killed process whose keys
    /// were not looked at yet.
    late: tokio::sync::Mutex<Vec<Late>>,
}

impl Scan {
    pub(super) fn new(is_scanned: bool, late: Vec<Late>) -> Self {
        Self {
            ready: watch::Sender::new(Readiness::of(is_scanned && late.is_empty())),
            begun: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            is_scanned: AtomicBool::new(is_scanned),
            is_marked: AtomicBool::new(is_scanned),
            late: tokio::sync::Mutex::new(late),
        }
    }

    /// Returns whether nobody waits for the scan that runs.
    pub(super) fn is_in_the_background(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

/// Returns whether the index of a bucket was completed in an epoch.
pub(super) async fn is_complete(catalog: &dyn Catalog, bucket: BucketId, epoch: &str) -> Result<bool> {
    Ok(catalog.state(bucket, STATE).await?.as_deref() == Some(epoch))
}

pub(super) async fn mark_complete(catalog: &dyn Catalog, bucket: BucketId, epoch: &str) -> Result<()> {
    Ok(catalog.set_state(bucket, STATE, Some(epoch.to_owned())).await?)
}

/// Waits until the index is complete, and starts what is needed for that if it does not run.
pub(super) async fn ready(inner: &Arc<Inner>) -> Result<()> {
    let mut ready = inner.scan.ready.subscribe();
    if ready.borrow().is_complete() {
        return Ok(());
    }
    let _waiting = Waiting::new(&inner.scan.waiting);
    begin(inner);
    match tokio::time::timeout(PATIENCE, ready.wait_for(Readiness::is_decided)).await {
        Ok(Ok(decided)) => decided.answer(),
        _ => Err(StoreError::new(StoreErrorKind::Busy, "the bucket is still being scanned")),
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn begin(inner: &Arc<Inner>) {
    if !inner.scan.begun.swap(true, Ordering::AcqRel) {
        Readiness::begin(&inner.scan.ready);
        let inner = inner.clone();
        tokio::spawn(async move {
            let prepared = match inner.scan.is_scanned.load(Ordering::Acquire) {
                true => settle(&inner, &mut *inner.scan.late.lock().await).await,
                false => pass(&inner, Depth::Changed, &Progress::default()).await,
            };
            if let Err(error) = prepared {
                tracing::error!(bucket = inner.bucket.0, %error, "scanning a bucket failed");
                inner.scan.begun.store(false, Ordering::Release);
                Readiness::fail(&inner.scan.ready, &error);
            }
        });
    }
}

/// Looks at the keys that a killed process had under way. Afterwards the index shows all that clients saw,
/// and if the bucket was scanned, listings are served.
async fn settle(inner: &Arc<Inner>, late: &mut Vec<Late>) -> Result<()> {
    while !late.is_empty() {
        let from = late.len().saturating_sub(STEP);
        let keys: Vec<ObjectKey> = late[from..].iter().map(|late| late.key.clone()).collect();
        refresh_all(inner, keys).await?;
        // Their slots are free from now on.
        late.truncate(from);
    }
    if inner.scan.is_scanned.load(Ordering::Acquire) {
        inner.scan.ready.send_replace(Readiness::Complete);
    }
    Ok(())
}

/// Runs one scan of the bucket. A bucket that was not scanned in this epoch is scanned fully.
pub(super) async fn pass(inner: &Arc<Inner>, depth: Depth, progress: &Progress) -> Result<()> {
    let mut late = inner.scan.late.lock().await;
    let volume = inner.volume.clone();
    if inner.step(move || is_removed(&volume)).await? {
        return Err(inner.volume.root.removed());
    }
    settle(inner, &mut late).await?;
    let is_scanned = inner.scan.is_scanned.load(Ordering::Acquire);
    let mut walk = Walk { inner, progress, pace: inner.scanner.pace(), seen: Vec::new() };
    if is_scanned && depth == Depth::Changed {
        walk.changed().await?;
    } else {
        walk.everything().await?;
    }
    // Files that could not be read may be readable by now, which does not change their directories.
    let again: Vec<ObjectKey> =
        inner.unreadable.known().iter().filter_map(|path| decode(path, Names::Posix)).collect();
    refresh_all(inner, again).await?;
    inner.scan.is_scanned.store(true, Ordering::Release);
    if !inner.scan.is_marked.load(Ordering::Acquire) {
        match mark_complete(&*inner.catalog, inner.bucket, inner.epoch()).await {
            // Without the mark the next start scans again. That is no reason to fail: a full catalog must not
            // prevent deletes.
            Err(error) if error.kind() == StoreErrorKind::DataFull => {}
            marked => {
                marked?;
                inner.scan.is_marked.store(true, Ordering::Release);
            }
        }
    }
    inner.scan.ready.send_replace(Readiness::Complete);
    Ok(())
}

/// One scan on its way.
struct Walk<'a> {
    inner: &'a Arc<Inner>,
    progress: &'a Progress,
    pace: Pace,
    /// Directories that were read, and are not recorded yet.
    seen: Vec<DirectoryRow>,
}

impl Walk<'_> {
    /// Reads every directory that is found, and so finds files that were changed in place, too.
    async fn everything(&mut self) -> Result<()> {
        let mut pending = vec![String::new()];
        while let Some(path) = pending.pop() {
            pending.extend(self.read(path).await?);
        }
        self.record().await?;
        let mut known = Known::default();
        while let Some(rows) = known.next(self.inner).await? {
            let paths = rows.into_iter().map(|row| row.path).collect();
            let gone = self.look(paths).await?.into_iter().filter(|(_, look)| *look == Look::Gone);
            self.forget(gone.map(|(path, _)| path).collect()).await?;
            self.rest().await;
        }
        Ok(())
    }

    /// Looks at every directory that is known, and reads those that have changed, with the unknown ones in
    /// them.
    async fn changed(&mut self) -> Result<()> {
        let mut known = Known::default();
        let mut is_first = true;
        while let Some(rows) = known.next(self.inner).await? {
            if std::mem::take(&mut is_first) && rows.first().is_none_or(|row| !row.path.is_empty()) {
                self.read_unknown(String::new()).await?;
            }
            let (paths, seen): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.path, row.seen)).unzip();
            let mut gone = Vec::new();
            for ((path, look), seen) in self.look(paths).await?.into_iter().zip(seen) {
                match look {
                    Look::As(stamp) if stamp.is(&seen, self.inner.epoch()) => {}
                    Look::Gone => {
                        self.sweep(&path).await?;
                        gone.push(path);
                    }
                    Look::As(_) | Look::Unreadable => self.read_unknown(path).await?,
                }
            }
            self.forget(gone).await?;
            self.rest().await;
        }
        if is_first {
            self.read_unknown(String::new()).await?;
        }
        self.record().await
    }

    async fn look(&self, paths: Vec<String>) -> Result<Vec<(String, Look)>> {
        let volume = self.inner.volume.clone();
        let looked = self.inner.step(move || {
            let look = |path: String| Ok((path.clone(), reading::look(&volume, &path)?));
            paths.into_iter().map(look).collect::<std::result::Result<Vec<_>, Errno>>().map_err(failed)
        });
        looked.await
    }

    /// Reads a directory, and those below it that are not known. Known ones have a turn of their own.
    async fn read_unknown(&mut self, path: String) -> Result<()> {
        let mut pending = vec![path];
        while let Some(path) = pending.pop() {
            let folders = self.read(path).await?;
            for folders in folders.chunks(STEP) {
                let known = self.inner.catalog.directory_lookup(self.inner.bucket, folders.to_vec()).await?;
                let unknown = folders.iter().zip(known).filter(|(_, known)| known.is_none());
                pending.extend(unknown.map(|(folder, _)| folder.clone()));
            }
        }
        Ok(())
    }

    /// Reads one directory: its files are compared with their rows, and its rows with its files. Returns the
    /// directories in it.
    async fn read(&mut self, path: String) -> Result<Vec<String>> {
        let (volume, at) = (self.inner.volume.clone(), path.clone());
        let mut reading = match self.inner.step(move || Ok(reading::Reading::open(&volume, &at))).await? {
            Ok(Some(reading)) => reading,
            // The directory was removed meanwhile: the scan of the one above it finds that out.
            Ok(None) => return Ok(Vec::new()),
            Err(error) => {
                self.pass_over(&path, error)?;
                // Known, so that the next scan tries again.
                self.seen.push(DirectoryRow { path, seen: Vec::new() });
                return Ok(Vec::new());
            }
        };
        self.inner.unreadable.forget(&path);
        let (mut folders, mut is_whole) = (Vec::new(), true);
        loop {
            let volume = self.inner.volume.clone();
            let (back, found) = self
                .inner
                .step(move || {
                    let found = reading.next(&volume);
                    Ok((reading, found))
                })
                .await?;
            reading = back;
            for (name, error) in found.unreadable {
                is_whole &= name.is_some();
                self.pass_over(&name.map_or_else(|| path.clone(), |name| join(&path, &name)), error)?;
            }
            self.progress.saw(0, found.files.len());
            folders.extend(found.folders);
            self.progress.changed(reconcile::reconcile(self.inner, found.files).await?);
            self.rest().await;
            if found.has_ended {
                break;
            }
        }
        self.sweep(&path).await?;
        self.progress.saw(1, 0);
        let seen = if is_whole { reading.stamp().record(self.inner.epoch()) } else { Vec::new() };
        self.seen.push(DirectoryRow { path, seen });
        if self.seen.len() >= STEP {
            self.record().await?;
        }
        Ok(folders)
    }

    /// Removes the rows of files of a directory that are gone.
    async fn sweep(&mut self, path: &str) -> Result<()> {
        let Some(prefix) = codec::prefix(path) else { return Ok(()) };
        let mut sweep = reconcile::Sweep::new(self.inner, path.to_owned(), prefix);
        while let Some(gone) = sweep.next().await? {
            self.progress.changed(gone);
            self.rest().await;
        }
        Ok(())
    }

    /// Records an entry that cannot be read, so that the scan continues. Its rows stay.
    fn pass_over(&self, path: &str, error: Errno) -> Result<()> {
        let told = failed(error);
        if path.is_empty() || !is_of_entry(&told) {
            return Err(told);
        }
        self.inner.unreadable.meet(path, &told);
        Ok(())
    }

    /// Records the directories that were read.
    async fn record(&mut self) -> Result<()> {
        let seen = std::mem::take(&mut self.seen);
        self.set(seen, Vec::new()).await
    }

    async fn forget(&self, gone: Vec<String>) -> Result<()> {
        self.set(Vec::new(), gone).await
    }

    async fn set(&self, seen: Vec<DirectoryRow>, gone: Vec<String>) -> Result<()> {
        if seen.is_empty() && gone.is_empty() {
            return Ok(());
        }
        match self
            .inner
            .catalog
            .set_directories(self.inner.bucket, seen, gone)
            .await
            .map_err(StoreError::from)
        {
            // The directories are read again then, which is no reason to fail: see `pass`.
            Err(error) if error.kind() == StoreErrorKind::DataFull => Ok(()),
            set => set,
        }
    }

    async fn rest(&mut self) {
        if self.inner.scan.is_in_the_background() {
            self.pace.rest().await;
        }
    }
}

/// The directories that the index knows, page by page.
#[derive(Default)]
struct Known {
    after: Option<String>,
    has_ended: bool,
}

impl Known {
    async fn next(&mut self, inner: &Inner) -> Result<Option<Vec<DirectoryRow>>> {
        if self.has_ended {
            return Ok(None);
        }
        let rows = inner.catalog.directories(inner.bucket, self.after.take(), STEP).await?;
        self.has_ended = rows.len() < STEP;
        self.after = rows.last().map(|row| row.path.clone());
        Ok((!rows.is_empty()).then_some(rows))
    }
}

fn failed(error: Errno) -> StoreError {
    StoreError::of_entry("scanning a bucket", error)
}
