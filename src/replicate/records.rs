//! The records of a bucket: in the catalog, and before it what is changing now.
//!
//! Invariants:
//! - a row that is held here is at least as new as the catalog's, and is let go only after it was saved;
//! - rows of one key reach the catalog in the order of their changes;
//! - a row is stored as one with a change begun until listings show that change: a crash before that leaves something to resolve,
//!   and so to list;
//! - a row with a change begun that nobody holds is what a crash left, or a write whose end is not known: see `resolve`.

use super::record::{Change, Record, Row};
use crate::{
    catalog::{BucketId, Catalog},
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
    held: Mutex<HashMap<ObjectKey, Arc<Held>>>,
}

#[derive(Debug)]
struct Held {
    now: Mutex<Now>,
    saving: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Now {
    row: Row,
    /// The change begun is in somebody's hands.
    in_hand: bool,
    /// What was decided last and is not in listings yet.
    unshown: Option<Change>,
    /// The catalog may say of a change that it was begun, and not how it ended.
    unsettled: bool,
}

/// A row that somebody changes. Changed under the key's lock only.
#[derive(Debug)]
pub(super) struct Hold {
    records: Arc<Records>,
    key: ObjectKey,
    held: Arc<Held>,
}

/// What a reader finds.
#[derive(Debug)]
pub(super) enum Seen {
    Row(Row),
    /// Nobody knows what stands, until it is resolved.
    Unresolved,
}

impl Records {
    pub(super) fn new(catalog: Arc<dyn Catalog>, bucket: BucketId) -> Arc<Self> {
        Arc::new(Self { catalog, bucket, held: Mutex::default() })
    }

    pub(super) async fn see(&self, key: &ObjectKey) -> Result<Seen> {
        if let Some(seen) = self.seen(key) {
            return Ok(seen);
        }
        let row = self.load(key).await?;
        if row.begun.is_none() {
            return Ok(Seen::Row(row));
        }
        // Perhaps its writer came in between.
        Ok(self.seen(key).unwrap_or(Seen::Unresolved))
    }

    /// The row of a key that somebody is changing.
    pub(super) fn in_flight(&self, key: &ObjectKey) -> Option<Row> {
        Some(self.held().get(key)?.now().row.clone())
    }

    /// Under the key's lock.
    pub(super) async fn hold(self: &Arc<Self>, key: &ObjectKey) -> Result<Hold> {
        let held = |held: Arc<Held>| Hold { records: self.clone(), key: key.clone(), held };
        if let Some(known) = self.held().get(key) {
            return Ok(held(known.clone()));
        }
        let row = self.load(key).await?;
        let unsettled = row.begun.is_some();
        let entry = Arc::new(Held {
            now: Mutex::new(Now { row, in_hand: false, unshown: None, unsettled }),
            saving: tokio::sync::Mutex::default(),
        });
        let fresh = self.held().entry(key.clone()).or_insert(entry).clone();
        Ok(held(fresh))
    }

    async fn load(&self, key: &ObjectKey) -> Result<Row> {
        let row = self.catalog.object(self.bucket, key).await?;
        row.as_ref().map_or_else(|| Ok(Row::default()), Row::parse)
    }

    fn seen(&self, key: &ObjectKey) -> Option<Seen> {
        let held = self.held();
        let now = held.get(key)?.now();
        let is_known = now.row.begun.is_none() || now.in_hand;
        Some(if is_known { Seen::Row(now.row.clone()) } else { Seen::Unresolved })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ObjectKey, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// A change that readers see nothing of until it is decided.
    pub(super) fn begin(&self, change: Change) {
        let mut now = self.held.now();
        now.row.begun = Some(change);
        now.in_hand = true;
    }

    /// What stands from now on. Listings have to be told, and `shown` to be called then.
    pub(super) fn decide(&self, stands: Record) {
        let mut now = self.held.now();
        now.unshown = Some(stands.change.clone());
        (now.row.stands, now.row.begun, now.in_hand) = (Some(stands), None, false);
    }

    /// Listings show the change of this generation.
    pub(super) fn shown(&self, generation: u64) {
        let mut now = self.held.now();
        if now.unshown.as_ref().is_some_and(|change| change.generation == generation) {
            now.unshown = None;
        }
    }

    /// Whether the change begun took effect is for others to find out.
    pub(super) fn leave(&self) {
        self.held.now().in_hand = false;
    }

    pub(super) fn row(&self) -> Row {
        self.held.now().row.clone()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Row) -> T) -> T {
        change(&mut self.held.now().row)
    }

    /// Whether whoever finds the key in the catalog after a crash would look for another change than the latest: what came after that
    /// must not reach any replica before it is written down.
    pub(super) fn is_unsettled(&self) -> bool {
        self.held.now().unsettled
    }

    /// Durable when it returns: the row as it is then.
    pub(super) async fn save(&self) -> Result<()> {
        let _saving = self.held.saving.lock().await;
        let (row, is_settled) = {
            let mut now = self.held.now();
            let begun = now.row.begun.clone().or_else(|| now.unshown.clone());
            now.unsettled |= begun.is_some();
            let is_settled = begun.is_none();
            (Row { begun, ..now.row.clone() }, is_settled)
        };
        self.records.catalog.set_object(self.records.bucket, row.store(&self.key)?).await?;
        self.held.now().unsettled &= !is_settled;
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.records.held();
        // One is the map's, the other ours.
        if Arc::strong_count(&self.held) == 2 {
            held.remove(&self.key);
        }
    }
}
