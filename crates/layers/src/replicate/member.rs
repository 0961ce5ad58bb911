//! One replica of a bucket, as its siblings see it.

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

/// Changes on their way to one replica: one that is slow must not gather all there are.
const AT_ONCE: usize = 64;
/// What a replica may take to publish, besides a second for each MiB: longer than drivers take to find out that nobody answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a replica may take to say what it has of a key.
const LOOK: Duration = Duration::from_secs(5);
/// What it may take to begin an answer with more than that.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// A probe that takes longer is not answered.
const PROBE: Duration = Duration::from_secs(5);
/// Missing objects that call for a look at all of a replica.
const BURST: usize = 8;
const PROBED: &str = "causeway-probe";

/// Changes whose conditions a storage may or may not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Put,
    Complete,
    Delete,
}

#[derive(Debug)]
pub(super) struct Member {
    /// Its backend's.
    pub(super) name: String,
    /// Tells it from others of this process.
    pub(super) number: usize,
    /// The bucket that it is to its driver.
    pub(super) record: BucketRecord,
    pub(super) health: Arc<Health>,
    pub(super) backend: Arc<dyn Backend>,
    opened: OnceCell<OpenedBucket>,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
    /// Held while its place is made or removed.
    pub(super) placing: Arc<Mutex<()>>,
    pub(super) pace: Arc<Pace>,
    /// What could not be repaired here.
    pub(super) troubles: Arc<Troubles>,
    /// By `Guarded`: conditions that the storage refused when it was asked for them.
    refused: [AtomicBool; 3],
    seeded: AtomicBool,
    /// It lost its place once, and was not filled again when it was opened.
    refilled: bool,
    /// Its place could not be made with its bucket: nothing is asked of it before somebody has looked what lies there.
    unmade: AtomicBool,
    /// Objects that it should have had and did not, since it was last looked at.
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
        record.bucket.place = replica.place;
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

    /// The same replica, to be opened anew as what the catalog says of it now. It has the same number: changes through both keep one
    /// order.
    pub(super) fn renewed(&self, bucket: &BucketRecord, replica: ReplicaRecord) -> Arc<Self> {
        let mut record = bucket.clone();
        record.id = replica.id;
        record.bucket.backend = replica.backend.clone();
        record.bucket.place = replica.place;
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

    /// Opened when it is first needed: storage that is away when the bucket is opened may be back later. Whoever waited for a turn
    /// until we were told to stop begins nothing any more: after him comes who does not know of it.
    pub(super) async fn opened(&self) -> Result<&OpenedBucket> {
        if self.stop.is_cancelled() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the server is being stopped"));
        }
        if self.is_unmade() {
            // Of a kind that says nothing against the backend, where other buckets may be well.
            return Err(StoreError::new(StoreErrorKind::Busy, "the place of the replica could not be made yet"));
        }
        let open = || async {
            // Opening may make a place anew, and then nobody would know that all that was in it is gone. Whoever opens a replica may hold a
            // key's lock: one that hangs is not waited for.
            if self.is_seeded() && !timely(ANSWER, self.backend.has_place(&self.record)).await? {
                return Err(StoreError::new(StoreErrorKind::Unavailable, "the place of the replica is gone: it is made again soon"));
            }
            self.backend.open(&self.record).await
        };
        self.opened.get_or_try_init(open).await
    }

    pub(super) async fn store(&self) -> Result<Arc<dyn Store>> {
        Ok(self.opened().await?.store.clone())
    }

    /// Whether its place is there, and is the one that it was opened on.
    pub(super) async fn has_place(&self) -> Result<bool> {
        if self.opened.get().is_none() && !timely(ANSWER, self.backend.has_place(&self.record)).await? {
            return Ok(false);
        }
        timely(ANSWER, self.opened().await?.upkeep.is_there()).await
    }

    /// A place among the changes on their way, if there is one.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().try_acquire_owned().ok()
    }

    /// As far as they are known.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.opened.get().map_or_else(|| self.backend.capabilities(), |opened| opened.store.capabilities())
    }

    /// Whether the storage checks conditions of such a change. It is asked before the first one, where that has to be tried out.
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

    /// As far as that is known, without asking.
    pub(super) fn may_check_puts(&self) -> bool {
        let is_refused = self.refused.get(Guarded::Put as usize).is_some_and(|refused| refused.load(Ordering::Relaxed));
        !is_refused && self.capabilities().conditional_writes != Guarantee::Refused
    }

    /// It answered that it knows no conditions of such a change, whatever it was taken for: it is asked for none any more.
    pub(super) fn checks_not(&self, guarded: Guarded) {
        if let Some(refused) = self.refused.get(guarded as usize)
            && !refused.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(backend = self.name, change = ?guarded, "a replica's storage refuses conditions: changes go there without");
        }
    }

    /// It had everything once.
    pub(super) fn is_seeded(&self) -> bool {
        self.seeded.load(Ordering::Acquire)
    }

    /// It had everything, lost its place and is filled anew: what nobody knows there is old.
    pub(super) fn is_refilled(&self) -> bool {
        self.refilled && !self.is_seeded()
    }

    /// It was never looked through: others may have put something there before.
    pub(super) fn is_unexplored(&self) -> bool {
        !self.is_seeded() && !self.refilled
    }

    /// It did not have an object that it should. Whether so many in a row that all of it has to be looked at.
    pub(super) fn missed(&self) -> bool {
        (self.missed.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BURST)
    }

    /// As many objects were missing as call for a look at all of it; counting begins anew.
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

    /// What is known of a key here, by its record.
    pub(super) fn known(&self, record: Option<&Record>) -> Known {
        match record {
            Some(record) => record.known(&self.name),
            None if self.is_seeded() => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// As `known`, by asking where nobody knows.
    pub(super) async fn find(&self, key: &ObjectKey, known: Known) -> Result<Known> {
        match known {
            Known::Unknown => Ok(self.look(key).await?.map_or(Known::Absent, |info| Known::Held(info.etag))),
            known => Ok(known),
        }
    }

    /// What its storage says, or that there is nothing.
    pub(super) async fn look(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>> {
        let head = async { self.store().await?.head(key.current(), &Default::default()).await };
        there(timely(LOOK, head).await)
    }

    /// As `look`, with parts and tags.
    pub(super) async fn describe(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>> {
        let describe = async { self.store().await?.describe(key.current(), &Default::default()).await };
        there(timely(LOOK, describe).await)
    }

    /// Conditions under which a change finds what it expects: one that comes late, after others, finds something else and does
    /// nothing. Where the storage has no such conditions there are none: the key's lane alone keeps the order then.
    pub(super) async fn guard(&self, guarded: Guarded, known: &Known) -> Result<WriteConditions> {
        let none = WriteConditions::default();
        let conditions = match known {
            Known::Unknown => none.clone(),
            Known::Absent => WriteConditions { if_none_match: Some(ETagMatch::Any), ..none.clone() },
            Known::Held(etag) => WriteConditions { if_match: Some(one(etag)), ..none.clone() },
        };
        Ok(if conditions.is_empty() || self.checks(guarded).await? { conditions } else { none })
    }

    /// What of the attributes this storage keeps. The record has them all.
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

    /// What an outcome says of the backend.
    pub(super) fn judge<T>(self: &Arc<Self>, outcome: &Result<T>) {
        self.heed(self.health.judge(outcome.as_ref().err()));
    }

    /// It keeps others waiting.
    pub(super) fn lagged(self: &Arc<Self>) {
        self.heed(self.health.struck("it did not answer in time"));
    }

    /// It kept everybody waiting so long that nobody should wait for it again before it answers a probe.
    pub(super) fn take_out(self: &Arc<Self>, why: &str) {
        self.heed(self.health.struck_out(why));
    }

    fn heed(&self, verdict: Verdict) {
        let why = || self.health.down().map(|(_, why)| why).unwrap_or_default();
        match verdict {
            Verdict::AsBefore => {}
            Verdict::WentDown => {
                tracing::warn!(backend = self.name, why = why(), "a replica is taken out until it answers again");
                self.health.watch(&self.name);
            }
            Verdict::Explained => tracing::warn!(backend = self.name, why = why(), "a replica that is out for being late fails"),
        }
    }
}

#[async_trait]
impl Probe for Member {
    /// By a key that is hardly there: no index of ours and no cache can answer for the storage.
    async fn probe(&self) -> bool {
        if self.is_unmade() {
            return timely(PROBE, self.backend.found(&self.record)).await.is_ok();
        }
        let asked = async {
            let key = ObjectKey::new(PROBED).map_err(|error| StoreError::new(StoreErrorKind::Internal, "a probe").with_source(error))?;
            there(self.store().await?.head(key.current(), &Default::default()).await)?;
            self.backend.check_holder(&self.record).await
        };
        match tokio::time::timeout(PROBE, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) if error.kind() == StoreErrorKind::NoConnection => {
                self.heed(self.health.judge(Some(&error)));
                false
            }
            Ok(Err(error)) if matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Internal | StoreErrorKind::Broken) => {
                // The storage answers, and only our place in it is gone: that is for us to set right.
                let is_gone = matches!(timely(PROBE, self.has_place()).await, Ok(false));
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

/// A replica that never answers must keep nobody waiting for ever.
pub(super) async fn timely<T>(limit: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| StoreError::new(StoreErrorKind::Unavailable, "a replica did not answer in time");
    tokio::time::timeout(limit, answer).await.map_err(late)?
}

/// Limits the time of a change by the number of bytes that it moves. Later changes of the key on this replica wait for it, and so they
/// wait no longer than this limit.
pub(super) async fn in_time<T>(bytes: Option<u64>, change: impl Future<Output = Result<T>>) -> Result<T> {
    timely(PATIENCE + Duration::from_secs(bytes.unwrap_or(0) >> 20), change).await
}

pub(super) fn one(etag: &ETag) -> ETagMatch {
    ETagMatch::OneOf(vec![etag.clone()])
}

/// Too few replicas can be had.
pub(super) fn too_few(had: usize, needed: usize) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{had} replicas answer, and {needed} are needed"))
}

/// A record or a replica has no object where one was just written.
pub(super) fn nothing() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "a write left nothing")
}
