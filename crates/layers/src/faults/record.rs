//! The record of faults: counts of all of them, and the latest calls one by one.

use super::plan::FaultKind;
use crate::store::operation::Operation;
use std::collections::{BTreeMap, VecDeque};

/// How many calls are recorded one by one.
const REMEMBERED: usize = 10_000;

/// One call, and the fault that it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The number of the call, from 0.
    pub call: u64,
    pub operation: Operation,
    /// A key, the prefix of a listing, or the location of a bucket.
    pub subject: String,
    pub kind: Option<FaultKind>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    met: BTreeMap<(Operation, Option<FaultKind>), u64>,
}

impl Counts {
    pub fn calls(&self) -> u64 {
        self.met.values().sum()
    }

    pub fn calls_of(&self, operation: Operation) -> u64 {
        self.sum(|of, _| of == operation)
    }

    pub fn faults(&self) -> u64 {
        self.sum(|_, kind| kind.is_some())
    }

    pub fn of(&self, kind: FaultKind) -> u64 {
        self.sum(|_, met| met == Some(kind))
    }

    pub fn done_to(&self, operation: Operation, kind: FaultKind) -> u64 {
        self.met.get(&(operation, Some(kind))).copied().unwrap_or_default()
    }

    fn sum(&self, counts: impl Fn(Operation, Option<FaultKind>) -> bool) -> u64 {
        self.met
            .iter()
            .filter(|((operation, kind), _)| counts(*operation, *kind))
            .map(|(_, count)| count)
            .sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) counts: Counts,
    pub(super) journal: VecDeque<Done>,
}

impl Record {
    pub(super) fn note(&mut self, done: Done) {
        *self.counts.met.entry((done.operation, done.kind)).or_default() += 1;
        if self.journal.len() == REMEMBERED {
            self.journal.pop_front();
        }
        self.journal.push_back(done);
    }
}
