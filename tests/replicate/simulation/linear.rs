//! Checks whether some order explains what clients saw of one key: linearizability of a register with
//! conditional writes.
//!
//! Invariants:
//! - an operation takes effect at one moment between its begin and its end;
//! - an operation whose end is unknown (5xx, a client that gave up, a gateway that was killed) takes effect
//!   once or never, at any moment after its begin, but not after a change that was begun later and
//!   acknowledged;
//! - an operation that was finally refused has no effect, and the reason for the refusal was true at one
//!   moment.
//!
//! The search is that of Wing and Gong, with Lowe's cache of states that were tried.

use std::{collections::HashSet, fmt};

/// The content of the register, if there is an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    pub etag: Tag,
    /// The version of the tags, which can change without the bytes.
    pub tags: u64,
}

pub type State = Option<Version>;

/// An ETag by its number. `ANY` is an unknown ETag, which may equal any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u32);

impl Tag {
    pub const ANY: Self = Self(u32::MAX);

    fn may_be(self, other: Self) -> bool {
        self == other || self == Self::ANY || other == Self::ANY
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    None,
    Absent,
    Is(Tag),
}

/// The operation that was requested for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Write(Version, Condition),
    Delete(Condition),
    /// A change of the tags only.
    Retag(u64),
    /// A GET or HEAD, with the state that it saw.
    Read(State),
    /// A LIST, which does not show tags.
    Listed(Option<Tag>),
    /// The source of a copy: its bytes have one of two ETags.
    Copied([Tag; 2]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// 412: the object did not meet the condition.
    Refused,
    /// 404: there is no object.
    Missing,
    /// Nothing was done, for a reason that says nothing about the key.
    Nothing,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub client: usize,
    pub action: Action,
    pub answer: Answer,
    /// Moments; no two are equal.
    pub begin: u64,
    pub end: u64,
}

impl Operation {
    fn is_change(&self) -> bool {
        matches!(self.action, Action::Write(..) | Action::Delete(_) | Action::Retag(_))
    }

    /// The state after the operation, if it can happen in `state`.
    fn apply(&self, state: State) -> Option<State> {
        match self.answer {
            Answer::Done | Answer::Unknown => self.effect(state),
            Answer::Refused => self.is_refused(state).then_some(state),
            Answer::Missing => (state.is_none() && self.may_miss()).then_some(state),
            Answer::Nothing => Some(state),
        }
    }

    fn effect(&self, state: State) -> Option<State> {
        match self.action {
            Action::Write(version, condition) => holds(condition, state).then_some(Some(version)),
            Action::Delete(condition) => holds(condition, state).then_some(None),
            Action::Retag(tags) => state.map(|version| Some(Version { tags, ..version })),
            Action::Read(seen) => match (seen, state) {
                (None, None) => Some(state),
                (Some(seen), Some(there)) => {
                    (seen.tags == there.tags && seen.etag.may_be(there.etag)).then_some(state)
                }
                _ => None,
            },
            Action::Listed(seen) => match (seen, state) {
                (None, None) => Some(state),
                (Some(seen), Some(there)) => seen.may_be(there.etag).then_some(state),
                _ => None,
            },
            Action::Copied(seen) => {
                let there = state?;
                seen.iter().any(|etag| etag.may_be(there.etag)).then_some(state)
            }
        }
    }

    /// Whether the operation needs an existing object.
    fn may_miss(&self) -> bool {
        matches!(
            self.action,
            Action::Write(_, Condition::Is(_)) | Action::Delete(Condition::Is(_)) | Action::Retag(_)
        )
    }

    fn is_refused(&self, state: State) -> bool {
        match (self.action, state) {
            (Action::Write(_, condition) | Action::Delete(condition), Some(there)) => match condition {
                Condition::None => false,
                Condition::Absent => true,
                Condition::Is(etag) => etag != there.etag || there.etag == Tag::ANY,
            },
            _ => false,
        }
    }
}

fn holds(condition: Condition, state: State) -> bool {
    match (condition, state) {
        (Condition::None, _) | (Condition::Absent, None) => true,
        (Condition::Is(etag), Some(there)) => etag.may_be(there.etag),
        (Condition::Absent, Some(_)) | (Condition::Is(_), None) => false,
    }
}

/// Why no order explains the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// How many operations the best order explains.
    pub explained: usize,
    /// The state of the key at that point, and the operations that could not come next.
    pub state: State,
    pub stuck: Vec<Operation>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "no order explains it: after {} operations the key holds {:?}, and none of these can be next:",
            self.explained, self.state
        )?;
        self.stuck.iter().try_for_each(|operation| writeln!(f, "    {operation:?}"))
    }
}

/// The operations that are over, as bits.
type Over = Vec<u64>;

fn is_over(over: &Over, at: usize) -> bool {
    over[at / 64] >> (at % 64) & 1 == 1
}

fn mark(over: &mut Over, at: usize) {
    over[at / 64] |= 1 << (at % 64);
}

/// Whether some order explains `operations` on a key that held nothing at first.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    // Operations that show nothing and changed nothing need no place in the order.
    let mut all: Vec<Operation> =
        operations.iter().filter(|operation| operation.answer != Answer::Nothing).copied().collect();
    all.retain(|operation| operation.is_change() || operation.answer != Answer::Unknown);
    // Operations that ended first are tried first; operations that may never have happened are tried last.
    all.sort_by_key(|operation| (operation.answer == Answer::Unknown, operation.end));
    let mut tried: HashSet<(Over, State)> = HashSet::new();
    let mut stack = vec![(vec![0u64; all.len().div_ceil(64).max(1)], None, 0)];
    let mut best: Option<Violation> = None;
    while let Some((over, state, explained)) = stack.pop() {
        if !tried.insert((over.clone(), state)) {
            continue;
        }
        let left = |at: &usize| !is_over(&over, *at);
        let definite = |at: &usize| all[*at].answer != Answer::Unknown;
        let Some(soonest) = (0..all.len()).filter(left).filter(definite).map(|at| all[at].end).min() else {
            return Ok(());
        };
        let may_be_next: Vec<usize> =
            (0..all.len()).filter(left).filter(|at| all[*at].begin < soonest).collect();
        let follow = |at: &usize| {
            let next = all[*at].apply(state)?;
            let mut over = over.clone();
            mark(&mut over, *at);
            if all[*at].is_change() && all[*at].answer == Answer::Done {
                // A change that was given up before this one began can no longer take effect.
                let late =
                    |other: &usize| all[*other].answer == Answer::Unknown && all[*other].end < all[*at].begin;
                (0..all.len()).filter(late).for_each(|other| mark(&mut over, other));
            }
            Some((over, next, explained + 1))
        };
        let nexts: Vec<_> = may_be_next.iter().filter_map(follow).collect();
        if best.as_ref().is_none_or(|best| explained > best.explained) {
            let stuck = may_be_next.iter().filter(|at| definite(at)).map(|at| all[*at]).collect();
            best = Some(Violation { explained, state, stuck });
        }
        // The first candidate has to be popped first.
        stack.extend(nexts.into_iter().rev());
    }
    Err(best.unwrap_or(Violation { explained: 0, state: None, stuck: Vec::new() }))
}

#[cfg(test)]
mod tests {
    use super::{Action::*, Answer::*, *};

    const A: Version = Version { etag: Tag(1), tags: 1 };
    const B: Version = Version { etag: Tag(2), tags: 2 };

    fn at(begin: u64, end: u64, action: Action, answer: Answer) -> Operation {
        Operation { client: 0, action, answer, begin, end }
    }

    fn put(begin: u64, end: u64, version: Version) -> Operation {
        at(begin, end, Write(version, Condition::None), Done)
    }

    fn read(begin: u64, end: u64, seen: State) -> Operation {
        at(begin, end, Read(seen), Done)
    }

    fn is_right(operations: &[Operation]) -> bool {
        check(operations).is_ok()
    }

    #[test]
    fn what_was_acknowledged_is_read_until_something_else_is() {
        assert!(is_right(&[put(1, 2, A), read(3, 4, Some(A)), put(5, 6, B), read(7, 8, Some(B))]));
        assert!(!is_right(&[put(1, 2, A), read(3, 4, None)]), "it is lost");
        assert!(!is_right(&[put(1, 2, A), put(3, 4, B), read(5, 6, Some(A))]), "it comes back");
        assert!(!is_right(&[
            put(1, 2, A),
            at(3, 4, Delete(Condition::None), Done),
            at(5, 6, Listed(Some(A.etag)), Done)
        ]));
    }

    #[test]
    fn those_that_overlap_come_in_any_order_but_in_one() {
        let both = [put(1, 10, A), put(2, 9, B)];
        for last in [A, B] {
            assert!(is_right(&[both[0], both[1], read(11, 12, Some(last)), read(13, 14, Some(last))]));
        }
        assert!(!is_right(&[both[0], both[1], read(11, 12, Some(A)), read(13, 14, Some(B))]));
        assert!(
            !is_right(&[put(1, 2, A), put(3, 20, B), read(4, 5, Some(B)), read(6, 7, Some(A))]),
            "it was seen already"
        );
    }

    #[test]
    fn one_whose_end_is_unknown_happens_once_or_never() {
        let unknown = at(3, 4, Write(B, Condition::None), Unknown);
        assert!(is_right(&[put(1, 2, A), unknown, read(5, 6, Some(A)), read(7, 8, Some(B))]));
        assert!(is_right(&[put(1, 2, A), unknown, read(5, 6, Some(A)), put(7, 8, A), read(9, 10, Some(A))]));
        assert!(
            !is_right(&[put(1, 2, A), unknown, read(5, 6, Some(B)), read(7, 8, Some(A))]),
            "it cannot be taken back"
        );
    }

    #[test]
    fn one_whose_end_is_unknown_is_over_when_a_later_change_is_acknowledged() {
        let unknown = at(1, 2, Write(B, Condition::None), Unknown);
        assert!(!is_right(&[unknown, put(3, 4, A), read(5, 6, Some(B))]));
        let slow = at(1, 4, Write(B, Condition::None), Unknown);
        assert!(is_right(&[slow, put(3, 5, A), read(6, 7, Some(B))]), "they overlap");
    }

    #[test]
    fn conditions_are_checked_at_the_moment_of_the_effect() {
        let create = |begin, end, version, answer| at(begin, end, Write(version, Condition::Absent), answer);
        assert!(is_right(&[create(1, 10, A, Done), create(2, 9, B, Refused)]));
        assert!(!is_right(&[create(1, 10, A, Done), create(2, 9, B, Done)]), "both cannot have created it");
        assert!(!is_right(&[create(1, 2, A, Refused)]), "there was nothing");
        let swap =
            |begin, end, version, answer| at(begin, end, Write(version, Condition::Is(A.etag)), answer);
        assert!(is_right(&[put(1, 2, A), swap(3, 4, B, Done), swap(5, 6, B, Refused), read(7, 8, Some(B))]));
        assert!(!is_right(&[
            put(1, 2, A),
            swap(3, 10, B, Done),
            put(4, 9, A),
            read(11, 12, Some(A)),
            read(13, 14, Some(B))
        ]));
        assert!(!is_right(&[put(1, 2, A), swap(3, 4, B, Missing)]));
        assert!(
            !is_right(&[put(1, 2, A), at(3, 4, Write(B, Condition::None), Refused)]),
            "nothing was asked for that could fail"
        );
        assert!(!is_right(&[at(1, 2, Write(B, Condition::None), Missing)]));
    }

    #[test]
    fn a_put_that_is_acknowledged_and_dropped_although_a_condition_held_meanwhile_is_found() {
        let slow = put(3, 10, Version { etag: Tag(3), tags: 0 });
        let swap = at(4, 9, Write(B, Condition::Is(A.etag)), Done);
        // The slow write can only have come first, and then the condition of the swap did not hold.
        assert!(!is_right(&[put(1, 2, A), slow, swap, read(11, 12, Some(B))]));
        assert!(is_right(&[put(1, 2, A), slow, swap, read(11, 12, Some(Version { etag: Tag(3), tags: 0 }))]));
    }

    #[test]
    fn tags_change_alone() {
        let tagged = Version { tags: 9, ..A };
        assert!(is_right(&[
            put(1, 2, A),
            at(3, 4, Retag(9), Done),
            read(5, 6, Some(tagged)),
            at(7, 8, Listed(Some(A.etag)), Done)
        ]));
        assert!(!is_right(&[put(1, 2, A), at(3, 4, Retag(9), Done), read(5, 6, Some(A))]));
        assert!(!is_right(&[at(1, 2, Retag(9), Done)]), "there is nothing to tag");
        assert!(is_right(&[at(1, 2, Retag(9), Missing)]));
    }

    #[test]
    fn a_version_that_nobody_heard_of_may_be_any_but_its_tags_are_known() {
        let copied = at(1, 2, Write(Version { etag: Tag::ANY, tags: 7 }, Condition::None), Unknown);
        assert!(is_right(&[copied, read(3, 4, Some(Version { etag: Tag(5), tags: 7 }))]));
        assert!(!is_right(&[copied, read(3, 4, Some(Version { etag: Tag(5), tags: 8 }))]));
    }

    #[test]
    fn what_was_refused_for_good_has_no_effect() {
        assert!(is_right(&[put(1, 2, A), at(3, 4, Write(B, Condition::None), Nothing), read(5, 6, Some(A))]));
        assert!(!is_right(&[
            put(1, 2, A),
            at(3, 4, Write(B, Condition::None), Nothing),
            read(5, 6, Some(B))
        ]));
    }
}
