//! Loops over the replies of a storage: pages of a listing, parts, uploads, a log of changes.
//!
//! This module owns the proof that such a loop approaches its end, and the bound where the storage makes up
//! new pages for ever. It does not own the requests: each driver sends them, and says after each reply where
//! to continue.
//!
//! Invariants:
//! - a position that was named before ends the loop with an error, however long the circle is;
//! - where positions have an order, each one is after the one before it;
//! - a loop has an end, whatever the storage answers;
//! - the memory for the proof does not depend on the number of pages.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::hash::{BuildHasher, Hash, RandomState};

/// Pages that one loop may take: a hundred million names at a thousand a page. Whoever asks for more than
/// that has been led astray, or asks for something that nobody waits for.
pub const MOST: u64 = 100_000;

/// The progress of one loop.
#[derive(Debug)]
pub struct Pages {
    /// The activity, for the error: "listing a bucket".
    doing: &'static str,
    most: u64,
    seen: u64,
    hasher: RandomState,
    /// One place of those before, chosen anew at every power of two (Brent): a circle that is entered meets
    /// it.
    kept: Option<u64>,
}

impl Pages {
    pub fn of(doing: &'static str) -> Self {
        Self::at_most(doing, MOST)
    }

    pub fn at_most(doing: &'static str, most: u64) -> Self {
        Self { doing, most, seen: 0, hasher: RandomState::new(), kept: None }
    }

    /// There is another page, at a position whose order is not known: a marker, a cursor, an address.
    pub fn next(&mut self, place: impl Hash) -> Result<()> {
        self.count()?;
        let place = self.hasher.hash_one(place);
        if self.kept == Some(place) {
            return Err(self.astray("the storage names the same place to go on from again and again"));
        }
        if self.seen.is_power_of_two() {
            self.kept = Some(place);
        }
        Ok(())
    }

    /// There is another page, behind `next`, which has to lie behind where this page began.
    pub fn beyond<T: Ord + ?Sized>(&mut self, begun: Option<&T>, next: Option<&T>) -> Result<()> {
        self.count()?;
        match next {
            Some(next) if begun.is_none_or(|begun| next > begun) => Ok(()),
            _ => Err(self.astray("the storage says that there is more, and does not go on")),
        }
    }

    /// There is another page: for loops that see themselves that they go on.
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

    fn steps(mut pages: Pages, places: impl IntoIterator<Item = u64>) -> usize {
        places.into_iter().take_while(|place| pages.next(place).is_ok()).count()
    }

    #[test]
    fn a_circle_of_any_length_ends_soon_after_it_was_entered() {
        for before in [0, 1, 5, 100] {
            for length in [1, 2, 3, 7, 64, 1000] {
                let places = (0..before).chain((0..length).map(|n| 1_000_000 + n).cycle());
                let taken = steps(Pages::of("testing"), places) as u64;
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
