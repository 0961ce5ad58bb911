//! Whether a replica keeps up with bodies that several replicas receive. Does not own the consequences
//! (`broadcast`).

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a replica kept up with the others at the last body that was long enough to measure.
#[derive(Debug)]
pub(super) struct Pace(AtomicBool);

impl Default for Pace {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Pace {
    pub(super) fn keeps_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, keeps_up: bool) {
        self.0.store(keeps_up, Ordering::Relaxed);
    }
}
