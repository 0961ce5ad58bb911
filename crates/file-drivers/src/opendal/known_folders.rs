//! Folders of flat storage that recently had an entry: no file is in the path through them, so they are not
//! checked again.
//!
//! Invariant: when a file gets a name, that name and everything below it is no longer known as a folder.
//! Changes made outside the gateway are noticed after `FRESH` at the latest.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const FRESH: Duration = Duration::from_secs(10);
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct KnownFolders(Mutex<HashMap<String, Instant>>);

impl KnownFolders {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_clear(&self, folder: &str, now: Instant) -> bool {
        self.known().get(folder).is_some_and(|seen| is_fresh(*seen, now))
    }

    pub(super) fn cleared(&self, folder: &str, now: Instant) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.retain(|_, seen| is_fresh(*seen, now));
        }
        if known.len() < MOST {
            known.insert(folder.to_owned(), now);
        }
    }

    /// Must be called when a file gets this name.
    pub(super) fn taken(&self, path: &str) {
        self.known().retain(|folder, _| {
            folder.strip_prefix(path).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
    }
}

fn is_fresh(seen: Instant, now: Instant) -> bool {
    now.saturating_duration_since(seen) < FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_clear_for_a_while_and_until_a_file_is_on_it() {
        let (known_folders, now) = (KnownFolders::default(), Instant::now());
        for folder in ["a", "a/b", "ab"] {
            known_folders.cleared(folder, now);
        }
        known_folders.taken("a");
        assert_eq!(
            ["a", "a/b", "ab"].map(|folder| known_folders.is_clear(folder, now)),
            [false, false, true]
        );
        let later = now + FRESH;
        assert!(!known_folders.is_clear("ab", later));
        for n in 0..2 * MOST {
            known_folders.cleared(&n.to_string(), later);
        }
        assert_eq!(known_folders.known().len(), MOST);
        known_folders.cleared("c", later + FRESH);
        assert!(known_folders.is_clear("c", later + FRESH));
    }
}
