//! Locations of deleted buckets that could not be removed, because a member did not answer when its bucket
//! was deleted.
//!
//! They are in the catalog. Removal is tried again when a backend can be reached again, and at intervals.
//! Invariants:
//! - a location is written down before its bucket is forgotten, and is forgotten only once it is gone or
//!   belongs to a bucket again;
//! - a location that belongs to a bucket is not touched: removing a location and creating one there take
//!   turns;
//! - only an empty location is removed.

use super::{
    member::{Member, timely},
    tally::Since,
};
use crate::{
    backend::{
        Backend,
        locks::{Guard, Locks},
    },
    catalog::{BucketId, BucketRecord, BucketsQuery, Catalog, LeftLocation, NewBucket},
    model::{Owner, Timestamp},
    store,
    work::{Backoff, Ended, Failure, JobKind, Run, Stepped, Subject, TurnOutcome, Worker, kind},
};
use async_trait::async_trait;
use futures_util::FutureExt;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, task::unconstrained};

/// Maximum time to remove one location.
const STEP: Duration = Duration::from_secs(20);
/// The time between two rounds: at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
const PAGE: usize = 1000;

type At = (String, String);

#[derive(Debug)]
pub(super) struct LeftLocations {
    catalog: Arc<dyn Catalog>,
    backends: HashMap<String, Arc<dyn Backend>>,
    turns: Arc<Locks<At>>,
    wake: Notify,
    /// The locations that were already reported.
    reported: Mutex<HashSet<At>>,
}

impl LeftLocations {
    pub(super) fn new(catalog: Arc<dyn Catalog>, backends: HashMap<String, Arc<dyn Backend>>) -> Arc<Self> {
        Arc::new(Self {
            catalog,
            backends,
            turns: Arc::default(),
            wake: Notify::new(),
            reported: Mutex::default(),
        })
    }

    /// Records the locations as left behind, durably. They are removed later.
    pub(super) async fn leave(
        &self,
        bucket: &BucketRecord,
        members: impl Iterator<Item = Arc<Member>>,
    ) -> store::Result<()> {
        for member in members {
            let (backend, location, name) =
                (member.name.clone(), member.record.bucket.location.clone(), bucket.bucket.name.clone());
            tracing::info!(bucket = %name, backend, location, "the location of a deleted bucket is removed when its backend answers");
            self.catalog.leave_location(LeftLocation { backend, location, bucket: name }).await?;
        }
        Ok(())
    }

    /// Takes a location for a bucket. It is not removed while the turn is held. `None` means that it is being
    /// removed now.
    pub(super) async fn reclaim(&self, backend: &str, location: &str) -> store::Result<Option<Guard<At>>> {
        // Polled without tokio's budget, which may delay even a free lock.
        let turn = unconstrained(self.turns.lock(&(backend.to_owned(), location.to_owned()))).now_or_never();
        self.catalog.forget_location(backend, location).await?;
        Ok(turn)
    }

    /// Returns whether a location was left by a deleted bucket.
    pub(super) async fn was_left(&self, backend: &str, location: &str) -> store::Result<bool> {
        Ok(self
            .catalog
            .left_locations()
            .await?
            .iter()
            .any(|left| left.backend == backend && left.location == location))
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns whether any location is left.
    async fn round(&self, run: &Run) -> Result<bool, Failure> {
        let left = self.catalog.left_locations().await.map_err(|error| {
            tracing::debug!(%error, "the locations of deleted buckets could not be read");
            Failure::of(&error)
        })?;
        let mut some_left = false;
        for location in left {
            let at = (location.backend.clone(), location.location.clone());
            match self.remove(&location).await {
                Ok(true) => {
                    tracing::info!(bucket = %location.bucket, backend = location.backend, location = location.location, "the location of a deleted bucket was removed");
                    self.reported().remove(&at);
                    run.add("removed", 1);
                    continue;
                }
                Ok(false) => {}
                Err(error) => {
                    if self.reported().insert(at) {
                        tracing::warn!(bucket = %location.bucket, backend = location.backend, location = location.location, %error, "the location of a deleted bucket could not be removed; it is tried again");
                    }
                }
            }
            some_left = true;
            run.add("left", 1);
        }
        Ok(some_left)
    }

    /// Returns `Ok(false)` if the location stays, for a reason that was reported.
    async fn remove(&self, left: &LeftLocation) -> store::Result<bool> {
        let Some(backend) = self.backends.get(&left.backend) else { return Ok(false) };
        let at = (left.backend.clone(), left.location.clone());
        let _turn = self.turns.lock(&at).await;
        if self.has_owner(left).await? {
            return Ok(false);
        }
        if !timely(STEP, backend.remove(&record(left))).await? {
            if self.reported().insert(at) {
                tracing::warn!(bucket = %left.bucket, backend = left.backend, location = left.location, "the location of a deleted bucket stays: something that nobody knows is in it");
            }
            return Ok(false);
        }
        self.catalog.forget_location(&left.backend, &left.location).await?;
        Ok(true)
    }

    /// Returns whether a bucket has the location by now.
    async fn has_owner(&self, left: &LeftLocation) -> store::Result<bool> {
        if let Some(bucket) = self.catalog.bucket(&left.bucket).await? {
            let replicas = self.catalog.replicas(bucket.id).await?;
            if replicas
                .iter()
                .any(|replica| replica.backend == left.backend && replica.location == left.location)
            {
                return Ok(true);
            }
        }
        let mut after = None;
        loop {
            let page = self
                .catalog
                .buckets(BucketsQuery { after: after.take(), limit: PAGE, ..Default::default() })
                .await?;
            let is_owner = |record: &BucketRecord| {
                record.bucket.backend == left.backend && record.bucket.location == left.location
            };
            if page.buckets.iter().any(is_owner) {
                return Ok(true);
            }
            match page.buckets.last() {
                Some(last) if page.truncated => after = Some(last.bucket.name.to_string()),
                _ => return Ok(false),
            }
        }
    }

    fn reported(&self) -> std::sync::MutexGuard<'_, HashSet<At>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the locations of deleted buckets on one backend, which it keeps open.
#[derive(Debug)]
pub(super) struct Removing {
    left: Arc<LeftLocations>,
    backend: Box<str>,
    recovered: Since,
    backoff: Backoff,
}

impl Removing {
    pub(super) fn new(left: Arc<LeftLocations>, backend: &str, recovered: Since) -> Self {
        Self { left, backend: backend.into(), recovered, backoff: Backoff::new(RESTS.0, RESTS.1) }
    }
}

#[async_trait]
impl Worker for Removing {
    fn kind(&self) -> &'static JobKind {
        &kind::LEFT_LOCATIONS
    }

    fn subject(&self) -> Subject {
        Subject::Backend(self.backend.clone())
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        let some_left = self.left.round(run).await?;
        Ok(if some_left { Stepped::Left } else { Stepped::Done })
    }

    fn rest(&mut self, ended: &Ended) -> Option<Duration> {
        Some(self.backoff.after(ended.outcome == TurnOutcome::Done, self.backoff.longest()))
    }

    async fn called(&mut self) {
        tokio::select! {
            biased;
            () = self.left.wake.notified() => {}
            () = self.recovered.grown() => {}
        }
        self.backoff.begin_anew();
    }
}

/// Returns the record in the form that the driver needs. The catalog has no record of the bucket any more.
fn record(left: &LeftLocation) -> BucketRecord {
    let nobody = Owner { id: "".into(), display_name: "".into() };
    let bucket = NewBucket {
        name: left.bucket.clone(),
        owner: nobody,
        created: Timestamp::from_millis(0),
        tenant: Default::default(),
        backend: left.backend.clone(),
        location: left.location.clone(),
    };
    BucketRecord::new(BucketId(0), bucket)
}
