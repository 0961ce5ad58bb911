//! The number of requests of a driver to its storage, and whether the storage is reachable. Operators see
//! both for each backend.

use super::contact::Contact;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of a driver, from the start of the process.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    repeats: AtomicU64,
    failures: AtomicU64,
    contact: Contact,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of requests that were sent, including repeats.
    pub requests: u64,
    pub repeats: u64,
    /// Requests without a reply, because the storage was unreachable or too slow.
    pub failures: u64,
    /// Why the storage was unreachable at the last attempt, if it was.
    pub trouble: Option<String>,
}

impl Meter {
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub fn repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failures(&self, requests: usize) {
        self.failures.fetch_add(requests as u64, Ordering::Relaxed);
    }

    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    pub fn traffic(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            requests: of(&self.requests),
            repeats: of(&self.repeats),
            failures: of(&self.failures),
            trouble: self.contact.trouble(),
        }
    }
}
