//! Background work: what happens without a request. Every job may be interrupted at any point and loses nothing.
//!
//! | job | how often |
//! |---|---|
//! | upkeep: removes the parts of uploads that have ended, scans each bucket for files that others changed | `scan_interval`, and never more than a twentieth of the time |
//! | follow: asks storages that tell what changes in them | every 30 s, or at `scan_interval` if that is less |
//! | contact: asks storages that could not be reached whether they can be now | every 5 s |
//! | expiry: aborts stale uploads, forgets how old ones ended | hourly |

mod contact;
mod expiry;
mod follow;
mod upkeep;

use crate::{
    buckets::{BucketError, Buckets},
    catalog::{BucketRecord, BucketsQuery},
    model::BucketName,
    store::error::StoreErrorKind,
};
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Zero: one scan at the start and no more.
    pub scan_interval: Duration,
    /// Uploads begun longer ago are aborted.
    pub upload_expiry: Duration,
}

/// Starts every job. They end soon after `stop`; the tracker tells when.
pub fn spawn(buckets: Arc<Buckets>, settings: JobSettings, stop: CancellationToken) -> TaskTracker {
    let jobs = TaskTracker::new();
    jobs.spawn(stop.clone().run_until_cancelled_owned(upkeep::run(buckets.clone(), settings.scan_interval)));
    jobs.spawn(stop.clone().run_until_cancelled_owned(contact::run(buckets.clone())));
    jobs.spawn(stop.clone().run_until_cancelled_owned(follow::run(buckets.clone(), settings.scan_interval)));
    jobs.spawn(stop.run_until_cancelled_owned(expiry::run(buckets, settings.upload_expiry)));
    jobs.close();
    jobs
}

/// Tends buckets that came while the server runs at once: what lies there already is to be listed.
pub fn tend_new(buckets: Arc<Buckets>, names: Vec<BucketName>, jobs: &TaskTracker, stop: CancellationToken) {
    if names.is_empty() {
        return;
    }
    let tend = async move {
        for name in names {
            let tended = match buckets.catalog().bucket(&name).await {
                Ok(Some(record)) => one_bucket(&buckets, &record, Round::Tend).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = tended {
                tracing::warn!(bucket = %name, %error, "a new bucket could not be tended yet; the next upkeep tries again");
            }
        }
    };
    jobs.spawn(stop.run_until_cancelled_owned(tend));
}

const PAGE: usize = 1000;

/// What is done with every bucket in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Tend,
    Follow,
}

/// One round over all buckets. One that fails does not keep the others waiting.
async fn each_bucket(buckets: &Buckets, round: Round) -> Result<(), BucketError> {
    let mut after = None;
    loop {
        let page = buckets.list(BucketsQuery { after: after.take(), limit: PAGE, ..Default::default() }).await?;
        for record in &page.buckets {
            match one_bucket(buckets, record, round).await {
                Ok(()) | Err(BucketError::NoSuchBucket) => {}
                // The log said so once, when the entry was met.
                Err(BucketError::Store(error)) if error.kind() == StoreErrorKind::AccessDenied => {
                    tracing::debug!(bucket = %record.bucket.name, ?round, %error, "a bucket cannot be entered");
                }
                // So was this, when the storage was tried.
                Err(error) if is_lost(buckets, record) => {
                    tracing::debug!(bucket = %record.bucket.name, ?round, %error, "upkeep of a bucket failed; it is tried again");
                }
                Err(error) => tracing::error!(bucket = %record.bucket.name, ?round, %error, "upkeep of a bucket failed; it is tried again"),
            }
        }
        match page.buckets.last() {
            Some(last) if page.truncated => after = Some(last.bucket.name.to_string()),
            _ => return Ok(()),
        }
    }
}

/// Whether the storage of a bucket cannot be reached at all.
fn is_lost(buckets: &Buckets, record: &BucketRecord) -> bool {
    let backend = buckets.backend(&record.bucket.backend).ok();
    backend.and_then(|backend| backend.traffic()).is_some_and(|traffic| traffic.trouble.is_some())
}

async fn one_bucket(buckets: &Buckets, record: &BucketRecord, round: Round) -> Result<(), BucketError> {
    let backend = buckets.backend(&record.bucket.backend)?;
    if round == Round::Follow && !backend.tells_changes() {
        return Ok(());
    }
    let bucket = buckets.get(&record.bucket.name).await?;
    match round {
        Round::Tend => bucket.upkeep().tend().await?,
        Round::Follow => bucket.upkeep().follow().await?,
    }
    Ok(())
}
