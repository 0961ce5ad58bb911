//! Turns of several processes that share a catalog: a turn is a lease there.
//!
//! Invariants:
//! - the holder of a turn relies on it only as long as its last granted lease certainly holds, by the
//!   monotonic clock of this process, counted from before the request: after that the turn is lost, whatever
//!   the catalog says;
//! - among the tasks of one process, one task has a turn, as with [`ProcessTurns`]: a lease does not
//!   distinguish them.

use super::{
    Failure,
    turns::{ProcessTurns, Turn, Turns},
};
use crate::catalog::{Catalog, Lease};
use async_trait::async_trait;
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// The prefix of the leases of jobs among all leases.
const PREFIX: &str = "job/";
/// How often a turn that another process has is requested again.
const POLL: Duration = Duration::from_secs(1);

pub struct LeaseTurns {
    catalog: Arc<dyn Catalog>,
    owner: String,
    ttl: Duration,
    own: ProcessTurns,
}

impl LeaseTurns {
    /// `owner` names this process: after a restart it must have another name. If a process dies, its turns
    /// stay taken for `ttl`.
    pub fn new(catalog: Arc<dyn Catalog>, owner: String, ttl: Duration) -> Self {
        Self { catalog, owner, ttl, own: ProcessTurns::default() }
    }

    async fn lease(&self, name: &str, own: &mut Option<Turn>) -> Result<Option<Turn>, Failure> {
        let asked = Instant::now();
        let lease = self.catalog.acquire_lease(&format!("{PREFIX}{name}"), &self.owner, self.ttl).await;
        let Some(lease) = lease.map_err(|error| Failure::of(&error))? else { return Ok(None) };
        let (lost, returned) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(keep(self.catalog.clone(), lease, asked, self.ttl, lost.clone(), returned.clone()));
        Ok(Some(Turn::new((returned.drop_guard(), own.take()), lost)))
    }
}

/// Renews a lease until the turn is given back or lost.
async fn keep(
    catalog: Arc<dyn Catalog>,
    mut lease: Lease,
    asked: Instant,
    ttl: Duration,
    lost: CancellationToken,
    returned: CancellationToken,
) {
    let mut surely = asked + ttl;
    loop {
        tokio::select! {
            biased;
            () = returned.cancelled() => {
                if let Err(error) = catalog.release_lease(&lease).await {
                    tracing::debug!(lease = lease.name, %error, "a lease could not be given back; it runs out");
                }
                return;
            }
            () = sleep_until(surely.min(Instant::now() + ttl / 3)) => {}
        }
        let asked = Instant::now();
        match timeout_at(surely, catalog.renew_lease(&lease, ttl)).await {
            Ok(Ok(Some(renewed))) => (lease, surely) = (renewed, asked + ttl),
            // The next attempt may succeed in time.
            Ok(Err(_)) if Instant::now() < surely => {}
            Ok(_) | Err(_) => return lost.cancel(),
        }
    }
}

#[async_trait]
impl Turns for LeaseTurns {
    async fn take(&self, name: &str) -> Result<Option<Turn>, Failure> {
        let mut own = self.own.take(name).await?;
        if own.is_none() { Ok(None) } else { self.lease(name, &mut own).await }
    }

    async fn wait(&self, name: &str, patience: Duration) -> Result<Option<Turn>, Failure> {
        let until = Instant::now() + patience;
        let mut own = self.own.wait(name, patience).await?;
        if own.is_none() {
            return Ok(None);
        }
        loop {
            if let Some(turn) = self.lease(name, &mut own).await? {
                return Ok(Some(turn));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            sleep(left.min(POLL)).await;
        }
    }
}

impl fmt::Debug for LeaseTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseTurns")
            .field("owner", &self.owner)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
