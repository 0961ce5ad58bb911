//! Scrubs a bucket for an operator: differences are reported as they are found, and progress at intervals.
//! The scrub is shown as a job while it runs.

use super::{PROGRESS_EVERY, Reply, TURN};
use crate::{
    buckets::{
        Bucket, BucketError, Buckets,
        scrub::{self, Depth, ScrubCounts},
    },
    model::{BucketName, Chain},
    store::error::StoreError,
    work::{Failure, Run, Subject, kind},
};
use std::sync::{Mutex, PoisonError};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// Maximum number of findings that wait for the reader: a slow reader slows the scrub down.
const AHEAD: usize = 16;

pub(super) async fn scrub(
    buckets: &Buckets,
    name: &str,
    bytes: bool,
    replies: &mpsc::Sender<Reply>,
) -> Result<ScrubCounts, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    let subject = Subject::Bucket { id: bucket.id(), name: parsed };
    let job = buckets
        .workers()
        .begin(&kind::SCRUB, subject, TURN)
        .await
        .map_err(|failure| format!("bucket '{name}': {failure}"))?;
    let Some(job) = job else {
        return Err(format!(
            "bucket '{name}' is being scrubbed already: 'causeway jobs scrub' shows how far that is"
        ));
    };
    let done = tokio::select! {
        biased;
        () = job.lost() => Err(format!("bucket '{name}': another server scrubs it now")),
        done = look(&bucket, bytes, job.run(), replies) => done.map_err(|error| failed(error.into())),
    };
    job.end(done.as_ref().err().map(Failure::new));
    done
}

async fn look(
    bucket: &Bucket,
    bytes: bool,
    run: &Run,
    replies: &mpsc::Sender<Reply>,
) -> Result<ScrubCounts, StoreError> {
    // A cache would answer instead of the storage.
    let store = bucket.uncached().clone();
    let depth = if bytes { Depth::Bytes } else { Depth::Records };
    let (counts, (findings, mut found)) = (Mutex::new(ScrubCounts::default()), mpsc::channel(AHEAD));
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = scrub::scrub(store, depth, &counts, &findings);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                while let Ok(finding) = found.try_recv() {
                    let _ = replies.send(Reply::Differs(finding)).await;
                }
                count(run, *counts.lock().unwrap_or_else(PoisonError::into_inner));
                return done;
            }
            Some(finding) = found.recv() => {
                // The whole scrub ends when the receiver is gone.
                let _ = replies.send(Reply::Differs(finding)).await;
            }
            _ = ticks.tick() => {
                let so_far = *counts.lock().unwrap_or_else(PoisonError::into_inner);
                count(run, so_far);
                // The scrub does not wait for a reader that is slow or gone.
                let _ = replies.try_send(Reply::Scrubbing(so_far));
            }
        }
    }
}

fn count(run: &Run, ScrubCounts { objects, bytes, differing, failed, .. }: ScrubCounts) {
    for (what, count) in
        [("objects", objects), ("bytes", bytes), ("differing", differing), ("failed", failed)]
    {
        run.set(what, count);
    }
}
