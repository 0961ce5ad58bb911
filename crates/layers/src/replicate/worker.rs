//! Background work for the replicas of a bucket. There are three jobs, so that none waits for another:
//! - repair drains the queue of repairs: when a replica was left behind, when a backend can be reached again,
//!   and at intervals;
//! - care looks for locations that are gone, fills replicas, and ends unknown uploads: when a backend can be
//!   reached again, when many objects are missing, and at intervals;
//! - scrub compares all that replicas list with the records, at the interval of the setting.

use super::{
    bucket::Bucket,
    locations,
    member::Member,
    orphans, queue,
    repair::Repaired,
    scrub,
    survey::{self, Depth, Pace, StrayObjects, Surveyed},
    tally::Since,
};
use crate::{
    backend::spread,
    catalog::BucketId,
    model::BucketName,
    store::error::StoreError,
    work::{Backoff, Ended, Failure, JobKind, Run, Stepped, Subject, TurnOutcome, Worker, Workers, kind},
};
use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// The time between two attempts at work that failed: at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// The longest rest while all replicas answer: no event reports that a failed repair may work now.
const BRIEF: Duration = Duration::from_secs(5);

pub(super) fn start(bucket: &Arc<Bucket>, workers: &Workers) {
    let worker = |chore| Chores {
        bucket: Arc::downgrade(bucket),
        subject: Subject::Bucket { id: bucket.record.id, name: bucket.record.bucket.name.clone() },
        chore,
        wake: if chore == Chore::Repair { bucket.wake.clone() } else { bucket.look.clone() },
        recovered: bucket.recovered.clone(),
        backoff: Backoff::new(RESTS.0, RESTS.1),
    };
    let live =
        |worker: Box<dyn Worker>| drop(bucket.tasks.spawn(workers.clone().live(worker, bucket.stop.clone())));
    live(Box::new(worker(Chore::Repair)));
    live(Box::new(worker(Chore::Care)));
    if !bucket.scrub.is_zero() {
        let (every, name) = (bucket.scrub, bucket.record.bucket.name.clone());
        live(Box::new(Scrubs { bucket: Arc::downgrade(bucket), id: bucket.record.id, name, every }));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Repair,
    Care,
}

/// Runs until the bucket is deleted.
#[derive(Debug)]
struct Chores {
    bucket: Weak<Bucket>,
    subject: Subject,
    chore: Chore,
    wake: Arc<Notify>,
    recovered: Since,
    backoff: Backoff,
}

#[async_trait]
impl Worker for Chores {
    fn kind(&self) -> &'static JobKind {
        match self.chore {
            Chore::Repair => &kind::REPLICA_REPAIR,
            Chore::Care => &kind::REPLICA_CARE,
        }
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        let Some(own) = self.bucket.upgrade() else { return Ok(Stepped::Gone) };
        let is_done = match self.chore {
            Chore::Repair => repairs(own, run).await?,
            Chore::Care => care(own, run).await?,
        };
        Ok(if is_done { Stepped::Done } else { Stepped::Left })
    }

    /// Work that keeps failing is tried less often, unless an event occurs.
    fn rest(&mut self, ended: &Ended) -> Option<Duration> {
        let own = self.bucket.upgrade();
        let answer = |own: &Arc<Bucket>| own.members().iter().all(|member| member.health.is_up());
        let longest = if own.as_ref().is_some_and(answer) { BRIEF } else { self.backoff.longest() };
        let rest = self.backoff.after(ended.outcome == TurnOutcome::Done, longest);
        if let Some(own) = own.filter(|_| self.chore == Chore::Repair) {
            own.repairs_next(Instant::now() + rest);
        }
        Some(rest)
    }

    async fn called(&mut self) {
        tokio::select! {
            biased;
            () = self.wake.notified() => self.backoff.new_work(RESTS.0 * 4),
            () = self.recovered.grown() => self.backoff.begin_anew(),
        }
    }
}

/// Returns whether nothing is left to be repaired.
async fn repairs(bucket: Arc<Bucket>, run: &Run) -> Result<bool, Failure> {
    let counted = |Repaired { copied, removed, found, left }| {
        let counts = [("copied", copied), ("removed", removed), ("found", found), ("left", left)];
        counts.into_iter().for_each(|(what, count)| run.set(what, count));
    };
    match queue::drain(&bucket, counted).await {
        Ok(drained) => Ok(drained.left == 0),
        Err(error) => {
            tracing::warn!(bucket = %bucket.record.bucket.name, %error, "repairing failed; it is tried again");
            Err(Failure::of(&error))
        }
    }
}

/// Returns whether every replica exists and is complete, or will be completed by the queue.
async fn care(bucket: Arc<Bucket>, run: &Run) -> Result<bool, Failure> {
    locations::look(&bucket).await;
    // A replica that is slow, or large, does not block the others.
    let up: Vec<_> = bucket.members().iter().filter(|member| member.health.is_up()).cloned().collect();
    let cares = up.into_iter().map(|member| care_for(bucket.clone(), member, run).boxed());
    let cares: Vec<BoxFuture<'_, Result<bool, Failure>>> = cares.collect();
    let cared = join_all(cares).await;
    let swept = orphans::sweep(&bucket).await;
    let mut done = swept;
    for one in cared {
        done &= one?;
    }
    Ok(done)
}

async fn care_for(bucket: Arc<Bucket>, member: Arc<Member>, run: &Run) -> Result<bool, Failure> {
    let failed =
        |error: &StoreError| Failure::new(format!("backend '{}': {}", member.name, Failure::of(error)));
    if !member.is_seeded() {
        return fill(&bucket, &member, run).await.map_err(|error| failed(&error));
    }
    if member.take_missed() {
        let name = &bucket.record.bucket.name;
        tracing::warn!(bucket = %name, backend = member.name, "many objects are missing in a replica: all of it is scanned");
        let looked = scrub::one(&bucket, &member, Depth::Listing, Pace::Full, counting(run)).await;
        return looked.map(|_| true).map_err(|error| failed(&error));
    }
    Ok(true)
}

/// Adds to the counts of a run what a scan has found since its last report.
fn counting(run: &Run) -> impl FnMut(Surveyed) {
    let mut before = Surveyed::default();
    move |now| {
        run.add("objects", now.objects.saturating_sub(before.objects));
        run.add("copied", now.copied.saturating_sub(before.copied));
        before = now;
    }
}

async fn fill(bucket: &Arc<Bucket>, member: &Arc<Member>, run: &Run) -> Result<bool, StoreError> {
    match survey::survey(bucket, member, Depth::Listing, StrayObjects::Adopted, Pace::Full, counting(run))
        .await
    {
        Ok(seen) => {
            member.troubles.looked_through(None);
            Ok(seen.failed == 0)
        }
        Err(error) => {
            let name = &bucket.record.bucket.name;
            if member.troubles.looked_through(Some(&error)) {
                tracing::warn!(bucket = %name, backend = member.name, %error, "a replica could not be scanned; it is tried again")
            } else {
                tracing::debug!(bucket = %name, backend = member.name, %error, "a replica could not be scanned again")
            }
            Err(error)
        }
    }
}

/// Scrubs all replicas, one after the other, at a pace that leaves the backends to their clients.
#[derive(Debug)]
struct Scrubs {
    bucket: Weak<Bucket>,
    id: BucketId,
    name: BucketName,
    every: Duration,
}

#[async_trait]
impl Worker for Scrubs {
    fn kind(&self) -> &'static JobKind {
        &kind::REPLICA_SCRUB
    }

    fn subject(&self) -> Subject {
        Subject::Bucket { id: self.id, name: self.name.clone() }
    }

    /// Buckets that were opened together are not scrubbed at the same time.
    fn first_rest(&self) -> Duration {
        spread(self.every, 0.1..1.0)
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        let Some(own) = self.bucket.upgrade() else { return Ok(Stepped::Gone) };
        let counted = |Surveyed { objects, differing, copied, failed, .. }| {
            let counts =
                [("objects", objects), ("differing", differing), ("copied", copied), ("failed", failed)];
            counts.into_iter().for_each(|(what, count)| run.set(what, count));
        };
        match scrub::all(&own, Depth::Listing, Pace::Background, counted).await {
            Ok(counts) if counts.differing + counts.failed > 0 => {
                let (differing, copied, failed) = (counts.differing, counts.copied, counts.failed);
                tracing::warn!(bucket = %self.name, differing, copied, failed, "a scrub found replicas that were not as they should be");
                Ok(if failed == 0 { Stepped::Done } else { Stepped::Left })
            }
            Ok(_) => Ok(Stepped::Done),
            Err(error) => {
                tracing::warn!(bucket = %self.name, %error, "a scrub failed; the next one tries again");
                Err(Failure::of(&error))
            }
        }
    }

    fn rest(&mut self, _ended: &Ended) -> Option<Duration> {
        Some(spread(self.every, 0.9..1.1))
    }
}
