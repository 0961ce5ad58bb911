//! Leases: the right of one process to do, for a while, what only one of several processes may do.
//!
//! One clock decides whether a lease has run out, for all who share the catalog: the catalog's own. Callers
//! measure how long they may rely on their lease by their own monotonic clock, beginning before they asked. A
//! clock that jumps can end a lease too early or too late; the fencing number keeps a former holder from
//! doing harm: it grows with each holder and never begins anew.

use crate::model::Timestamp;
use std::{fmt, sync::Arc};

/// Somebody's right to do what its name says, until it runs out, is released, or somebody else has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    /// One process, or one part of one: a restarted process has another name.
    pub owner: String,
    /// Higher than that of everybody who had the lease before.
    pub fencing: u64,
    /// By the catalog's clock.
    pub until: Timestamp,
}

/// Which clock a catalog goes by. Tests hold it.
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
    /// The system's.
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
