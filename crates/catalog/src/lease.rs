//! Leases: the right of one process to do, for a while, what only one of several processes may do.
//!
//! The catalog's own clock decides, for all processes that share the catalog, whether a lease has expired.
//! Callers measure with their own monotonic clock how long they may rely on a lease, beginning before their
//! request. A clock that jumps can end a lease too early or too late. The fencing number prevents harm by a
//! former holder: it grows with each holder and is never reset.

use crate::model::Timestamp;
use std::{fmt, sync::Arc};

/// The right to do what the name says. It ends when it expires, is released, or passes to another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    /// The holder: one process, or a part of one. A process has another name after a restart.
    pub owner: String,
    /// Higher than the number of every earlier holder.
    pub fencing: u64,
    /// The time of expiry, by the catalog's clock.
    pub until: Timestamp,
}

/// The clock of a catalog. Tests use one that they control.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    /// Returns the clock of the system.
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
