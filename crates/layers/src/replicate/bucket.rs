//! A replicated bucket: its members, and the state that all its operations share.
//!
//! Does not own what a key holds (`finding`).
//!
//! Lock order: first the key's lock, then a position in a lane under it; no holder of these waits for another
//! key. The holder of a position in a lane never waits for a key's lock, so a task may wait for a lane under
//! that lock.

use super::{
    ReadPolicy, WritePolicy,
    bodies::Bodies,
    lanes::Lanes,
    member::{Member, too_few},
    recent::Recent,
    record::{Record, Row},
    records::Records,
    tally::{Since, Tally},
    uploads::Uploads,
};
use crate::{
    backend::{
        changes::Changes,
        locks::{Guard, Locks},
    },
    catalog::{BucketRecord, Catalog, Commit, IndexChange, IndexRow},
    model::{ObjectKey, PartNumber, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, OnceCell, OwnedSemaphorePermit},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Requests that a gateway sent before it was killed are assumed to take effect within this time after the
/// next one has opened the bucket.
const LATE: Duration = Duration::from_secs(10);
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) record: BucketRecord,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) write: WritePolicy,
    pub(super) read: ReadPolicy,
    /// The time between two scrubs; zero means none.
    pub(super) scrub: Duration,
    pub(super) records: Arc<Records>,
    pub(super) locks: Arc<Locks<ObjectKey>>,
    pub(super) lanes: Lanes,
    pub(super) bodies: Arc<Bodies>,
    /// Changes that readers may see and listings do not show yet.
    pub(super) changes: Arc<Changes>,
    pub(super) uploads: Uploads,
    pub(super) parts: Arc<Locks<(UploadId, PartNumber)>>,
    /// Allows one repair of a key on a member (by its number) at a time.
    pub(super) repairing: Arc<Locks<(usize, ObjectKey)>>,
    /// Notifies that repairs are needed.
    pub(super) wake: Arc<Notify>,
    /// Notifies that the members' locations, or the uploads on the members, need a check.
    pub(super) look: Arc<Notify>,
    /// The time at which failed repairs are tried again.
    next_repair: Mutex<Option<Instant>>,
    /// The events that were already reported.
    told: Mutex<HashSet<&'static str>>,
    /// Notifies that a backend can be reached again.
    pub(super) recovered: Since,
    /// Tasks that continue after their request was answered.
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    opened: Instant,
    members: RwLock<Arc<[Arc<Member>]>>,
    /// Set once the changes that a crash left pending were looked for.
    pub(super) caught_up: OnceCell<()>,
    /// A client is deleting the bucket, or has deleted it.
    being_removed: AtomicBool,
    /// Counts replicas that have become complete.
    pub(super) seeded: Tally,
}

/// The parts from which a bucket is opened.
pub(super) struct Opening {
    pub(super) record: BucketRecord,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) write: WritePolicy,
    pub(super) read: ReadPolicy,
    pub(super) scrub: Duration,
    pub(super) recent: Recent,
    pub(super) recovered: Since,
    pub(super) members: Vec<Arc<Member>>,
    pub(super) stop: CancellationToken,
}

/// A member that takes part in a change, with its permit among the changes in progress.
pub(super) type Writer = (Arc<Member>, OwnedSemaphorePermit);

impl Bucket {
    pub(super) fn new(opening: Opening) -> Arc<Self> {
        let Opening { record, catalog, write, read, scrub, recent, recovered, members, stop } = opening;
        Arc::new(Self {
            records: Records::new(catalog.clone(), record.id, recent),
            record,
            catalog,
            write,
            read,
            scrub,
            locks: Arc::default(),
            lanes: Lanes::default(),
            bodies: Arc::default(),
            changes: Arc::default(),
            uploads: Uploads::default(),
            parts: Arc::default(),
            repairing: Arc::default(),
            wake: Arc::default(),
            look: Arc::default(),
            next_repair: Mutex::default(),
            told: Mutex::default(),
            recovered,
            tasks: TaskTracker::new(),
            stop,
            opened: Instant::now(),
            members: RwLock::new(members.into()),
            caught_up: OnceCell::new(),
            being_removed: AtomicBool::new(false),
            seeded: Tally::default(),
        })
    }

    pub(super) fn is_being_removed(&self) -> bool {
        self.being_removed.load(Ordering::Acquire)
    }

    pub(super) fn set_being_removed(&self, is_being_removed: bool) {
        self.being_removed.store(is_being_removed, Ordering::Release);
    }

    /// Returns the members in order of rank.
    pub(super) fn members(&self) -> Arc<[Arc<Member>]> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change_members(&self, change: impl FnOnce(&mut Vec<Arc<Member>>)) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = members.to_vec();
        change(&mut changed);
        changed.sort_by_key(|member| (member.rank(), member.number));
        *members = changed.into();
    }

    /// Replaces a member by a newly opened one.
    pub(super) fn replace(&self, member: &Member, fresh: Arc<Member>) {
        self.change_members(|members| {
            if let Some(place) = members.iter_mut().find(|known| known.number == member.number) {
                *place = fresh;
            }
        });
    }

    pub(super) fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.members().iter().find(|member| member.name == name).cloned()
    }

    /// Returns how many replicas must have a change before it is acknowledged.
    pub(super) fn needed(&self) -> usize {
        match self.write {
            // A replica that is being filled does not count yet.
            WritePolicy::All => self.members().iter().filter(|member| member.is_seeded()).count().max(1),
            WritePolicy::Quorum(count) => count,
            WritePolicy::First | WritePolicy::BestEffort => 1,
        }
    }

    /// Returns the members that take part in a change now.
    pub(super) fn writers(&self) -> Result<Vec<Writer>> {
        let writers: Vec<_> = self
            .members()
            .iter()
            .filter(|member| member.health.is_up())
            .filter_map(|member| Some((member.clone(), member.slot()?)))
            .collect();
        if writers.len() >= self.needed() { Ok(writers) } else { Err(too_few(writers.len(), self.needed())) }
    }

    pub(super) async fn lock(&self, key: &ObjectKey) -> Guard<ObjectKey> {
        self.locks.lock(key).await
    }

    /// Updates what is left to do for a row, based on the current members.
    pub(super) fn settle(&self, row: &mut Row) {
        row.settle(self.members().iter().map(|member| member.name.as_str()), self.is_early());
    }

    /// Returns whether requests of a gateway that was killed may still take effect.
    pub(super) fn is_early(&self) -> bool {
        self.opened.elapsed() < LATE
    }

    /// Enqueues what listings must show. Called under the key's lock, after the change was announced to
    /// `changes`.
    pub(super) fn index(&self, key: &ObjectKey, record: &Record) -> Commit {
        let change = match record.object() {
            Some(object) => IndexChange::Put(IndexRow::of(key, object, Vec::new())),
            None => IndexChange::Delete(key.clone()),
        };
        self.catalog.index(self.record.id, change)
    }

    /// Requests a check of the members soon.
    pub(super) fn call_for_look(&self) {
        self.look.notify_one();
    }

    pub(super) fn repairs_next(&self, at: Instant) {
        *self.next_repair.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Returns the time until failed repairs are tried again. `None` means that they are being tried now.
    pub(super) fn next_repair(&self) -> Option<Duration> {
        let at = *self.next_repair.lock().unwrap_or_else(PoisonError::into_inner);
        at.map(|at| at.saturating_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// Returns whether `what` is to be reported: it is true for the first call only.
    pub(super) fn tells_once(&self, what: &'static str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what)
    }

    /// Requests repairs soon.
    pub(super) fn call_for_repair(&self) {
        self.wake.notify_one();
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Boxed: a task is copied several times before it ends, and tasks of changes are large.
        self.tasks.spawn(Box::pin(task));
    }
}

pub(super) fn interrupted(error: tokio::task::JoinError) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "a change was interrupted").with_source(error)
}
