//! Watches of names that this process may change during a read.
//!
//! A reader makes two reads: of the record of a file, and of the file. Between the two, a change may happen
//! that neither size nor time shows. So the reader watches the name from before the first read, and a writer
//! announces its change before any reader can see it.
//!
//! This module owns no lock and decides nothing.
//!
//! - a name that is neither watched nor changed uses no memory.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub struct Watches<K>(Mutex<HashMap<K, Name>>);

/// The state of a name while it is watched or changed.
#[derive(Debug, Default)]
struct Name {
    watches: usize,
    under_way: usize,
    /// The number of changes since this entry was created.
    begun: u64,
}

impl<K> Default for Watches<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Watches<K> {
    /// Watches a name. It must be called before the first read.
    pub fn watch(self: &Arc<Self>, name: &K) -> Watch<K> {
        let mut names = self.names();
        let entry = names.entry(name.clone()).or_default();
        entry.watches += 1;
        Watch {
            watches: self.clone(),
            name: name.clone(),
            begun: entry.begun,
            was_quiet: entry.under_way == 0,
        }
    }

    /// Announces a change of the thing with this name. It must be called before the change is visible. The
    /// change lasts until the result is dropped.
    pub fn change(self: &Arc<Self>, name: &K) -> Change<K> {
        let mut names = self.names();
        let entry = names.entry(name.clone()).or_default();
        entry.under_way += 1;
        entry.begun += 1;
        Change { watches: self.clone(), name: name.clone() }
    }

    fn names(&self) -> MutexGuard<'_, HashMap<K, Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, name: &K, leave: impl FnOnce(&mut Name)) {
        let mut names = self.names();
        if let Some(entry) = names.get_mut(name) {
            leave(entry);
            if entry.watches == 0 && entry.under_way == 0 {
                names.remove(name);
            }
        }
    }
}

/// The watch of one reader; it ends when it is dropped.
#[derive(Debug)]
pub struct Watch<K: Clone + Eq + Hash> {
    watches: Arc<Watches<K>>,
    name: K,
    begun: u64,
    was_quiet: bool,
}

impl<K: Clone + Eq + Hash> Watch<K> {
    /// Returns whether no change was in progress when this watch began. If one was, the watch is never
    /// unchanged.
    pub fn was_quiet(&self) -> bool {
        self.was_quiet
    }

    /// Returns whether this process changed nothing under this name since before the watch began.
    pub fn is_unchanged(&self) -> bool {
        self.was_quiet && self.watches.names().get(&self.name).is_some_and(|entry| entry.begun == self.begun)
    }
}

impl<K: Clone + Eq + Hash> Drop for Watch<K> {
    fn drop(&mut self) {
        self.watches.leave(&self.name, |entry| entry.watches -= 1);
    }
}

/// A change that is in progress; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "a change ends when it is dropped"]
pub struct Change<K: Clone + Eq + Hash> {
    watches: Arc<Watches<K>>,
    name: K,
}

impl<K: Clone + Eq + Hash> Drop for Change<K> {
    fn drop(&mut self) {
        self.watches.leave(&self.name, |entry| entry.under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_unchanged_only_if_no_change_was_under_way_or_began() {
        let watches = Arc::new(Watches::<&str>::default());
        let (before, elsewhere) = (watches.watch(&"k"), watches.watch(&"l"));
        assert!(before.is_unchanged());
        let change = watches.change(&"k");
        let during = watches.watch(&"k");
        assert!(!before.is_unchanged() && !during.is_unchanged() && !during.was_quiet());
        drop(change);
        let after = watches.watch(&"k");
        assert!(
            !before.is_unchanged()
                && !during.is_unchanged()
                && after.is_unchanged()
                && elsewhere.is_unchanged()
        );
    }

    #[test]
    fn names_that_nobody_watches_are_forgotten() {
        let watches = Arc::new(Watches::<&str>::default());
        let (watch, change) = (watches.watch(&"k"), watches.change(&"k"));
        drop((watch, change, watches.change(&"l")));
        assert!(watches.names().is_empty());
    }
}
