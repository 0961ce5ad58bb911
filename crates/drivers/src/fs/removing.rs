//! Removing objects: one, or many with few changes of thread, few syncs and few commits of the index.
//!
//! Invariants: a removal runs to its end in a task of its own, even if the client disconnects, so the index always
//! gets the change; the change of the index is enqueued under the key's lock; whoever holds the locks of several
//! keys waits for none.

use super::{Inner, change::KeyChange, publication, record::Fingerprint, volume::Volume};
use crate::{
    backend::locks::Guard,
    catalog::IndexChange,
    model::ObjectKey,
    store::{
        DeleteRequest, Deleted, Removal, Result,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{StreamExt, stream};
use rustix::{fd::OwnedFd, io::Errno};
use std::{collections::BTreeMap, sync::Arc};

/// How many objects one call on a thread removes: each costs a few system calls, and readers of listings wait for
/// all of them.
const TOGETHER: usize = 32;
/// How many such calls one request has under way. With strict durability each waits for the disk.
const AT_ONCE: usize = 8;

/// An object to remove.
pub(super) struct Wanted {
    pub(super) key: ObjectKey,
    pub(super) conditions: WriteConditions,
}

/// An object whose lock is held, and whose change was announced.
pub(super) type Announced = (Wanted, Arc<KeyChange>);

/// What is held of an object while it is removed.
struct Held {
    /// Its place among the requests.
    at: usize,
    _guard: Guard<ObjectKey>,
    change: Arc<KeyChange>,
}

pub(super) async fn remove(
    inner: &Arc<Inner>,
    key: &ObjectKey,
    conditions: &WriteConditions,
) -> Result<Deleted> {
    let (inner, key, conditions) = (inner.clone(), key.clone(), conditions.clone());
    let task = tokio::spawn(async move { remove_alone(&inner, Wanted { key, conditions }).await });
    task.await.map_err(|e| StoreError::new(StoreErrorKind::Internal, "removing failed").with_source(e))?
}

pub(super) async fn remove_all(inner: &Arc<Inner>, mut requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
    let mut batches = Vec::with_capacity(requests.len().div_ceil(TOGETHER));
    while !requests.is_empty() {
        let rest = requests.split_off(requests.len().min(TOGETHER));
        batches.push(std::mem::replace(&mut requests, rest));
    }
    let outcomes: Vec<Vec<_>> = stream::iter(batches)
        .map(|batch| {
            let (inner, many) = (inner.clone(), batch.len());
            async move {
                let task = tokio::spawn(async move { remove_batch(&inner, batch).await });
                task.await.unwrap_or_else(|error| {
                    failed(
                        many,
                        StoreError::new(StoreErrorKind::Internal, "removing failed").with_source(error),
                    )
                })
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().flatten().collect()
}

/// One failure of several removals.
fn failed<T>(many: usize, error: StoreError) -> Vec<Result<T>> {
    let error = Arc::new(error);
    (0..many).map(|_| Err(shared(&error))).collect()
}

fn shared(error: &Arc<StoreError>) -> StoreError {
    StoreError::new(error.kind(), "removing several objects").with_source(error.clone())
}

/// Waits for the lock of the key.
async fn remove_alone(inner: &Arc<Inner>, wanted: Wanted) -> Result<Deleted> {
    let guard = inner.locks.lock(&wanted.key).await;
    let change = KeyChange::begin(inner, &wanted.key);
    let (volume, key, announced) = (inner.volume.clone(), wanted.key.clone(), (wanted, change.clone()));
    let removed = inner.disk.run(move || Ok(Unlinked::all(&volume, &[announced]).tidy(&volume)));
    let removal = removed.await?.pop().ok_or(StoreErrorKind::Internal)??;
    let commit = inner.catalog.index(inner.bucket, IndexChange::Delete(key));
    drop(guard);
    commit.await?;
    drop(change);
    Ok(removal.into())
}

async fn remove_batch(inner: &Arc<Inner>, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
    let many = requests.len();
    let mut outcomes: Vec<Option<Result<Deleted>>> = (0..many).map(|_| None).collect();
    let (mut held, mut together, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for (at, request) in requests.into_iter().enumerate() {
        if let Err(error) = request.address().unversioned() {
            outcomes[at] = Some(Err(error.into()));
            continue;
        }
        let wanted = Wanted { key: request.key, conditions: request.conditions };
        match inner.locks.try_lock(&wanted.key) {
            Some(guard) => {
                let change = KeyChange::begin(inner, &wanted.key);
                held.push(Held { at, _guard: guard, change: change.clone() });
                together.push((wanted, change));
            }
            // It is being changed, or named twice.
            None => alone.push((at, wanted)),
        }
    }
    let (volume, keys) =
        (inner.volume.clone(), together.iter().map(|(wanted, _)| wanted.key.clone()).collect::<Vec<_>>());
    // No job of the disk waits for the lock of a key, so this wait ends.
    let removed = inner.disk.run(move || Ok(Unlinked::all(&volume, &together).tidy(&volume)));
    let removed = removed.await.unwrap_or_else(|error| failed(keys.len(), error));
    let deletions = keys.into_iter().zip(&removed).filter(|(_, removed)| removed.is_ok());
    let deletions: Vec<_> = deletions.map(|(key, _)| IndexChange::Delete(key)).collect();
    let commit = inner.catalog.index_all(inner.bucket, deletions);
    let (places, _changes): (Vec<_>, Vec<_>) = held.into_iter().map(|held| (held.at, held.change)).unzip();
    let committed = commit.await.map_err(|error| Arc::new(StoreError::from(error)));
    for (at, removed) in places.into_iter().zip(removed) {
        outcomes[at] = Some(removed.and_then(|removal| match &committed {
            Ok(()) => Ok(removal.into()),
            Err(error) => Err(shared(error)),
        }));
    }
    for (at, wanted) in alone {
        outcomes[at] = Some(remove_alone(inner, wanted).await);
    }
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| Err(StoreErrorKind::Internal.into())))
        .collect()
}

/// Objects without their files, whose directories are to be tidied.
#[derive(Default)]
pub(super) struct Unlinked {
    outcomes: Vec<Result<Removal>>,
    /// By path, with the objects that were in it.
    dirs: BTreeMap<String, (OwnedFd, Vec<(usize, Fingerprint)>)>,
}

impl Unlinked {
    /// Removes the files of objects whose locks are held, on a thread that may block.
    pub(super) fn all(volume: &Volume, announced: &[Announced]) -> Self {
        let mut all = Self::default();
        for (at, announced) in announced.iter().enumerate() {
            let outcome = all.add(volume, at, announced);
            all.outcomes.push(outcome);
        }
        all
    }

    fn add(&mut self, volume: &Volume, at: usize, (wanted, change): &Announced) -> Result<Removal> {
        let found = volume.look_up(&wanted.key)?;
        if !wanted.conditions.is_empty() {
            publication::check(volume, &wanted.key, &wanted.conditions)?;
        }
        let Some(found) = found else { return Ok(Removal::Absent) };
        change.note()?;
        match volume.unlink(&wanted.key, &found).map_err(failure)? {
            Some((path, dir)) => {
                let (_, removed) = self.dirs.entry(path).or_insert_with(|| (dir, Vec::new()));
                removed.push((at, found.fingerprint));
            }
            None => volume.staging.records.forget(found.fingerprint),
        }
        Ok(Removal::Removed)
    }

    #[cfg(test)]
    pub(super) fn directories(&self) -> usize {
        self.dirs.len()
    }

    /// Makes the removals durable, and returns the outcome of each. Each directory is synced once.
    pub(super) fn tidy(mut self, volume: &Volume) -> Vec<Result<Removal>> {
        // The deepest come first: a directory is removed after those in it.
        for (path, (dir, removed)) in self.dirs.into_iter().rev() {
            let tidied = volume.tidy(&path, dir);
            for (at, fingerprint) in removed {
                match tidied {
                    Ok(()) => volume.staging.records.forget(fingerprint),
                    Err(error) => self.outcomes[at] = Err(failure(error)),
                }
            }
        }
        self.outcomes
    }
}

fn failure(error: Errno) -> StoreError {
    StoreError::of_entry("removing an object", error)
}
