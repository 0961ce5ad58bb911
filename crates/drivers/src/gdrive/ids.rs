//! The ids that are known for paths, for a while: a bounded memory that saves requests, and helps where
//! Drive's listings lag behind its own changes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long another program's rename of a folder may go unnoticed.
const FRESH: Duration = Duration::from_secs(60);
/// Entries of each of two generations.
const MANY: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) is_folder: bool,
    since: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Ids {
    paths: Mutex<Generations<Known>>,
    /// Ids that we have removed.
    gone: Mutex<Generations<()>>,
    /// Ids of folders that others have moved away from where we knew them.
    moved: Mutex<Generations<()>>,
}

#[derive(Debug)]
struct Generations<T> {
    young: HashMap<String, T>,
    old: HashMap<String, T>,
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<T> Generations<T> {
    fn insert(&mut self, name: String, value: T) {
        if self.young.len() >= MANY {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, value);
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.young.get(name).or_else(|| self.old.get(name))
    }

    fn remove(&mut self, name: &str) {
        self.young.remove(name);
        self.old.remove(name);
    }
}

impl Ids {
    pub(super) fn learn(&self, path: &str, id: &str, is_folder: bool) {
        let known = Known { id: id.to_owned(), is_folder, since: Instant::now() };
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), known);
    }

    /// Folders are believed while they are fresh; what is said of files has to be checked anyway.
    pub(super) fn recall(&self, path: &str) -> Option<Known> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.get(path).filter(|known| !known.is_folder || known.since.elapsed() < FRESH).cloned()
    }

    pub(super) fn forget(&self, path: &str) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// A folder is not where it was, and nothing below it.
    pub(super) fn moved(&self, id: &str, folder: &str) {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), ());
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let is_elsewhere = |path: &String, _: &mut Known| {
            path.strip_prefix(folder).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
        };
        paths.young.retain(is_elsewhere);
        paths.old.retain(is_elsewhere);
    }

    /// Each bucket hears of a change by itself, and the first of them has made us forget where the folder
    /// was.
    pub(super) fn has_moved(&self, id: &str) -> bool {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(id).is_some()
    }

    /// Forgets a folder that is not where it was; for those above it this is not known.
    pub(super) fn forget_along(&self, folder: &str) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.remove(folder);
        folder.match_indices('/').for_each(|(at, _)| paths.remove(&folder[..at]));
    }

    /// Returns whether something was put or seen below a path just now.
    pub(super) fn has_fresh_below(&self, folder: &str) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let below = |(path, known): (&String, &Known)| {
            known.since.elapsed() < FRESH
                && path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        paths.young.iter().any(below) || paths.old.iter().any(below)
    }

    /// Returns the last known path of a folder, however long ago; of several paths, any one.
    pub(super) fn place_of(&self, id: &str) -> Option<String> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let all = paths.young.iter().chain(&paths.old);
        all.filter(|(_, known)| known.is_folder && known.id == id).map(|(path, _)| path.clone()).next()
    }

    pub(super) fn removed(&self, id: &str) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), ());
    }

    pub(super) fn is_gone(&self, id: &str) -> bool {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).get(id).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_can_be_forgotten() {
        let ids = Ids::default();
        for n in 0..5 * MANY {
            ids.learn(&format!("d/{n}"), "id", false);
        }
        let paths = ids.paths.lock().expect("no panic");
        assert!(paths.young.len() + paths.old.len() <= 2 * MANY);
        drop(paths);
        let last = format!("d/{}", 5 * MANY - 1);
        assert!(ids.recall(&last).is_some() && ids.has_fresh_below("d") && !ids.has_fresh_below("d/1"));
        ids.forget(&last);
        assert_eq!(ids.recall(&last), None);
        ids.learn("e", "folder", true);
        ids.learn("e/f", "file", false);
        ids.learn("ef", "other", true);
        ids.moved("folder", "e");
        assert!(ids.has_moved("folder") && ids.place_of("folder").is_none());
        assert_eq!((ids.recall("e/f"), ids.recall("ef").is_some()), (None, true));
    }
}
