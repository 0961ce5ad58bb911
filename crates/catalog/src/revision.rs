//! Compare-and-swap: what a caller has read, and what it expects to overwrite.
//!
//! Several processes may have one catalog open. A caller that computed a value from something that it read
//! names the revision of what it read; a caller that overwrites any value says so.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Identifies a stored value as it was read. No other value has the same revision, not even after the first
/// value was removed. The revisions of one bucket's documents grow with each change, and so do those of all
/// identities; the revisions of other values have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub i64);

impl Revision {
    /// Nothing is stored.
    pub const NONE: Self = Self(0);

    /// Returns a revision that no other value has, in any process: 63 random bits. It is made here because
    /// the database takes as long to return a row as to write it.
    pub(crate) fn fresh() -> Self {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let random = KEYS.get_or_init(RandomState::new).hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
        Self(i64::try_from(random >> 1).unwrap_or_default() | 1)
    }
}

/// The state that a change requires. In any other state the change fails with `Conflict` and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any stored value is overwritten.
    Any,
    Exactly(Revision),
}

impl Expected {
    pub const ABSENT: Self = Self::Exactly(Revision::NONE);

    pub fn admits(self, found: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(revision) => revision == found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fresh_revisions_are_positive_and_differ() {
        let fresh: HashSet<i64> = (0..10_000).map(|_| Revision::fresh().0).collect();
        assert_eq!(fresh.len(), 10_000);
        assert!(fresh.iter().all(|revision| *revision > Revision::NONE.0));
    }
}
