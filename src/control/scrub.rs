//! Scrubbing a bucket for an operator: what differs is told as it is found, and how far it is now and then.

use super::{PROGRESS_EVERY, Reply};
use crate::{
    buckets::{
        BucketError, Buckets,
        scrub::{self, Depth, ScrubCounts},
    },
    model::BucketName,
    telemetry::log::Chain,
};
use std::sync::{Mutex, PoisonError};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// Findings on their way to the reader: one that is slow slows the scrub down.
const AHEAD: usize = 16;

pub(super) async fn scrub(buckets: &Buckets, name: &str, bytes: bool, replies: &mpsc::Sender<Reply>) -> Result<ScrubCounts, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    // A cache would answer for the storage.
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
                return done.map_err(|error| failed(error.into()));
            }
            Some(finding) = found.recv() => {
                // The whole work ends when nobody hears it any more.
                let _ = replies.send(Reply::Differs(finding)).await;
            }
            _ = ticks.tick() => {
                let so_far = *counts.lock().unwrap_or_else(PoisonError::into_inner);
                // A reader that is slow, or gone, is no reason to wait.
                let _ = replies.try_send(Reply::Scrubbing(so_far));
            }
        }
    }
}
