//! Long bodies in progress, and for each the first change of its key that was decided since the body began.
//!
//! A body is on its way to a storage before its turn comes. If the key changed meanwhile and the body can no
//! longer be published, the write may still be answered as overwritten at once: its position is directly
//! before the first of those changes. That is correct only if that change was blind, so that neither its
//! result nor its reply depends on the earlier state.
//!
//! Invariant: a body is registered before anything about its key is read; changes are reported under the
//! key's lock, at the moment when readers begin to see them.

use crate::model::ObjectKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How a change was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The result is the same whatever the key held before.
    Blind,
    /// The result depends on what the key held before.
    Looked,
}

#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<HashMap<ObjectKey, Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    number: u64,
    first: Option<Sight>,
}

/// One body in progress, until this is dropped.
#[derive(Debug)]
pub(super) struct Underway {
    bodies: Arc<Bodies>,
    key: ObjectKey,
    number: u64,
}

impl Bodies {
    pub(super) fn begin(self: &Arc<Self>, key: &ObjectKey) -> Underway {
        let mut bodies = self.lock();
        let entries = bodies.entry(key.clone()).or_default();
        let number = entries.last().map_or(0, |last| last.number + 1);
        entries.push(Entry { number, first: None });
        Underway { bodies: self.clone(), key: key.clone(), number }
    }

    /// Reports that a change of `key` was decided.
    pub(super) fn decided(&self, key: &ObjectKey, sight: Sight) {
        if let Some(entries) = self.lock().get_mut(key) {
            for entry in entries {
                entry.first = entry.first.or(Some(sight));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Vec<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Underway {
    /// Returns the first change that was decided since this body began, if there was one.
    pub(super) fn first(&self) -> Option<Sight> {
        let bodies = self.bodies.lock();
        bodies.get(&self.key)?.iter().find(|entry| entry.number == self.number)?.first
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut bodies = self.bodies.lock();
        let Some(entries) = bodies.get_mut(&self.key) else { return };
        entries.retain(|entry| entry.number != self.number);
        if entries.is_empty() {
            bodies.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_body_knows_the_first_change_since_it_began_and_is_forgotten_when_it_ends() {
        let bodies = Arc::new(Bodies::default());
        let [key, other] = ["k", "other"].map(|name| ObjectKey::new(name).expect("a key"));
        bodies.decided(&key, Sight::Looked);
        let first = bodies.begin(&key);
        assert_eq!(first.first(), None, "what came before it does not count");
        bodies.decided(&other, Sight::Looked);
        assert_eq!(first.first(), None, "nor does another key");
        bodies.decided(&key, Sight::Blind);
        let second = bodies.begin(&key);
        bodies.decided(&key, Sight::Looked);
        assert_eq!((first.first(), second.first()), (Some(Sight::Blind), Some(Sight::Looked)));
        drop((first, second));
        assert!(bodies.lock().is_empty());
    }
}
