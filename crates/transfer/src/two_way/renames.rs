//! A deletion and a new name at one end that are one rename.
//!
//! A name that an end has deleted, and one that it has and did not have, are one rename if the new object has
//! the very ETag and size of the deleted one, and no other name has them. So an MD5 or the like tells it on
//! object stores; on local disk the ETag is made of inode, time and size, which `mv` leaves.
//!
//! Invariants: empty objects and provisional ETags are no rename. A candidate takes 24 bytes, and beyond
//! `MOST` candidates nothing is a rename.

use super::step::Step;
use crate::end::Side;
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

const MOST: usize = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Candidates {
    all: Vec<Candidate>,
    too_many: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    hash: u64,
    is_new: bool,
    /// Where its step is in the plan.
    at: u64,
}

impl Candidates {
    pub(crate) fn add(&mut self, step: &Step, at: u64) {
        let (side, version, is_new) = match step {
            Step::Copy { from, version, over: None } => (*from, version, true),
            Step::Delete { at, gone, .. } => (at.other(), gone, false),
            _ => return,
        };
        if version.size == 0 || version.is_provisional() {
            return;
        }
        if self.all.len() >= MOST {
            self.too_many = true;
            return;
        }
        let mut hasher = DefaultHasher::new();
        (side == Side::Source, version.size, version.etag.as_str()).hash(&mut hasher);
        self.all.push(Candidate { hash: hasher.finish(), is_new, at });
    }

    /// Returns where the deletion and where the new name of each rename are in the plan.
    pub(crate) fn pairs(mut self) -> Vec<(u64, u64)> {
        if self.too_many {
            return Vec::new();
        }
        self.all.sort_unstable();
        let alike = self.all.chunk_by(|left, right| left.hash == right.hash);
        alike
            .filter_map(|alike| match alike {
                [gone, new] if !gone.is_new && new.is_new => Some((gone.at, new.at)),
                _ => None,
            })
            .collect()
    }
}

/// Returns the move that a deletion and a new name are. Their hashes may be equal although they are not, and
/// a name below another one cannot be made while that is a file.
pub(crate) fn joined((old, gone): (&str, &Step), (new, step): (&str, &Step)) -> Option<Step> {
    let (Step::Delete { at, version, gone }, Step::Copy { from, version: now, over: None }) = (gone, step)
    else {
        return None;
    };
    let is_below =
        |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let is_one = *from == at.other() && gone.size == now.size && gone.etag == now.etag;
    (is_one && !is_below(old, new) && !is_below(new, old)).then(|| Step::Move {
        at: *at,
        from: old.to_owned(),
        version: version.clone(),
        now: now.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ETag, Timestamp},
        two_way::version::Version,
    };

    fn version(etag: &str, size: u64) -> Version {
        Version { size, etag: ETag::opaque(etag), modified: Timestamp::from_millis(0) }
    }

    fn gone(etag: &str) -> Step {
        Step::Delete { at: Side::Destination, version: version("d", 3), gone: version(etag, 3) }
    }

    fn new(from: Side, etag: &str) -> Step {
        Step::Copy { from, version: version(etag, 3), over: None }
    }

    #[test]
    fn a_rename_is_one_deletion_and_one_new_name_at_one_end_and_nothing_else_alike() {
        let pairs = |steps: &[Step]| {
            let mut candidates = Candidates::default();
            (0..).zip(steps).for_each(|(at, step)| candidates.add(step, at));
            candidates.pairs()
        };
        assert_eq!(pairs(&[new(Side::Source, "a"), gone("a"), gone("b")]), [(1, 0)]);
        assert_eq!(pairs(&[gone("a"), new(Side::Destination, "a")]), [], "at the other end");
        assert_eq!(pairs(&[gone("a"), gone("a"), new(Side::Source, "a")]), [], "ambiguous");
        assert_eq!(pairs(&[gone("a"), new(Side::Source, "a"), new(Side::Source, "a")]), [], "ambiguous");
        assert_eq!(pairs(&[gone("a-0"), new(Side::Source, "a-0")]), [], "provisional");
    }

    #[test]
    fn names_within_each_other_are_no_rename() {
        let step = |old: &str, name: &str| joined((old, &gone("a")), (name, &new(Side::Source, "a")));
        assert!(step("x", "y").is_some() && step("x", "xy").is_some());
        assert!(step("x", "x/y").is_none() && step("x/y", "x").is_none());
    }
}
