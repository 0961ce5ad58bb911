//! Background work: what happens without a request. Each job is a [`Worker`](crate::work::Worker): `work` has
//! their loop, and what operators see of them; `work::kind` is the table of them.
//!
//! | file | job |
//! |---|---|
//! | `upkeep` | upkeep of each bucket in turn |
//! | `change_feed` | change feeds of storage that has one |
//! | `contact` | storage that could not be reached |
//! | `expiry` | stale uploads |
//! | `rounds` | what jobs share that go over all buckets |

mod change_feed;
mod contact;
mod expiry;
mod rounds;
mod upkeep;

use crate::{buckets::Buckets, model::BucketName, work::Worker};
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
    let JobSettings { scan_interval, upload_expiry } = settings;
    let mut workers: Vec<Box<dyn Worker>> = vec![
        Box::new(upkeep::Upkeep::new(buckets.clone(), scan_interval)),
        Box::new(contact::Contact(buckets.clone())),
        Box::new(expiry::Expiry { buckets: buckets.clone(), expiry: upload_expiry }),
    ];
    if !scan_interval.is_zero() {
        workers.push(Box::new(change_feed::ChangeFeed::new(buckets.clone(), scan_interval)));
    }
    let jobs = TaskTracker::new();
    for worker in workers {
        jobs.spawn(buckets.workers().clone().live(worker, stop.clone()));
    }
    jobs.close();
    jobs
}

/// Does the upkeep of buckets that came while the server runs, at once: what lies there already is to be
/// listed.
pub fn maintain_new(
    buckets: Arc<Buckets>,
    names: Vec<BucketName>,
    jobs: &TaskTracker,
    stop: CancellationToken,
) {
    if !names.is_empty() {
        jobs.spawn(stop.run_until_cancelled_owned(upkeep::maintain_new(buckets, names)));
    }
}
