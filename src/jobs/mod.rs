//! Background work: what happens without a request. Every job may be interrupted at any point and loses nothing.
//!
//! | job | how often |
//! |---|---|
//! | upkeep: scans each bucket for files that others changed | `scan_interval`, and never more than a twentieth of the time |
//! | expiry: aborts stale uploads, forgets how old ones ended | hourly |

mod expiry;
mod upkeep;

use crate::buckets::Buckets;
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
    jobs.spawn(stop.run_until_cancelled_owned(expiry::run(buckets, settings.upload_expiry)));
    jobs.close();
    jobs
}
