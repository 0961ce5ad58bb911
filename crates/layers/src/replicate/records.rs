//! The records of a bucket: in the catalog, and in front of it the rows that are being changed.
//!
//! Invariants:
//! - a row that is held here is at least as new as the catalog's, and is released only after it was saved;
//! - rows of one key are written to the catalog in the order of their changes;
//! - a row is stored with a pending change until listings show that change: a crash before that leaves
//!   something to resolve, and so to list;
//! - a row with a pending change that no task holds was left by a crash, or by a write with an unknown
//!   outcome: see `resolve`;
//! - a row in the recent rows equals the catalog's: it is removed there before it can be changed.

use super::{
    recent::Recent,
    record::{Change, Record, Row},
};
use crate::{
    catalog::{BucketId, Catalog, Expected},
    model::ObjectKey,
    store::Result,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(super) struct Records {
    catalog: Arc<dyn Catalog>,
    bucket: BucketId,
    recent: Recent,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    held: HashMap<ObjectKey, Arc<Held>>,
    /// The number of times that a task began to hold a row. If it has grown, data that was read before may be
    /// old.
    count: u64,
}

#[derive(Debug)]
struct Held {
    now: Mutex<Now>,
    saving: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Now {
    row: Row,
    /// A task holds the pending change, and the state before it is known: that state is current until the
    /// change is decided.
    in_hand: bool,
    /// The last decided record, if listings do not show it yet.
    unshown: Option<Arc<Record>>,
    /// The catalog may have the change as pending, without its outcome.
    unsettled: bool,
    /// The catalog has the current row.
    saved: bool,
}

impl Now {
    /// Returns whether the catalog has the row, and nothing about it has to be resolved.
    fn is_settled(&self) -> bool {
        self.saved && !self.unsettled && self.unshown.is_none() && self.row.pending.is_none()
    }
}

/// A row that is being changed. It is changed only under the key's lock.
#[derive(Debug)]
pub(super) struct Hold {
    records: Arc<Records>,
    key: ObjectKey,
    held: Arc<Held>,
}

/// What a reader finds.
#[derive(Debug)]
pub(super) enum SeenRow {
    Row(Row),
    /// The current state is unknown until it is resolved.
    Unresolved,
}

impl Records {
    pub(super) fn new(catalog: Arc<dyn Catalog>, bucket: BucketId, recent: Recent) -> Arc<Self> {
        Arc::new(Self { catalog, bucket, recent, changing: Mutex::default() })
    }

    pub(super) async fn see(&self, key: &ObjectKey) -> Result<SeenRow> {
        let before = {
            let changing = self.changing();
            if let Some(seen) = changing.seen(key) {
                return Ok(seen);
            }
            changing.count
        };
        if let Some(row) = self.recent.get(self.bucket, key) {
            return Ok(SeenRow::Row(row));
        }
        let row = self.load(key).await?;
        let changing = self.changing();
        if row.pending.is_none() {
            if changing.count == before {
                self.recent.keep(self.bucket, key, &row);
            }
            return Ok(SeenRow::Row(row));
        }
        // A writer may have begun to hold the row in between.
        Ok(changing.seen(key).unwrap_or(SeenRow::Unresolved))
    }

    /// Returns the row of a key that is being changed.
    pub(super) fn in_flight(&self, key: &ObjectKey) -> Option<Row> {
        Some(self.changing().held.get(key)?.now().row.clone())
    }

    /// Returns the row of a key, to be changed. The caller holds the key's lock.
    pub(super) async fn hold(self: &Arc<Self>, key: &ObjectKey) -> Result<Hold> {
        let held = |held: Arc<Held>| Hold { records: self.clone(), key: key.clone(), held };
        if let Some(known) = self.changing().held.get(key) {
            return Ok(held(known.clone()));
        }
        let row = match self.recent.get(self.bucket, key) {
            Some(row) => row,
            None => self.load(key).await?,
        };
        let unsettled = row.pending.is_some();
        let entry = Arc::new(Held {
            now: Mutex::new(Now { row, in_hand: false, unshown: None, unsettled, saved: true }),
            saving: tokio::sync::Mutex::default(),
        });
        let mut changing = self.changing();
        changing.count += 1;
        self.recent.forget(self.bucket, key);
        let fresh = changing.held.entry(key.clone()).or_insert(entry).clone();
        Ok(held(fresh))
    }

    async fn load(&self, key: &ObjectKey) -> Result<Row> {
        let row = self.catalog.object(self.bucket, key).await?;
        row.map_or_else(|| Ok(Row::default()), |stored| Row::parse(&stored.row))
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changing {
    fn seen(&self, key: &ObjectKey) -> Option<SeenRow> {
        let now = self.held.get(key)?.now();
        let is_known = now.row.pending.is_none() || now.in_hand;
        Some(if is_known { SeenRow::Row(now.row.clone()) } else { SeenRow::Unresolved })
    }
}

impl Held {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Begins a change that readers do not see until it is decided.
    pub(super) fn begin(&self, change: Change) {
        let mut now = self.held.now();
        // The superseded change may have taken effect, and its client may know that.
        (now.in_hand, now.saved) = (!change.supersedes(), false);
        now.row.pending = Some(change);
    }

    /// Commits `committed`. The caller has to update listings, and then call `shown`.
    pub(super) fn decide(&self, committed: Arc<Record>) {
        let mut now = self.held.now();
        now.unshown = Some(committed.clone());
        (now.row.committed, now.row.pending, now.in_hand, now.saved) = (Some(committed), None, false, false);
    }

    /// Reports that listings show the change of this generation.
    pub(super) fn shown(&self, generation: u64) {
        let mut now = self.held.now();
        if now.unshown.as_ref().is_some_and(|record| record.change.generation == generation) {
            now.unshown = None;
        }
    }

    /// Ends the work on the pending change without an outcome; `resolve` determines it later.
    pub(super) fn leave(&self) {
        self.held.now().in_hand = false;
    }

    pub(super) fn row(&self) -> Row {
        self.held.now().row.clone()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Row) -> T) -> T {
        let mut now = self.held.now();
        now.saved = false;
        change(&mut now.row)
    }

    /// Returns whether the catalog may have an earlier change as pending. After a crash, a gateway would look
    /// for that change: so the later change must be written down before it reaches any replica.
    pub(super) fn is_unsettled(&self) -> bool {
        self.held.now().unsettled
    }

    /// Saves the current row durably.
    pub(super) async fn save(&self) -> Result<()> {
        let _saving = self.held.saving.lock().await;
        let (row, is_settled) = {
            let mut now = self.held.now();
            let pending =
                now.row.pending.clone().or_else(|| now.unshown.as_ref().map(|record| record.change.clone()));
            now.unsettled |= pending.is_some();
            let is_settled = pending.is_none();
            (Row { pending, ..now.row.clone() }, is_settled)
        };
        // One process has the bucket open, and this is the only hold on the key: there is no other writer of
        // the row.
        self.records.catalog.set_object(self.records.bucket, Expected::Any, row.store(&self.key)?).await?;
        let mut now = self.held.now();
        now.unsettled &= !is_settled;
        now.saved = is_settled && now.row.is_still(&row);
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut changing = self.records.changing();
        // Two references mean that only the map and this hold have it.
        if Arc::strong_count(&self.held) == 2 {
            changing.held.remove(&self.key);
            let now = self.held.now();
            if now.is_settled() {
                self.records.recent.keep(self.records.bucket, &self.key, &now.row);
            }
        }
    }
}
