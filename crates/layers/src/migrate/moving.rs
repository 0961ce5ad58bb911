//! A bucket that is at two places: which of them is the truth, and what a change has to do.
//!
//! A change goes to the place that was the truth when it began (its root). Right before it is published it
//! takes a turn, which it keeps until the other place has the change, too. Cutting over waits for all turns and
//! lets no new one begin: so no reader sees a change and then misses it.
//!
//! A change whose root is not the truth any more when its turn comes (a long body, an upload in parts) is late:
//! it is published at its root, which no client reads, and is carried to the truth under the client's conditions.
//!
//! Invariants:
//! - lock order: a turn, then the lock of a key; nobody who has either waits for another turn;
//! - whoever writes to the place that is not the truth holds the key's lock: what is older never replaces what
//!   is newer there.

use super::{
    bring::{self, Brought},
    marks::{Marked, Marks},
    place::Place,
};
use crate::{
    backend::{
        locks::{Guard, Locks},
        migration::{DOCUMENT, Migration, Opening, Side, Site, Stage},
    },
    catalog::{BucketRecord, Catalog, Expected, NewDocument, Revision},
    model::ObjectKey,
    store::{
        Result, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard},
    time::{Instant, timeout},
};

/// How long a change waits for the other place, plus a second for each 4 MiB. After that the worker brings it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long changes do not wait for a place that has failed.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Moving {
    pub(super) bucket: BucketRecord,
    pub(super) catalog: Arc<dyn Catalog>,
    migration: RwLock<Migration>,
    old: Place,
    new: Place,
    pub(super) marks: Arc<Marks>,
    pub(super) locks: Arc<Locks<ObjectKey>>,
    gate: Arc<tokio::sync::RwLock<()>>,
    /// Is held by each change whose root is the old place, or the new one.
    roots: [Arc<()>; 2],
    earlier: Weak<()>,
    /// Calls the worker.
    pub(super) wake: Notify,
    /// Until when changes do not wait for the other place.
    pause: Mutex<Option<Instant>>,
    trouble: Mutex<Option<String>>,
}

/// The root of a change, held while the change is under way.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) side: Side,
    _held: Arc<()>,
}

/// The right to publish a change.
#[derive(Debug)]
pub(super) struct Turn {
    _gate: OwnedRwLockReadGuard<()>,
    /// The key's lock, if the change is late.
    late: Option<Guard<ObjectKey>>,
}

impl Turn {
    pub(super) fn is_late(&self) -> bool {
        self.late.is_some()
    }
}

impl Moving {
    pub(super) fn new(bucket: BucketRecord, catalog: Arc<dyn Catalog>, opening: Opening) -> Self {
        let Opening { migration, old, new, ledger, earlier } = opening;
        let place = |site: &Site, opened| Place { site: site.clone(), opened };
        Self {
            bucket,
            old: place(&migration.from, old),
            new: place(&migration.to, new),
            marks: Arc::new(Marks::new(catalog.clone(), ledger)),
            catalog,
            migration: RwLock::new(migration),
            locks: Arc::default(),
            gate: Arc::default(),
            roots: Default::default(),
            earlier,
            wake: Notify::new(),
            pause: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    pub(super) fn migration(&self) -> Migration {
        self.migration.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stage(&self) -> Stage {
        self.migration.read().unwrap_or_else(PoisonError::into_inner).stage
    }

    pub(super) fn place(&self, side: Side) -> &Place {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    pub(super) fn truth(&self) -> &Place {
        self.place(self.stage().truth())
    }

    /// Returns the place that follows the truth.
    pub(super) fn other(&self) -> &Place {
        self.place(self.stage().truth().other())
    }

    /// Takes a place as the root of a change.
    pub(super) fn root(&self, side: Side) -> Root {
        Root { side, _held: self.roots[side as usize].clone() }
    }

    /// Takes the truth as the root of a change.
    pub(super) fn root_at_truth(&self) -> Root {
        loop {
            let root = self.root(self.stage().truth());
            // The stage may have changed before the root was held.
            if self.stage().truth() == root.side {
                return root;
            }
        }
    }

    /// Returns the number of changes whose root is this place.
    pub(super) fn rooted(&self, side: Side) -> usize {
        Arc::strong_count(&self.roots[side as usize]) - 1
    }

    /// Returns whether no request has the bucket without this layer any more.
    pub(super) fn is_alone(&self) -> bool {
        self.earlier.strong_count() == 0
    }

    /// Marks a key, if its changes go to both places.
    pub(super) async fn mark(&self, key: &ObjectKey) -> Result<Arc<Marked>> {
        let marked = if self.stage().mirrors() { self.marks.mark(key).await? } else { self.marks.enter(key) };
        Ok(Arc::new(marked))
    }

    /// Takes the turn to publish a change.
    pub(super) async fn turn(self: Arc<Self>, marked: Arc<Marked>, side: Side) -> Turn {
        let gate = self.gate.clone().read_owned().await;
        marked.publishes();
        let late = match self.stage().truth() == side {
            true => None,
            false => Some(self.locks.lock(&marked.key).await),
        };
        Turn { _gate: gate, late }
    }

    /// Takes the turn for a change that is published at once, at the truth.
    pub(super) async fn turn_at_truth(&self, marked: &Marked) -> (Root, Turn) {
        let gate = self.gate.clone().read_owned().await;
        marked.publishes();
        // The truth does not change while a turn is held.
        (self.root(self.stage().truth()), Turn { _gate: gate, late: None })
    }

    /// Waits until nobody has a turn, and keeps all others from taking one.
    pub(super) async fn closed(&self, patience: Duration) -> Option<OwnedRwLockWriteGuard<()>> {
        timeout(patience, self.gate.clone().write_owned()).await.ok()
    }

    /// Brings a published change to the other place, or a late one to the truth. Returns what the client is
    /// told.
    pub(super) async fn published(
        self: &Arc<Self>,
        marked: Arc<Marked>,
        root: Root,
        turn: Turn,
        written: Written,
        conditions: WriteConditions,
    ) -> Result<Written> {
        if turn.is_late() {
            let own = self.clone();
            return finished(async move {
                let done = own.carry(&marked, root.side, written, conditions).await;
                drop((turn, root));
                done
            })
            .await;
        }
        self.follow(marked, root, turn, None).await;
        Ok(written)
    }

    /// Brings a late change to the truth. The caller has the key's lock, so that its root still has what it
    /// wrote, or something newer.
    async fn carry(
        &self,
        marked: &Marked,
        side: Side,
        written: Written,
        conditions: WriteConditions,
    ) -> Result<Written> {
        let (from, to, key) = (self.place(side), self.place(side.other()), &marked.key);
        let changes = marked.changes();
        let info = bring::describe(from, key).await?.filter(|info| info.etag == written.etag);
        // What an earlier answer to the same Complete made was replaced since.
        let Some(info) = info else { return Ok(written) };
        match bring::copy(from, to, key, &info, conditions).await {
            Ok(written) => {
                self.settle(marked, changes, None).await;
                Ok(written)
            }
            Err(error) => {
                // The root has what nobody acknowledged.
                if self.stage().mirrors()
                    && let Err(error) = bring::bring(to, from, key, None).await
                {
                    self.failed(&error);
                }
                Err(error)
            }
        }
    }

    /// Lets the other place follow the truth in a published change, and waits for that for a while.
    pub(super) async fn follow(
        self: &Arc<Self>,
        marked: Arc<Marked>,
        root: Root,
        turn: Turn,
        size: Option<u64>,
    ) {
        if !self.stage().mirrors() {
            return;
        }
        if self.pauses() {
            self.wake.notify_one();
            return;
        }
        let own = self.clone();
        let task = tokio::spawn(async move {
            let done = own.reconcile(&marked).await;
            drop((turn, root));
            if let Err(error) = done {
                own.failed(&error);
            }
        });
        let patience = PATIENCE + Duration::from_secs(size.unwrap_or_default() >> 22);
        if timeout(patience, task).await.is_err() {
            let place = &self.other().site.backend;
            let words = format!("backend '{place}' takes longer than {} s for a change", patience.as_secs());
            self.failed(&StoreError::new(StoreErrorKind::Unavailable, words));
        }
    }

    /// Makes the other place what the truth is, for a marked key. The caller has a turn.
    pub(super) async fn reconcile(&self, marked: &Marked) -> Result<Brought> {
        let _lock = self.locks.lock(&marked.key).await;
        let changes = marked.changes();
        let pair = self.marks.pair(&marked.key).await?;
        let (brought, pair) = bring::bring(self.truth(), self.other(), &marked.key, pair.as_deref()).await?;
        marked.is_equal(changes, pair).await?;
        Ok(brought)
    }

    /// The same, with a turn of its own, for the worker. A key that a request works on is left to it.
    pub(super) async fn reconcile_in_turn(&self, key: &ObjectKey) -> Result<Brought> {
        let _gate = self.gate.clone().read_owned().await;
        let marked = self.marks.enter(key);
        if marked.is_shared() {
            return Ok(Brought::Equal);
        }
        self.reconcile(&marked).await
    }

    async fn settle(&self, marked: &Marked, changes: u64, pair: Option<String>) {
        if self.stage().mirrors()
            && let Err(error) = marked.is_equal(changes, pair).await
        {
            // The mark stays: the worker compares the key once more.
            self.failed(&error);
        }
    }

    /// Notes why a change could not be brought. It is marked, and tried again.
    pub(super) fn failed(&self, error: &StoreError) {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        if pause.is_none_or(|until| until <= Instant::now()) {
            tracing::warn!(bucket = %self.bucket.bucket.name, %error, "a change of a bucket that migrates is at one place only; it is tried again");
        }
        *pause = Some(Instant::now() + PAUSE);
        self.set_trouble(Some(error.to_string()));
        self.wake.notify_one();
    }

    fn pauses(&self) -> bool {
        let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        pause.is_some_and(|until| until > Instant::now())
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Changes the migration, durably and then in force. `change` returns why it is refused.
    pub(super) async fn change(
        &self,
        change: impl FnOnce(&mut Migration) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let document = self.catalog.document(self.bucket.id, DOCUMENT).await?;
        let expected = Expected::Exactly(document.map_or(Revision::NONE, |document| document.revision));
        let mut migration = self.migration();
        change(&mut migration).map_err(|why| StoreError::new(StoreErrorKind::InvalidRequest, why))?;
        let document = NewDocument { kind: DOCUMENT.to_owned(), body: migration.write() };
        self.catalog.set_document(self.bucket.id, expected, document).await?;
        *self.migration.write().unwrap_or_else(PoisonError::into_inner) = migration;
        self.wake.notify_one();
        Ok(())
    }
}

/// Completes a change even if its client goes away.
pub(super) async fn finished<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        let words = "a change of a bucket that migrates was interrupted";
        Err(StoreError::new(StoreErrorKind::Internal, words).with_source(error))
    })
}
