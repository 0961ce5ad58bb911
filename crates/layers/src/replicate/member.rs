//! One replica of a bucket, as the other replicas see it.

use super::{
    health::{Health, Probe, Verdict},
    pace::Pace,
    record::{Known, Record},
    trouble::Troubles,
};
use crate::{
    backend::{Backend, OpenedBucket},
    catalog::{BucketRecord, ReplicaRecord},
    model::{Attributes, ETag, ObjectInfo, ObjectKey},
    store::{
        Capabilities, Guarantee, Keeping, Result, Store,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Maximum number of changes in progress to one replica: a slow replica must not collect all of them.
const AT_ONCE: usize = 64;
/// Maximum time for a replica to publish, plus a second for each MiB: longer than drivers take to detect that
/// the storage does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum time for a replica to report what it has of a key.
const LOOK: Duration = Duration::from_secs(5);
/// Maximum time for a replica to begin any larger answer.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// A probe that takes longer counts as not answered.
const PROBE: Duration = Duration::from_secs(5);
/// The number of missing objects that causes a full scan of a replica.
const BURST: usize = 8;
const PROBED: &str = "causeway-probe";

/// The kinds of changes whose conditions a storage may or may not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Put,
    Complete,
    Delete,
}

#[derive(Debug)]
pub(super) struct Member {
    /// The name of its backend.
    pub(super) name: String,
    /// Distinguishes the member from others of this process.
    pub(super) number: usize,
    /// The bucket as its driver knows it.
    pub(super) record: BucketRecord,
    pub(super) health: Arc<Health>,
    pub(super) backend: Arc<dyn Backend>,
    opened: OnceCell<OpenedBucket>,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
    /// Held while its location is created or removed.
    pub(super) placing: Arc<Mutex<()>>,
    pub(super) pace: Arc<Pace>,
    /// The repairs that failed on this replica.
    pub(super) troubles: Arc<Troubles>,
    /// By `Guarded`: the storage has refused conditions of this kind.
    refused: [AtomicBool; 3],
    seeded: AtomicBool,
    /// The replica had lost its location before, and was not yet filled again when it was opened.
    refilled: bool,
    /// Its location could not be created with its bucket: it is not used before the worker has checked what
    /// is at that location.
    unmade: AtomicBool,
    /// The number of objects missing on this replica since its last scan.
    missed: AtomicUsize,
    rank: AtomicI64,
}

impl Member {
    pub(super) fn new(
        bucket: &BucketRecord,
        replica: ReplicaRecord,
        backend: Arc<dyn Backend>,
        health: Arc<Health>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let mut record = bucket.clone();
        record.id = replica.id;
        record.bucket.backend = replica.backend.clone();
        record.bucket.location = replica.location;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (slots, pace) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::default());
        Self::made(Self {
            name: replica.backend,
            number,
            record,
            health,
            backend,
            opened: OnceCell::new(),
            stop,
            slots,
            placing: Arc::default(),
            pace,
            troubles: Arc::default(),
            refused: Default::default(),
            seeded: AtomicBool::new(replica.seeded),
            refilled: replica.refilled || replica.unmade,
            unmade: AtomicBool::new(replica.unmade),
            missed: AtomicUsize::new(0),
            rank: AtomicI64::new(replica.rank),
        })
    }

    fn made(member: Self) -> Arc<Self> {
        let member = Arc::new(member);
        let probe: Arc<dyn Probe> = member.clone();
        member.health.probed_through(Arc::downgrade(&probe));
        member
    }

    /// Opens the same replica again with the current data of the catalog. It has the same number, so that
    /// changes through both have one order.
    pub(super) fn renewed(&self, bucket: &BucketRecord, replica: ReplicaRecord) -> Arc<Self> {
        let mut record = bucket.clone();
        record.id = replica.id;
        record.bucket.backend = replica.backend.clone();
        record.bucket.location = replica.location;
        Self::made(Self {
            name: replica.backend,
            number: self.number,
            record,
            health: self.health.clone(),
            backend: self.backend.clone(),
            opened: OnceCell::new(),
            stop: self.stop.clone(),
            slots: self.slots.clone(),
            placing: self.placing.clone(),
            pace: self.pace.clone(),
            troubles: self.troubles.clone(),
            refused: Default::default(),
            seeded: AtomicBool::new(replica.seeded),
            refilled: replica.refilled || replica.unmade,
            unmade: AtomicBool::new(replica.unmade),
            missed: AtomicUsize::new(0),
            rank: AtomicI64::new(replica.rank),
        })
    }

    /// Opens the replica at its first use: storage that cannot be reached when the bucket is opened may be
    /// reachable later. If the server stops while a task waits, the task begins nothing: the next process
    /// would not know of it.
    pub(super) async fn opened(&self) -> Result<&OpenedBucket> {
        if self.stop.is_cancelled() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the server is being stopped"));
        }
        if self.is_unmade() {
            // The error does not count against the backend, where other buckets may work.
            let why = self.troubles.unseen().unwrap_or_else(|| "that is tried soon".to_owned());
            let words = format!("the location of the replica could not be created yet: {why}");
            return Err(StoreError::new(StoreErrorKind::Busy, words));
        }
        let open = || async {
            // Opening may create a location again, which would hide that its content is gone. The caller may
            // hold a key's lock, so a backend that hangs is not waited for.
            if self.is_seeded() && !timely(ANSWER, self.backend.has_location(&self.record)).await? {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the location of the replica is gone: it is made again soon",
                ));
            }
            self.backend.open(&self.record).await
        };
        self.opened.get_or_try_init(open).await
    }

    pub(super) async fn store(&self) -> Result<Arc<dyn Store>> {
        Ok(self.opened().await?.store.clone())
    }

    /// Returns whether its location exists, and is the one on which it was opened.
    pub(super) async fn has_location(&self) -> Result<bool> {
        if self.opened.get().is_none() && !timely(ANSWER, self.backend.has_location(&self.record)).await? {
            return Ok(false);
        }
        timely(ANSWER, self.opened().await?.upkeep.is_there()).await
    }

    /// Returns a permit among the changes in progress, if one is free.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().try_acquire_owned().ok()
    }

    /// Returns its capabilities, as far as they are known.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.opened.get().map_or_else(|| self.backend.capabilities(), |opened| opened.store.capabilities())
    }

    /// Returns whether the storage checks conditions of such a change. If a probe is necessary, it is done
    /// before the first change.
    async fn checks(&self, guarded: Guarded) -> Result<bool> {
        if self.refused.get(guarded as usize).is_some_and(|refused| refused.load(Ordering::Relaxed)) {
            return Ok(false);
        }
        let tried = timely(ANSWER, async { self.store().await?.tried_capabilities().await }).await?;
        let guarantee = match guarded {
            Guarded::Put => tried.conditional_writes,
            Guarded::Complete => tried.conditional_completes,
            Guarded::Delete => tried.conditional_deletes,
        };
        Ok(guarantee != Guarantee::Refused)
    }

    /// Returns whether the storage may check the conditions of a PUT, as far as that is known without asking
    /// it.
    pub(super) fn may_check_puts(&self) -> bool {
        let is_refused =
            self.refused.get(Guarded::Put as usize).is_some_and(|refused| refused.load(Ordering::Relaxed));
        !is_refused && self.capabilities().conditional_writes != Guarantee::Refused
    }

    /// Notes that the storage refused conditions of such a change, whatever was assumed. It is sent none from
    /// now on.
    pub(super) fn checks_not(&self, guarded: Guarded) {
        if let Some(refused) = self.refused.get(guarded as usize)
            && !refused.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(backend = self.name, change = ?guarded, "a replica's storage refuses conditions: changes go there without");
        }
    }

    /// Returns whether the replica was complete once.
    pub(super) fn is_seeded(&self) -> bool {
        self.seeded.load(Ordering::Acquire)
    }

    /// Returns whether the replica was complete, lost its location, and is being filled again. Unknown
    /// objects in it are then old.
    pub(super) fn is_refilled(&self) -> bool {
        self.refilled && !self.is_seeded()
    }

    /// Returns whether the replica was never scanned: it may contain objects created outside Causeway.
    pub(super) fn is_unexplored(&self) -> bool {
        !self.is_seeded() && !self.refilled
    }

    /// Notes a missing object. Returns whether so many are missing that the whole replica must be scanned.
    pub(super) fn missed(&self) -> bool {
        (self.missed.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BURST)
    }

    /// Returns whether so many objects are missing that the replica must be scanned, and restarts the count.
    pub(super) fn take_missed(&self) -> bool {
        self.missed.swap(0, Ordering::Relaxed) >= BURST
    }

    pub(super) fn is_unmade(&self) -> bool {
        self.unmade.load(Ordering::Acquire)
    }

    pub(super) fn set_made(&self) {
        self.unmade.store(false, Ordering::Release);
    }

    pub(super) fn set_seeded(&self) {
        self.seeded.store(true, Ordering::Release);
    }

    pub(super) fn rank(&self) -> i64 {
        self.rank.load(Ordering::Relaxed)
    }

    pub(super) fn set_rank(&self, rank: i64) {
        self.rank.store(rank, Ordering::Relaxed);
    }

    /// Returns what the record says that this replica holds of a key.
    pub(super) fn known(&self, record: Option<&Record>) -> Known {
        match record {
            Some(record) => record.known(&self.name),
            None if self.is_seeded() => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// Like `known`, but asks the storage if the record does not say.
    pub(super) async fn find(&self, key: &ObjectKey, known: Known) -> Result<Known> {
        match known {
            Known::Unknown => Ok(self.look(key).await?.map_or(Known::Absent, |info| Known::Held(info.etag))),
            known => Ok(known),
        }
    }

    /// Returns the object that the replica's storage reports; `None` if there is none.
    pub(super) async fn look(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>> {
        let head = async { self.store().await?.head(key.current(), &Default::default()).await };
        there(timely(LOOK, head).await)
    }

    /// Like `look`, but with parts and tags.
    pub(super) async fn describe(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>> {
        let describe = async { self.store().await?.describe(key.current(), &Default::default()).await };
        there(timely(LOOK, describe).await)
    }

    /// Returns conditions under which a change finds the state that it expects. A change that arrives late,
    /// after others, then finds another state and does nothing. If the storage supports no such conditions,
    /// there are none, and only the key's lane keeps the order.
    pub(super) async fn guard(&self, guarded: Guarded, known: &Known) -> Result<WriteConditions> {
        let none = WriteConditions::default();
        let conditions = match known {
            Known::Unknown => none.clone(),
            Known::Absent => WriteConditions { if_none_match: Some(ETagMatch::Any), ..none.clone() },
            Known::Held(etag) => WriteConditions { if_match: Some(one(etag)), ..none.clone() },
        };
        Ok(if conditions.is_empty() || self.checks(guarded).await? { conditions } else { none })
    }

    /// Returns the attributes that this storage keeps. The record has all of them.
    pub(super) fn keeps(&self, attributes: &Attributes) -> Attributes {
        let capabilities = self.capabilities();
        let mut kept = attributes.clone();
        if capabilities.tags == Keeping::NotKept {
            kept.tags = Default::default();
        }
        if capabilities.object_acls == Keeping::NotKept {
            kept.acl = Default::default();
        }
        kept
    }

    /// Evaluates what an outcome says about the backend.
    pub(super) fn judge<T>(self: &Arc<Self>, outcome: &Result<T>) {
        self.heed(self.health.judge(outcome.as_ref().err()));
    }

    /// Reports that the replica keeps other requests waiting.
    pub(super) fn lagged(self: &Arc<Self>) {
        self.heed(self.health.struck("it did not answer in time"));
    }

    /// Takes the replica out: it kept all requests waiting for so long that none should wait for it again
    /// before it answers a probe.
    pub(super) fn take_out(self: &Arc<Self>, why: &str) {
        self.heed(self.health.struck_out(why));
    }

    fn heed(&self, verdict: Verdict) {
        let why = || self.health.down().map(|(_, why)| why).unwrap_or_default();
        match verdict {
            Verdict::AsBefore => {}
            Verdict::WentDown => {
                tracing::warn!(
                    backend = self.name,
                    why = why(),
                    "a replica is taken out until it answers again"
                );
                self.health.watch(&self.name);
            }
            Verdict::Explained => {
                tracing::warn!(backend = self.name, why = why(), "a replica that is out for being late fails")
            }
        }
    }
}

#[async_trait]
impl Probe for Member {
    /// Probes with a key that hardly exists: no index and no cache can then answer for the storage.
    async fn probe(&self) -> bool {
        if self.is_unmade() {
            return timely(PROBE, self.backend.found(&self.record)).await.is_ok();
        }
        let asked = async {
            let key = ObjectKey::new(PROBED)
                .map_err(|error| StoreError::new(StoreErrorKind::Internal, "a probe").with_source(error))?;
            there(self.store().await?.head(key.current(), &Default::default()).await)?;
            self.backend.check_holder(&self.record).await
        };
        match tokio::time::timeout(PROBE, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) if error.kind() == StoreErrorKind::NoConnection => {
                self.heed(self.health.judge(Some(&error)));
                false
            }
            Ok(Err(error))
                if matches!(
                    error.kind(),
                    StoreErrorKind::Unavailable | StoreErrorKind::Internal | StoreErrorKind::Broken
                ) =>
            {
                // The storage answers, and only the location in it is gone: the worker repairs that.
                let is_gone = matches!(timely(PROBE, self.has_location()).await, Ok(false));
                if !is_gone {
                    self.heed(self.health.judge(Some(&error)));
                }
                is_gone
            }
            Ok(Err(error)) => error.kind() != StoreErrorKind::Busy,
            Err(_) => false,
        }
    }
}

fn there(found: Result<ObjectInfo>) -> Result<Option<ObjectInfo>> {
    match found {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
        Err(error) => Err(error),
    }
}

/// Limits the time of an answer: a replica that never answers must not block a caller for ever.
pub(super) async fn timely<T>(limit: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| StoreError::new(StoreErrorKind::Unavailable, "a replica did not answer in time");
    tokio::time::timeout(limit, answer).await.map_err(late)?
}

/// Limits the time of a change by the number of bytes that it moves. Later changes of the key on this replica
/// wait for it, and so they wait no longer than this limit.
pub(super) async fn in_time<T>(bytes: Option<u64>, change: impl Future<Output = Result<T>>) -> Result<T> {
    timely(PATIENCE + Duration::from_secs(bytes.unwrap_or(0) >> 20), change).await
}

pub(super) fn one(etag: &ETag) -> ETagMatch {
    ETagMatch::OneOf(vec![etag.clone()])
}

/// Returns the error for too few replicas that can be reached.
pub(super) fn too_few(had: usize, needed: usize) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{had} replicas answer, and {needed} are needed"))
}

/// Returns the error for a record or a replica that has no object where one was just written.
pub(super) fn nothing() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "a write left nothing")
}
