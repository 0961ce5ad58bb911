//! The keys whose last change one of the two places may lack.
//!
//! A key is marked, durably, before a change of it begins, and the mark is removed once both places are known
//! to have the same. So whatever a kill interrupts is compared again. The rows are those of objects under an id
//! of their own in the catalog: a pending row is a mark, a committed one says how equal objects differ in what
//! their storages report (`bring`).
//!
//! Invariants:
//! - a change is published only while its key is marked;
//! - a mark is removed only by the last one who works on the key, and only if nothing was published since it
//!   compared the places;
//! - memory: keys that a request or the worker works on; all others are known to the catalog alone.

use crate::{
    backend::locks::Locks,
    catalog::{BucketId, Catalog, Expected, ObjectRow, WhichObjects},
    model::ObjectKey,
    store::Result,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Marks that are read at once.
const PAGE: usize = 256;
/// Marks that are counted for an operator at most.
const COUNTED: usize = 10_000;

#[derive(Debug)]
pub(super) struct Marks {
    catalog: Arc<dyn Catalog>,
    ledger: BucketId,
    known: Mutex<HashMap<ObjectKey, Mark>>,
    /// Held while the row of a key is written.
    storing: Arc<Locks<ObjectKey>>,
}

#[derive(Debug, Default)]
struct Mark {
    /// How many work on the key.
    active: u32,
    /// Counts the changes that were, or were about to be, published.
    changes: u64,
    /// The count at which the places were last known to be equal.
    equal: u64,
    is_stored: bool,
}

/// A key that somebody works on. Dropping it leaves the mark to the worker.
#[derive(Debug)]
pub(super) struct Marked {
    marks: Arc<Marks>,
    pub(super) key: ObjectKey,
}

impl Marks {
    pub(super) fn new(catalog: Arc<dyn Catalog>, ledger: BucketId) -> Self {
        Self { catalog, ledger, known: Mutex::default(), storing: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ObjectKey, Mark>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins those who work on a key, without a durable mark.
    pub(super) fn enter(self: &Arc<Self>, key: &ObjectKey) -> Marked {
        self.known().entry(key.clone()).or_default().active += 1;
        Marked { marks: self.clone(), key: key.clone() }
    }

    /// Marks a key durably.
    pub(super) async fn mark(self: &Arc<Self>, key: &ObjectKey) -> Result<Marked> {
        let marked = self.enter(key);
        if !self.is_stored(key) {
            let _storing = self.storing.lock(key).await;
            if !self.is_stored(key) {
                let row =
                    ObjectRow { key: key.clone(), committed: None, pending: Some("changed".to_owned()) };
                self.catalog.set_object_to_remove(self.ledger, Expected::Any, row).await?;
                marked.with(|mark| mark.is_stored = true);
            }
        }
        Ok(marked)
    }

    fn is_stored(&self, key: &ObjectKey) -> bool {
        self.known().get(key).is_some_and(|mark| mark.is_stored)
    }

    /// Returns what was recorded of two equal objects whose storages report them differently.
    pub(super) async fn pair(&self, key: &ObjectKey) -> Result<Option<String>> {
        Ok(self.catalog.object(self.ledger, key).await?.and_then(|stored| stored.row.committed))
    }

    /// Returns a page of marked keys above `after` that nobody works on, and where the next page begins.
    pub(super) async fn waiting(
        &self,
        after: Option<ObjectKey>,
    ) -> Result<(Vec<ObjectKey>, Option<ObjectKey>)> {
        let rows = self.catalog.objects(self.ledger, after, PAGE, WhichObjects::Unsettled).await?;
        let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.key.clone());
        let known = self.known();
        let waits = |row: &ObjectRow| !known.contains_key(&row.key);
        Ok((rows.into_iter().filter(waits).map(|row| row.key).collect(), next))
    }

    /// Returns whether a change was published that one place may lack. Changes that are not published yet do
    /// not count. The caller keeps all others from publishing.
    pub(super) async fn lacks_any(&self) -> Result<bool> {
        let mut after = None;
        loop {
            let rows = self.catalog.objects(self.ledger, after, PAGE, WhichObjects::Unsettled).await?;
            let lacks = |row: &ObjectRow| match self.known().get(&row.key) {
                Some(mark) => mark.equal != mark.changes,
                None => true,
            };
            if rows.iter().any(lacks) {
                return Ok(true);
            }
            if rows.len() < PAGE {
                return Ok(false);
            }
            after = rows.last().map(|row| row.key.clone());
        }
    }

    /// Returns the number of marked keys, up to a limit.
    pub(super) async fn count(&self) -> Result<u64> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self.catalog.objects(self.ledger, after, PAGE, WhichObjects::Unsettled).await?;
            count += rows.len();
            if rows.len() < PAGE || count >= COUNTED {
                return Ok(count.min(COUNTED) as u64);
            }
            after = rows.last().map(|row| row.key.clone());
        }
    }
}

impl Marked {
    fn with<T: Default>(&self, what: impl FnOnce(&mut Mark) -> T) -> T {
        self.marks.known().get_mut(&self.key).map(what).unwrap_or_default()
    }

    /// Returns whether others work on the key, too.
    pub(super) fn is_shared(&self) -> bool {
        self.with(|mark| mark.active > 1)
    }

    /// Says that a change is about to be published.
    pub(super) fn publishes(&self) {
        self.with(|mark| mark.changes += 1);
    }

    /// Returns a number that the next change replaces.
    pub(super) fn changes(&self) -> u64 {
        self.with(|mark| mark.changes)
    }

    /// Says that the places were equal after as many `changes`, and removes the mark if that still holds.
    pub(super) async fn is_equal(&self, changes: u64, pair: Option<String>) -> Result<()> {
        let _storing = self.marks.storing.lock(&self.key).await;
        let is_last = self.with(|mark| {
            mark.equal = mark.equal.max(changes);
            let is_last = mark.active == 1 && mark.equal == mark.changes;
            if is_last {
                // Before the row goes: who comes now marks the key again.
                mark.is_stored = false;
            }
            is_last
        });
        if is_last {
            let row = ObjectRow { key: self.key.clone(), committed: pair, pending: None };
            self.marks.catalog.set_object_to_remove(self.marks.ledger, Expected::Any, row).await?;
        }
        Ok(())
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let mut known = self.marks.known();
        if let Some(mark) = known.get_mut(&self.key) {
            mark.active -= 1;
            if mark.active == 0 {
                known.remove(&self.key);
            }
        }
    }
}
