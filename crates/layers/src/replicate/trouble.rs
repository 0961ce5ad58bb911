//! Why a replica lacks objects: for each key that could not be repaired, the last failure and since when; and
//! why the replica could not be scanned.
//!
//! This is in memory only: after a start, the next round of repairs notes the failures again. Invariants:
//! - a cause is logged once, not for each key that has it;
//! - a key whose repair succeeded, or that needs no repair any more, is removed after the round that showed
//!   this;
//! - memory is bounded: beyond a maximum number of keys, further ones are not noted individually.

use crate::{
    backend::Trouble,
    model::{ObjectKey, Timestamp},
    store::error::StoreError,
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

const KEYS: usize = 10_000;
/// Maximum length of the text of a cause.
const LONGEST: usize = 300;

#[derive(Debug, Default)]
pub(super) struct Troubles {
    round: AtomicU64,
    state: Mutex<TroublesState>,
    /// Returns why the last scan of the replica failed, if it did.
    unseen: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct TroublesState {
    keys: BTreeMap<ObjectKey, Noted>,
    /// Each cause, and the time since which it lasts.
    causes: BTreeMap<String, Timestamp>,
}

#[derive(Debug)]
struct Noted {
    cause: String,
    round: u64,
}

impl Troubles {
    /// Notes how a scan of the replica ended. Returns whether its failure was not reported yet.
    pub(super) fn looked_through(&self, failure: Option<&StoreError>) -> bool {
        let told = failure.map(ToString::to_string);
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.is_some() && *unseen != told;
        *unseen = told;
        is_news
    }

    /// Returns why the last scan of the replica failed, if it did.
    pub(super) fn unseen(&self) -> Option<String> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a round of repairs. The caller passes the returned number to `end_round`.
    pub(super) fn begin_round(&self) -> u64 {
        self.round.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Removes all causes that were not noted again since the round began.
    pub(super) fn end_round(&self, round: u64) {
        self.state().retain(|noted| noted.round >= round);
    }

    /// Notes that a key was not repaired. Returns the text of the cause if it was not reported yet.
    pub(super) fn note(&self, key: &ObjectKey, error: &StoreError) -> Option<String> {
        let mut cause = error.to_string();
        if let Some((end, _)) = cause.char_indices().nth(LONGEST) {
            cause.truncate(end);
        }
        let mut state = self.state();
        let is_new = !state.causes.contains_key(&cause);
        if state.keys.len() < KEYS || state.keys.contains_key(key) {
            let round = self.round.load(Ordering::Acquire);
            state.keys.insert(key.clone(), Noted { cause: cause.clone(), round });
            state.causes.entry(cause.clone()).or_insert_with(Timestamp::now);
        }
        is_new.then_some(cause)
    }

    /// Keeps the note of a key that was not tried in this round.
    pub(super) fn keep(&self, key: &ObjectKey) {
        let round = self.round.load(Ordering::Acquire);
        if let Some(noted) = self.state().keys.get_mut(key) {
            noted.round = round;
        }
    }

    /// Removes the note of a key that was repaired.
    pub(super) fn forget(&self, key: &ObjectKey) {
        let mut state = self.state();
        if state.keys.remove(key).is_some() {
            state.retain(|_| true);
        }
    }

    /// Returns why the last repair of a key failed, if it did and was noted.
    pub(super) fn why(&self, key: &ObjectKey) -> Option<String> {
        self.state().keys.get(key).map(|noted| noted.cause.clone())
    }

    /// Returns the number of keys whose last repair failed.
    pub(super) fn count(&self) -> u64 {
        self.state().keys.len() as u64
    }

    /// Returns the failures by cause, the most frequent one first.
    pub(super) fn list(&self, next: &str) -> Vec<Trouble> {
        let state = self.state();
        let mut troubles: Vec<Trouble> = Vec::new();
        for (why, since) in &state.causes {
            let mut keys = state.keys.iter().filter(|(_, noted)| noted.cause == *why).map(|(key, _)| key);
            let Some(example) = keys.next().map(|key| key.as_str().to_owned()) else { continue };
            let objects = 1 + keys.count() as u64;
            troubles.push(Trouble {
                why: why.clone(),
                since: since.iso8601(),
                objects,
                example,
                next: next.to_owned(),
            });
        }
        troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.objects));
        troubles
    }

    fn state(&self) -> MutexGuard<'_, TroublesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TroublesState {
    fn retain(&mut self, keep: impl Fn(&Noted) -> bool) {
        self.keys.retain(|_, noted| keep(noted));
        let Self { keys, causes } = self;
        causes.retain(|cause, _| keys.values().any(|noted| noted.cause == *cause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::StoreErrorKind;

    fn key(n: usize) -> ObjectKey {
        ObjectKey::new(format!("key{n}")).expect("a key")
    }

    fn full() -> StoreError {
        StoreError::new(StoreErrorKind::StorageFull, "no space is left")
    }

    #[test]
    fn a_look_that_fails_for_the_same_reason_again_is_no_news() {
        let troubles = Troubles::default();
        assert!(troubles.looked_through(Some(&full())) && !troubles.looked_through(Some(&full())));
        assert_eq!(troubles.unseen().as_deref(), Some("no space is left"));
        assert!(troubles.looked_through(Some(&StoreError::new(StoreErrorKind::Broken, "another"))));
        assert!(!troubles.looked_through(None) && troubles.unseen().is_none());
        assert!(troubles.looked_through(Some(&full())), "it was well meanwhile");
    }

    #[test]
    fn a_cause_is_told_once_and_forgotten_when_a_round_finds_it_no_more() {
        let troubles = Troubles::default();
        let round = troubles.begin_round();
        assert_eq!(troubles.note(&key(1), &full()).as_deref(), Some("no space is left"));
        assert_eq!(troubles.note(&key(2), &full()), None);
        assert_eq!(
            (troubles.why(&key(2)).as_deref(), troubles.why(&key(3))),
            (Some("no space is left"), None)
        );
        troubles.end_round(round);
        let listed = troubles.list("soon");
        assert_eq!(
            (listed.len(), listed[0].objects, listed[0].example.as_str(), listed[0].next.as_str()),
            (1, 2, "key1", "soon")
        );
        let round = troubles.begin_round();
        troubles.keep(&key(1));
        troubles.keep(&key(2));
        troubles.end_round(round);
        assert_eq!(troubles.count(), 2, "they were not tried");
        let round = troubles.begin_round();
        troubles.note(&key(2), &full());
        troubles.end_round(round);
        assert_eq!(troubles.list("")[0].example, "key2", "nobody had to repair the other one any more");
        troubles.forget(&key(2));
        assert_eq!((troubles.count(), troubles.list("")), (0, Vec::new()));
        assert!(troubles.note(&key(1), &full()).is_some(), "it began anew");
    }
}
