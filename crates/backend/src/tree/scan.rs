//! Keeps the index equal to the storage: files that were created, changed or removed outside the gateway, and
//! changes that a killed process had begun.
//!
//! Invariants: a bucket whose folder existed before is listed only after a full scan; a row changes only
//! under its key's lock; memory is bounded, except for eight bytes per object and the names of the folders
//! that are still to be read. The next scan continues one that was interrupted (`trail`).

use super::{
    bucket::Bucket,
    descent::Descent,
    feed,
    files::EntryKind,
    reconcile::{BATCH, LOOKS, alone, missed, reconcile, sort},
    trail::{self, Trail},
};
use crate::{
    backend::{Depth, Progress, readiness::Readiness, unreadable::is_of_entry},
    catalog::{BucketId, Catalog, WhichObjects},
    model::{ObjectKey, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{StreamExt, TryStreamExt};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long a listing waits for the first full scan before it answers SlowDown.
const PATIENCE: Duration = Duration::from_secs(20);
/// The number of unreadable folders in a row after which the storage itself counts as failing.
const MOST_CLOSED: usize = 32;
const STATE: &str = "scan";
const TRAIL: &str = "trail";

/// Returns whether the index of a bucket was complete once: from then on it is kept up to date.
pub(super) async fn is_complete(catalog: &dyn Catalog, bucket: BucketId) -> Result<bool> {
    Ok(catalog.state(bucket, STATE).await?.as_deref() == Some("complete"))
}

pub(super) async fn mark_complete(catalog: &dyn Catalog, bucket: BucketId) -> Result<()> {
    Ok(catalog.set_state(bucket, STATE, Some("complete".to_owned())).await?)
}

/// Waits until listings can be trusted, and starts the necessary full scan if none is running.
pub(super) async fn ready(bucket: &Arc<Bucket>) -> Result<()> {
    let mut ready = bucket.scan.ready.subscribe();
    if ready.borrow().is_complete() {
        return Ok(());
    }
    if !bucket.scan.begun.swap(true, Ordering::AcqRel) {
        Readiness::begin(&bucket.scan.ready);
        let bucket = bucket.clone();
        tokio::spawn(async move {
            let passed = pass(&bucket, Depth::Everything, &Progress::default()).await;
            bucket.scan.begun.store(false, Ordering::Release);
            if let Err(error) = passed {
                // Waiters get the error; an unreachable storage was logged when it was tried.
                match bucket.files.traffic().and_then(|traffic| traffic.trouble) {
                    Some(_) => {
                        tracing::debug!(bucket = bucket.id.0, %error, "walking through a bucket failed")
                    }
                    None => tracing::error!(bucket = bucket.id.0, %error, "walking through a bucket failed"),
                }
                Readiness::fail(&bucket.scan.ready, &error);
            }
        });
    }
    match tokio::time::timeout(PATIENCE, ready.wait_for(Readiness::is_decided)).await {
        Ok(Ok(decided)) => decided.answer(),
        _ => Err(StoreError::new(
            StoreErrorKind::Busy,
            "the bucket is still being walked through for the first time",
        )),
    }
}

/// Runs one scan: interrupted changes are settled, then every folder is read. A quick scan reads the change
/// feed in place of the folders, where the storage has one.
pub(super) async fn pass(bucket: &Arc<Bucket>, depth: Depth, progress: &Progress) -> Result<()> {
    let _walking = bucket.scan.walking.lock().await;
    settle(bucket).await?;
    if depth == Depth::Changed && feed::read(bucket).await? {
        return Ok(());
    }
    full_scan(bucket, progress).await
}

/// Reads the change feed, if there is one and no full scan is running: a scan finds all changes anyway.
pub(super) async fn read_changes(bucket: &Arc<Bucket>) -> Result<()> {
    match bucket.scan.walking.try_lock() {
        Ok(_walking) => feed::read(bucket).await.map(drop),
        Err(_) => Ok(()),
    }
}

async fn full_scan(bucket: &Arc<Bucket>, progress: &Progress) -> Result<()> {
    feed::before_a_walk(bucket).await?;
    let stamp = bucket.catalog.state(bucket.id, TRAIL).await?;
    let mut trail = Trail::take_up(bucket.scan.trail.clone(), stamp.as_deref(), Timestamp::now()).await?;
    progress.resume(trail.counts);
    let looking = bucket.scan.look();
    let mut descent = Descent::new();
    let mut closed = Closed::default();
    while let Some(folder) = trail.pending.pop() {
        descent.enter(&folder, trail.pending.len())?;
        looking.anew();
        let others = trail.pending.len();
        let looked = look_into(bucket, &folder, &mut trail, &mut descent, progress).await;
        if let Err(error) = &looked {
            // Subfolders that were listed before the error are dropped: the storage may have made them up.
            trail.pending.truncate(others);
            // If the bucket's folder or many folders in a row cannot be read, the whole storage is failing.
            if folder.is_empty() || !is_of_entry(error) || closed.in_a_row >= MOST_CLOSED {
                return looked.map_err(|error| in_folder(&bucket.at(&folder), error));
            }
            bucket.unreadable.meet(&folder, error);
        }
        closed.note(folder, looked.is_ok());
        progress.saw(1, 0);
        if let Some(stamp) = trail.write_at_times(progress.counts(), Timestamp::now()).await? {
            bucket.catalog.set_state(bucket.id, TRAIL, Some(stamp)).await?;
        }
    }
    drop(looking);
    let is_known = |key: &ObjectKey| trail.has_seen(key) || closed.holds(&bucket.path_of(key).dir);
    progress.changed(sweep(bucket, is_known).await?);
    mark_complete(&*bucket.catalog, bucket.id).await?;
    feed::after_a_walk(bucket).await?;
    bucket.scan.ready.send_replace(Readiness::Complete);
    trail.forget().await.map_err(trail::failed)
}

/// Adds the folder to an error, except for kinds whose message or pause is meant for clients.
fn in_folder(folder: &str, error: StoreError) -> StoreError {
    match error.kind() {
        StoreErrorKind::InvalidRequest | StoreErrorKind::NotImplemented | StoreErrorKind::Busy => error,
        kind => StoreError::new(kind, format!("looking into the folder '{folder}'")).with_source(error),
    }
}

async fn look_into(
    bucket: &Arc<Bucket>,
    folder: &str,
    trail: &mut Trail,
    descent: &mut Descent,
    progress: &Progress,
) -> Result<()> {
    let at = bucket.at(folder);
    let mut entries = bucket.files.list(&at);
    let mut nameless = None;
    while let Some(entries) = entries.next().await.transpose()? {
        descent.saw(&entries);
        nameless = nameless.or_else(|| {
            entries
                .iter()
                .find(|entry| entry.stat.kind == EntryKind::Nameless)
                .map(|entry| entry.name.clone())
        });
        let found = sort(folder, entries, bucket.files.service(), &mut trail.pending);
        for batch in found.chunks(BATCH) {
            progress.changed(reconcile(bucket, batch).await?.len());
            progress.saw(0, batch.len());
            batch.iter().for_each(|(key, ..)| trail.saw(key));
        }
    }
    let told = if folder.is_empty() { "." } else { folder };
    match nameless {
        Some(name) => bucket.unreadable.meet(told, &left_out(&name)),
        None => bucket.unreadable.forget(told),
    }
    if descent.is_circle() {
        Err(StoreError::new(StoreErrorKind::Broken, "walking through a bucket: a folder contains itself"))
    } else {
        Ok(())
    }
}

/// Returns the error that is recorded for a folder with an unusable name; all other entries are served.
fn left_out(name: &str) -> StoreError {
    let why = "a name in this folder is no text, or one that the storage does not take: its file is left out, until it has another name";
    StoreError::new(StoreErrorKind::Broken, why).with_source(format!("the name reads '{name}'"))
}

/// Folders of one scan that could not be read. The rows below them stay.
#[derive(Default)]
struct Closed {
    folders: HashSet<String>,
    in_a_row: usize,
}

impl Closed {
    fn note(&mut self, folder: String, is_open: bool) {
        self.in_a_row = if is_open { 0 } else { self.in_a_row + 1 };
        if !is_open {
            self.folders.insert(folder);
        }
    }

    /// Returns whether a folder is one of them or is below one.
    fn holds(&self, folder: &str) -> bool {
        let above = folder.match_indices('/').map(|(at, _)| &folder[..at]);
        !self.folders.is_empty() && above.chain([folder]).any(|above| self.folders.contains(above))
    }
}

/// Settles changes that a killed process had begun, or whose result a lost connection hid.
async fn settle(bucket: &Arc<Bucket>) -> Result<()> {
    let mut after = None;
    loop {
        let rows = bucket.catalog.objects(bucket.id, after.clone(), BATCH, WhichObjects::Unsettled).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.key.clone());
        let settling = futures_util::stream::iter(rows).map(|row| settle_one(bucket, row.key));
        settling.buffer_unordered(LOOKS).try_collect::<()>().await?;
    }
}

async fn settle_one(bucket: &Bucket, key: ObjectKey) -> Result<()> {
    let _guard = bucket.lock(&key).await;
    let settled = bucket.settled(&key).await.map(drop);
    alone(bucket, &bucket.path_of(&key).plain_path(), settled)
}

/// Checks the rows of files that were not seen. Returns their number.
async fn sweep(bucket: &Arc<Bucket>, seen: impl Fn(&ObjectKey) -> bool) -> Result<usize> {
    let (mut after, mut unseen) = (None, 0);
    loop {
        let rows = bucket.catalog.index_rows(bucket.id, after.clone(), BATCH).await?;
        let Some(last) = rows.last() else { return Ok(unseen) };
        after = Some(last.key.clone());
        let missing: Vec<ObjectKey> = rows.into_iter().map(|row| row.key).filter(|key| !seen(key)).collect();
        unseen += missing.len();
        let refreshing = futures_util::stream::iter(missing).map(|key| missed(bucket, key));
        refreshing.buffer_unordered(LOOKS).try_collect::<()>().await?;
    }
}
