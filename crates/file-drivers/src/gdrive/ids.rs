//! The ids that are known for paths, for some time: a bounded memory that saves requests, and helps where
//! Drive's searches are behind its own changes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long the driver may not notice that another program has renamed a folder.
const FRESH: Duration = Duration::from_secs(60);
/// The number of entries in each of two generations.
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
    /// Ids of files that this process has removed.
    gone: Mutex<Generations<()>>,
    /// Ids of folders that other programs have moved away from their known paths.
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

    /// Returns what is known of a path. Folders are returned only while they are fresh; what is known of a
    /// file has to be checked by the caller anyway.
    pub(super) fn recall(&self, path: &str) -> Option<Known> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.get(path).filter(|known| !known.is_folder || known.since.elapsed() < FRESH).cloned()
    }

    pub(super) fn forget(&self, path: &str) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// Must be called when a folder is no longer at its known path. Everything below that path is forgotten
    /// too.
    pub(super) fn moved(&self, id: &str, folder: &str) {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), ());
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let is_elsewhere = |path: &String, _: &mut Known| {
            path.strip_prefix(folder).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
        };
        paths.young.retain(is_elsewhere);
        paths.old.retain(is_elsewhere);
    }

    /// Returns whether a folder has moved. Each bucket reads the feed by itself, and the first one has
    /// removed the folder's known path, so the moved ids are remembered.
    pub(super) fn has_moved(&self, id: &str) -> bool {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(id).is_some()
    }

    /// Forgets a folder that was not found at its path, and the folders above it, which may have moved.
    pub(super) fn forget_along(&self, folder: &str) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.remove(folder);
        folder.match_indices('/').for_each(|(at, _)| paths.remove(&folder[..at]));
    }

    /// Returns whether an entry below a path was created or seen a moment ago.
    pub(super) fn has_fresh_below(&self, folder: &str) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let below = |(path, known): (&String, &Known)| {
            known.since.elapsed() < FRESH
                && path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        paths.young.iter().any(below) || paths.old.iter().any(below)
    }

    /// Returns the last known path of a folder, no matter how old. If there are several, it returns any of
    /// them.
    pub(super) fn path_of(&self, id: &str) -> Option<String> {
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
        assert!(ids.has_moved("folder") && ids.path_of("folder").is_none());
        assert_eq!((ids.recall("e/f"), ids.recall("ef").is_some()), (None, true));
    }
}
