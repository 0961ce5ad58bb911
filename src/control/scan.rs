//! Makes the index of a bucket say what its storage says, now.

use super::{Done, PROGRESS_EVERY, Reply, Scanned};
use crate::{
    backend::{Counts, Progress},
    buckets::{BucketError, Buckets},
    model::BucketName,
    telemetry::log::Chain,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

pub(super) async fn scan(buckets: &Buckets, name: &str, replies: &mpsc::Sender<Reply>) -> Result<Done, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    let progress = Progress::default();
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let walking = bucket.upkeep().walk(&progress);
    tokio::pin!(walking);
    loop {
        tokio::select! {
            walked = &mut walking => {
                return match walked.map_err(|error| failed(error.into()))? {
                    true => Ok(Done::Scanned(progress.counts().into())),
                    false => Ok(Done::Unindexed),
                };
            }
            _ = ticks.tick() => {
                // A reader that is slow, or gone, is no reason to wait.
                let _ = replies.try_send(Reply::Scanning(progress.counts().into()));
            }
        }
    }
}

impl From<Counts> for Scanned {
    fn from(Counts { folders, objects, changed }: Counts) -> Self {
        Self { folders, objects, changed }
    }
}
