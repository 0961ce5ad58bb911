//! How much a driver asked of its storage: what operators see of each backend.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by a driver, from its beginning.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    repeats: AtomicU64,
    failures: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent, repeats among them.
    pub requests: u64,
    pub repeats: u64,
    /// Requests without a reply: the storage was away, or too slow.
    pub failures: u64,
}

impl Meter {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failures(&self, requests: usize) {
        self.failures.fetch_add(requests as u64, Ordering::Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic { requests: of(&self.requests), repeats: of(&self.repeats), failures: of(&self.failures) }
    }
}
