//! A replicated bucket: its members, and what everything that happens in it shares.
//!
//! Does not own what a key holds (`finding`).
//!
//! Order of locks: a key's lock first, a place in a lane under it, and nothing that waits for another key. Whoever is in a lane
//! never waits for a key's lock, so a lane may be waited for under it.

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
    catalog::{BucketRecord, Catalog, Commit, IndexChange},
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

/// What a gateway had sent before it was killed is taken to take effect within so long after the next one has opened the bucket.
const LATE: Duration = Duration::from_secs(10);
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) record: BucketRecord,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) write: WritePolicy,
    pub(super) read: ReadPolicy,
    /// Between two scrubs; zero: none.
    pub(super) scrub: Duration,
    pub(super) records: Arc<Records>,
    pub(super) locks: Arc<Locks<ObjectKey>>,
    pub(super) lanes: Lanes,
    pub(super) bodies: Arc<Bodies>,
    /// Changes that readers may see and listings do not show yet.
    pub(super) changes: Arc<Changes>,
    pub(super) uploads: Uploads,
    pub(super) parts: Arc<Locks<(UploadId, PartNumber)>>,
    /// One repair of a key on a member, by its number, at a time.
    pub(super) repairing: Arc<Locks<(usize, ObjectKey)>>,
    /// Repairs are wanted.
    pub(super) wake: Arc<Notify>,
    /// A look at the places of members is wanted, or at what they keep of uploads.
    pub(super) look: Arc<Notify>,
    /// When what could not be repaired is tried again.
    next_repair: Mutex<Option<Instant>>,
    /// What was told of already.
    told: Mutex<HashSet<&'static str>>,
    /// A backend came back.
    pub(super) recovered: Since,
    /// What goes on after its request was answered.
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    opened: Instant,
    members: RwLock<Arc<[Arc<Member>]>>,
    /// Set once the changes that a crash left begun were looked for.
    pub(super) caught_up: OnceCell<()>,
    /// A client deletes it, or did.
    being_removed: AtomicBool,
    /// Counts replicas that came to have everything.
    pub(super) seeded: Tally,
}

/// What a bucket is made from.
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

/// A member that takes part in a change, and its place among those on their way there.
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

    /// In order of rank.
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

    /// Puts another opening of a member in its place.
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

    /// How many replicas must have a change before it is acknowledged.
    pub(super) fn needed(&self) -> usize {
        match self.write {
            // One that is being filled does not count yet.
            WritePolicy::All => self.members().iter().filter(|member| member.is_seeded()).count().max(1),
            WritePolicy::Quorum(count) => count,
            WritePolicy::First | WritePolicy::BestEffort => 1,
        }
    }

    /// Who takes part in a change now.
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

    /// Settles what is left to do for a row, by who the members are now.
    pub(super) fn settle(&self, row: &mut Row) {
        row.settle(self.members().iter().map(|member| member.name.as_str()), self.is_early());
    }

    /// Whether requests of a gateway that was killed may still take effect.
    pub(super) fn is_early(&self) -> bool {
        self.opened.elapsed() < LATE
    }

    /// Enqueues what listings shall show. Under the key's lock, and after the change was announced to `changes`.
    pub(super) fn index(&self, key: &ObjectKey, record: &Record) -> Commit {
        let change = match record.object() {
            Some(object) => IndexChange::Put(object.row(key)),
            None => IndexChange::Delete(key.clone()),
        };
        self.catalog.index(self.record.id, change)
    }

    /// Looks at members soon.
    pub(super) fn call_for_look(&self) {
        self.look.notify_one();
    }

    pub(super) fn repairs_next(&self, at: Instant) {
        *self.next_repair.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// How long it is until what could not be repaired is tried again. `None`: that is going on.
    pub(super) fn next_repair(&self) -> Option<Duration> {
        let at = *self.next_repair.lock().unwrap_or_else(PoisonError::into_inner);
        at.map(|at| at.saturating_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// Whether nobody was told of it yet.
    pub(super) fn tells_once(&self, what: &'static str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what)
    }

    /// Looks for repairs soon.
    pub(super) fn call_for_repair(&self) {
        self.wake.notify_one();
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Boxed: a task is copied several times before it ends, and those of changes are large.
        self.tasks.spawn(Box::pin(task));
    }
}

pub(super) fn interrupted(error: tokio::task::JoinError) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "a change was interrupted").with_source(error)
}
