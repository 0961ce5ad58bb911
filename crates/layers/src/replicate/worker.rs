//! What a bucket does for its replicas without being asked. Three loops, so that none waits for another:
//!
//! | loop | what it does | when |
//! |---|---|---|
//! | repairs | drains the queue of repairs | when something was left behind, when a backend comes back, now and then |
//! | care | looks for places that are gone, fills replicas, ends uploads that nobody knows | when a backend comes back, when many objects are missing, now and then |
//! | scrubs | compares all that replicas list with the records | by the setting |

use super::{
    bucket::Bucket,
    member::Member,
    orphans, places, queue, scrub,
    survey::{self, Depth, Pace, Strangers},
    tally::Since,
};
use crate::backend::spread;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Between two looks at what could not be done: at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// The longest rest while all replicas answer: nothing else would tell that what failed may be done now.
const BRIEF: Duration = Duration::from_secs(5);

pub(super) fn start(bucket: &Arc<Bucket>) {
    let own = || Arc::downgrade(bucket);
    bucket.tasks.spawn(again_and_again(own(), bucket.wake.clone(), Chore::Repair));
    bucket.tasks.spawn(again_and_again(own(), bucket.look.clone(), Chore::Care));
    if !bucket.scrub.is_zero() {
        bucket.tasks.spawn(scrubs(own(), bucket.scrub, bucket.stop.clone()));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Repair,
    Care,
}

/// Until the bucket is no more, or is told to stop.
async fn again_and_again(bucket: Weak<Bucket>, wake: Arc<Notify>, chore: Chore) {
    let Some(own) = bucket.upgrade() else { return };
    let (stop, mut recovered): (CancellationToken, Since) = (own.stop.clone(), own.recovered.clone());
    drop(own);
    let mut rest = RESTS.0;
    loop {
        let Some(own) = bucket.upgrade() else { return };
        let round: BoxFuture<'static, bool> = match chore {
            Chore::Repair => Box::pin(repairs(own)),
            Chore::Care => Box::pin(care(own)),
        };
        let is_done = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            is_done = round => is_done,
        };
        // What is left grows old: it is looked at less often, unless something happens.
        let answer = |own: Arc<Bucket>| own.members().iter().all(|member| member.health.is_up());
        let longest = if bucket.upgrade().is_some_and(answer) { BRIEF } else { RESTS.1 };
        rest = if is_done { RESTS.1 } else { (rest * 2).min(longest) };
        if let Some(own) = bucket.upgrade().filter(|_| chore == Chore::Repair) {
            own.repairs_next(Instant::now() + rest);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = wake.notified() => rest = rest.min(RESTS.0 * 4),
            () = recovered.grown() => rest = RESTS.0,
            () = sleep(rest) => {}
        }
    }
}

/// Whether nothing is left to be repaired.
async fn repairs(bucket: Arc<Bucket>) -> bool {
    match queue::drain(&bucket, |_| ()).await {
        Ok(drained) => drained.left == 0,
        Err(error) => {
            tracing::warn!(bucket = %bucket.record.bucket.name, %error, "repairing failed; it is tried again");
            false
        }
    }
}

/// Whether every replica is there and has everything, or will get it from the queue.
async fn care(bucket: Arc<Bucket>) -> bool {
    places::look(&bucket).await;
    // One that is slow, or large, keeps no other waiting.
    let up: Vec<_> = bucket.members().iter().filter(|member| member.health.is_up()).cloned().collect();
    let cares: Vec<BoxFuture<'static, bool>> = up.into_iter().map(|member| care_for(bucket.clone(), member).boxed()).collect();
    let done = join_all(cares).await.into_iter().all(|done| done);
    done & orphans::sweep(&bucket).await
}

async fn care_for(bucket: Arc<Bucket>, member: Arc<Member>) -> bool {
    if !member.is_seeded() {
        return fill(&bucket, &member).await;
    }
    if member.take_missed() {
        let name = &bucket.record.bucket.name;
        tracing::warn!(bucket = %name, backend = member.name, "many objects are missing in a replica: all of it is looked through");
        return scrub::one(&bucket, &member, Depth::Listing, Pace::Full, |_| ()).await.is_ok();
    }
    true
}

async fn fill(bucket: &Arc<Bucket>, member: &Arc<Member>) -> bool {
    match survey::survey(bucket, member, Depth::Listing, Strangers::Adopted, Pace::Full, |_| ()).await {
        Ok(seen) => {
            member.troubles.looked_through(None);
            seen.failed == 0
        }
        Err(error) => {
            let name = &bucket.record.bucket.name;
            match member.troubles.looked_through(Some(&error)) {
                true => {
                    tracing::warn!(bucket = %name, backend = member.name, %error, "a replica could not be looked through; it is tried again")
                }
                false => tracing::debug!(bucket = %name, backend = member.name, %error, "a replica could not be looked through again"),
            }
            false
        }
    }
}

/// All replicas, one after the other, at a pace that leaves the backends to their clients.
async fn scrubs(bucket: Weak<Bucket>, every: Duration, stop: CancellationToken) {
    // Buckets that were opened together are not scrubbed together.
    let mut rest = spread(every, 0.1..1.0);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(rest) => {}
        }
        let Some(own) = bucket.upgrade() else { return };
        let name = own.record.bucket.name.clone();
        let scrubbed = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            scrubbed = scrub::all(&own, Depth::Listing, Pace::Background, |_| ()) => scrubbed,
        };
        match scrubbed {
            Ok(counts) if counts.differing + counts.failed > 0 => {
                let (differing, copied, failed) = (counts.differing, counts.copied, counts.failed);
                tracing::warn!(bucket = %name, differing, copied, failed, "a scrub found replicas that were not as they should be");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(bucket = %name, %error, "a scrub failed; the next one tries again"),
        }
        rest = spread(every, 0.9..1.1);
    }
}
