//! Brings the index of a bucket up to date with its storage, now. The scan is shown as a job while it runs.

use super::{Done, PROGRESS_EVERY, Reply, Scanned, TURN};
use crate::{
    backend::{Counts, Depth, Progress},
    buckets::{Bucket, BucketError, Buckets},
    model::{BucketName, Chain},
    store::error::StoreError,
    work::{Failure, Run, Subject, kind},
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

pub(super) async fn scan(
    buckets: &Buckets,
    name: &str,
    depth: Depth,
    replies: &mpsc::Sender<Reply>,
) -> Result<Done, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    let subject = Subject::Bucket { id: bucket.id(), name: parsed };
    let job = buckets
        .workers()
        .begin(&kind::SCAN, subject, TURN)
        .await
        .map_err(|failure| format!("bucket '{name}': {failure}"))?;
    let Some(job) = job else {
        return Err(format!(
            "bucket '{name}' is being scanned already: 'causeway jobs scan' shows how far that is"
        ));
    };
    let done = tokio::select! {
        biased;
        () = job.lost() => Err(format!("bucket '{name}': another server scans it now")),
        done = walk(&bucket, depth, job.run(), replies) => done.map_err(|error| failed(error.into())),
    };
    job.end(done.as_ref().err().map(Failure::new));
    done
}

async fn walk(
    bucket: &Bucket,
    depth: Depth,
    run: &Run,
    replies: &mpsc::Sender<Reply>,
) -> Result<Done, StoreError> {
    let progress = Progress::default();
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let walking = bucket.upkeep().scan(depth, &progress);
    tokio::pin!(walking);
    loop {
        tokio::select! {
            walked = &mut walking => {
                count(run, progress.counts());
                return Ok(if walked? { Done::Scanned(progress.counts().into()) } else { Done::Unindexed });
            }
            _ = ticks.tick() => {
                count(run, progress.counts());
                // The scan does not wait for a reader that is slow or gone.
                let _ = replies.try_send(Reply::Scanning(progress.counts().into()));
            }
        }
    }
}

fn count(run: &Run, Counts { folders, objects, changed }: Counts) {
    for (what, count) in [("folders", folders), ("objects", objects), ("changed", changed)] {
        run.set(what, count);
    }
}

impl From<Counts> for Scanned {
    fn from(Counts { folders, objects, changed }: Counts) -> Self {
        Self { folders, objects, changed }
    }
}
