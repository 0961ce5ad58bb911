//! The readers of each file, and what this process did to the file meanwhile.
//!
//! FTP identifies a file by its path alone: a file can be replaced between the check and the reading, in the
//! same second and with the same size. These records detect that for changes by this process. They also show
//! a reader that its file was replaced by this process after it was opened, which is not an error.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU8, Ordering},
    },
};

#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<HashMap<String, Vec<Weak<AtomicU8>>>>);

/// The reader checks the file and has not begun to read.
const LOOKING: u8 = 0;
/// The server has the file open.
const READING: u8 = 1;
/// The file was replaced or removed after the check and before the server opened it.
const MISSED: u8 = 2;
/// The file was replaced or removed after the server opened it.
const LEFT: u8 = 3;

#[derive(Debug)]
pub(super) struct Reader {
    state: Arc<AtomicU8>,
    path: String,
    readers: Arc<Readers>,
}

impl Readers {
    /// Registers a reader. It must be called before the file is checked.
    pub(super) fn enter(self: &Arc<Self>, path: &str) -> Reader {
        let state = Arc::new(AtomicU8::new(LOOKING));
        self.map().entry(path.to_owned()).or_default().push(Arc::downgrade(&state));
        Reader { state, path: path.to_owned(), readers: self.clone() }
    }

    /// Must be called before the file of a path changes.
    pub(super) fn change(&self, path: &str) {
        for state in self.map().get(path).into_iter().flatten().filter_map(Weak::upgrade) {
            let next = |state| match state {
                LOOKING => Some(MISSED),
                READING => Some(LEFT),
                _ => None,
            };
            let _ = state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Vec<Weak<AtomicU8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Must be called when the server has opened the file. Returns whether it is the file that was checked.
    pub(super) fn begins(&self) -> bool {
        let begun = self.state.compare_exchange(LOOKING, READING, Ordering::AcqRel, Ordering::Acquire);
        matches!(begun, Ok(_) | Err(READING))
    }

    /// Returns whether this process has replaced or removed the file since the server opened it.
    pub(super) fn is_left(&self) -> bool {
        self.state.load(Ordering::Acquire) == LEFT
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut map = self.readers.map();
        if let Some(states) = map.get_mut(&self.path) {
            let mine = Arc::downgrade(&self.state);
            states.retain(|state| !state.ptr_eq(&mine));
            if states.is_empty() {
                map.remove(&self.path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_knows_what_became_of_its_file() {
        let readers = Arc::new(Readers::default());
        let (early, late, other) = (readers.enter("a"), readers.enter("a"), readers.enter("b"));
        assert!(early.begins());
        readers.change("a");
        assert!(early.is_left() && !late.is_left() && !late.begins());
        assert!(other.begins() && !other.is_left());
        readers.change("a");
        assert!(early.is_left());
        drop((early, late, other));
        assert!(readers.map().is_empty());
    }
}
