//! Loops over the replies of a storage: pages of a listing, parts, uploads, a log of changes.
//!
//! This module owns the proof that such a loop makes progress, and the bound for a storage that makes up new
//! pages without end. It does not own the requests: each driver sends them, and reports after each reply
//! where the loop continues.
//!
//! Invariants:
//! - a position that was reported before ends the loop with an error, no matter how long the circle is;
//! - where positions have an order, each one is after the one before it;
//! - every loop ends, whatever the storage replies;
//! - the memory for the proof does not depend on the number of pages.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::hash::{BuildHasher, Hash, RandomState};

/// The maximum number of pages of one loop: a hundred million names at a thousand per page. A loop with more
/// pages is an error of the storage, or has no client that would wait for it.
pub const MOST: u64 = 100_000;

/// The progress of one loop.
#[derive(Debug)]
pub struct Pages {
    /// The activity, for the error: "listing a bucket".
    doing: &'static str,
    most: u64,
    seen: u64,
    hasher: RandomState,
    /// The hash of one earlier position, replaced at every power of two (Brent): a loop that runs in a circle
    /// meets it.
    kept: Option<u64>,
}

impl Pages {
    pub fn of(doing: &'static str) -> Self {
        Self::at_most(doing, MOST)
    }

    pub fn at_most(doing: &'static str, most: u64) -> Self {
        Self { doing, most, seen: 0, hasher: RandomState::new(), kept: None }
    }

    /// Must be called when there is another page, at a position without an order: a marker, a cursor, an
    /// address.
    pub fn next(&mut self, cursor: impl Hash) -> Result<()> {
        self.count()?;
        let cursor = self.hasher.hash_one(cursor);
        if self.kept == Some(cursor) {
            return Err(self.astray("the storage names the same place to go on from again and again"));
        }
        if self.seen.is_power_of_two() {
            self.kept = Some(cursor);
        }
        Ok(())
    }

    /// Must be called when there is another page after `next`, which has to be after the position where this
    /// page began.
    pub fn beyond<T: Ord + ?Sized>(&mut self, begun: Option<&T>, next: Option<&T>) -> Result<()> {
        self.count()?;
        match next {
            Some(next) if begun.is_none_or(|begun| next > begun) => Ok(()),
            _ => Err(self.astray("the storage says that there is more, and does not go on")),
        }
    }

    /// Must be called when there is another page, by loops that check their own progress.
    pub fn count(&mut self) -> Result<()> {
        self.seen += 1;
        if self.seen <= self.most {
            return Ok(());
        }
        Err(self.astray(&format!("the storage has not come to an end after {} pages", self.most)))
    }

    fn astray(&self, why: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Broken, format!("{}: {why}", self.doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(mut pages: Pages, cursors: impl IntoIterator<Item = u64>) -> usize {
        cursors.into_iter().take_while(|cursor| pages.next(cursor).is_ok()).count()
    }

    #[test]
    fn a_circle_of_any_length_ends_soon_after_it_was_entered() {
        for before in [0, 1, 5, 100] {
            for length in [1, 2, 3, 7, 64, 1000] {
                let cursors = (0..before).chain((0..length).map(|n| 1_000_000 + n).cycle());
                let taken = steps(Pages::of("testing"), cursors) as u64;
                assert!(taken <= 4 * (before + length), "{taken} of {before} and {length}");
            }
        }
    }

    #[test]
    fn places_that_are_all_new_end_at_the_bound_and_not_before() {
        assert_eq!(steps(Pages::at_most("testing", 1000), 0..), 1000);
    }

    #[test]
    fn a_page_that_leads_nowhere_or_back_is_refused() {
        let mut pages = Pages::of("testing");
        assert!(pages.beyond(None, Some("a")).is_ok());
        assert!(pages.beyond(Some("a"), Some("b")).is_ok());
        for (begun, next) in [(Some("b"), Some("b")), (Some("b"), Some("a")), (Some("b"), None), (None, None)]
        {
            let error = pages.beyond(begun, next).expect_err("no progress");
            assert_eq!(
                (error.kind(), error.message().starts_with("testing: ")),
                (StoreErrorKind::Broken, true)
            );
        }
    }
}
