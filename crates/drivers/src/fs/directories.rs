//! The directories of buckets. Only a limited number of them is open: an operation that needs another one
//! opens it, and one that was not used lately is closed.
//!
//! Invariants:
//! - an operation that has a directory keeps it until it ends, even if the directory is closed here
//!   meanwhile;
//! - a directory that is opened again is the one that was opened first, or opening fails. It is never another
//!   directory with the same name.

use super::root::Root;
use crate::store::error::{StoreError, StoreErrorKind};
use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// The number of open directories. Few buckets are in use at a time, and opening one again takes
/// microseconds.
const OPEN: usize = 256;

/// The open directories, in the order in which they are checked for use.
#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<VecDeque<Weak<Slot>>>);

/// The directory of a bucket.
#[derive(Debug)]
pub(super) struct Directory {
    home: Arc<Root>,
    location: String,
    identity: Identity,
    slot: Arc<Slot>,
    all: Arc<Directories>,
}

/// Device and inode of a directory.
pub(super) type Identity = (u64, u64);

#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Option<Arc<Root>>>,
    used: AtomicBool,
}

impl Directory {
    pub(super) fn open(home: Arc<Root>, location: String, all: Arc<Directories>) -> Result<Self, Errno> {
        let root = home.sub(&location)?;
        let directory = Self { identity: identity(root.fd())?, home, location, slot: Arc::default(), all };
        directory.keep(root);
        Ok(directory)
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns whether the directory was removed. A removed directory that is still open looks like an empty
    /// one.
    pub(super) fn is_removed(&self) -> Result<bool, Errno> {
        match self.root() {
            Ok(root) => Ok(rustix::fs::fstat(root.fd())?.st_nlink == 0),
            Err(Errno::NOENT) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns the error for an operation that needs the directory after it was removed.
    pub(super) fn removed(&self) -> StoreError {
        let words = "is gone: it was removed or moved away while the server ran. It is not made again before the next start, so that \
                     nothing is written beside a file system that is only not mounted: bring it back, and restart the server";
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("the directory '{}' of the bucket {words}", self.location),
        )
    }

    pub(super) fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.root()?.open_file(path)
    }

    /// Opens a file like `Root::open_cached`. Fails with `AGAIN` if the directory is closed, because opening
    /// the directory may wait for the disk.
    pub(super) fn open_cached(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.opened().ok_or(Errno::AGAIN)?.open_cached(path)
    }

    pub(super) fn open_dir(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.root()?.open_dir(path)
    }

    pub(super) fn make_dirs(&self, path: &str, durable: bool) -> Result<OwnedFd, Errno> {
        self.root()?.make_dirs(path, durable)
    }

    pub(super) fn prune(&self, path: &str) {
        // A failure is harmless: an empty directory remains.
        if let Ok(root) = self.root() {
            root.prune(path);
        }
    }

    fn root(&self) -> Result<Arc<Root>, Errno> {
        if let Some(root) = self.opened() {
            return Ok(root);
        }
        let root = self.home.sub(&self.location)?;
        if identity(root.fd())? != self.identity {
            return Err(Errno::NOENT);
        }
        Ok(self.keep(root))
    }

    fn opened(&self) -> Option<Arc<Root>> {
        let root = self.slot.open().clone()?;
        if !self.slot.used.load(Relaxed) {
            self.slot.used.store(true, Relaxed);
        }
        Some(root)
    }

    fn keep(&self, root: Root) -> Arc<Root> {
        let mut open = self.slot.open();
        if let Some(root) = &*open {
            return root.clone();
        }
        let root = open.insert(Arc::new(root)).clone();
        self.slot.used.store(true, Relaxed);
        drop(open);
        self.all.add(&self.slot);
        root
    }
}

impl Slot {
    fn open(&self) -> MutexGuard<'_, Option<Arc<Root>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directories {
    fn add(&self, slot: &Arc<Slot>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(Arc::downgrade(slot));
        while open.len() > OPEN {
            let Some(next) = open.pop_front() else { return };
            let Some(slot) = next.upgrade() else { continue };
            // A directory that was used since the last check stays open for another round.
            if slot.used.swap(false, Relaxed) { open.push_back(next) } else { *slot.open() = None }
        }
    }
}

fn identity(directory: impl AsFd) -> Result<Identity, Errno> {
    rustix::fs::fstat(directory).map(|stat| (stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;

    fn opened(directories: &[Directory]) -> usize {
        directories.iter().filter(|directory| directory.slot.open().is_some()).count()
    }

    #[test]
    fn only_so_many_are_open_and_all_can_be_used() {
        let dir = tempfile::tempdir().expect("a directory");
        let home = Arc::new(Root::open(dir.path(), Mode::RWXU).expect("opens"));
        let all = Arc::new(Directories::default());
        let open = |n: usize| {
            std::fs::create_dir(dir.path().join(n.to_string())).expect("made");
            std::fs::write(dir.path().join(format!("{n}/file")), "x").expect("written");
            Directory::open(home.clone(), n.to_string(), all.clone()).expect("opens")
        };
        let directories: Vec<_> = (0..3 * OPEN).map(open).collect();
        assert_eq!(opened(&directories), OPEN);
        for directory in directories.iter().chain(directories.iter().rev()) {
            directory.open_file("file").expect("a file");
            directories[7].open_file("file").expect("a file");
            assert_eq!(opened(&directories), OPEN);
        }
        assert!(directories[7].slot.open().is_some(), "whoever is used all the time stays");
    }

    #[test]
    fn another_directory_of_the_same_name_is_not_taken_for_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let home = Arc::new(Root::open(dir.path(), Mode::RWXU).expect("opens"));
        std::fs::create_dir(dir.path().join("bucket")).expect("made");
        let directory = Directory::open(home, "bucket".to_owned(), Arc::default()).expect("opens");
        *directory.slot.open() = None;
        // The old directory is kept, so that the other one cannot get its inode.
        std::fs::rename(dir.path().join("bucket"), dir.path().join("moved")).expect("moved");
        std::fs::create_dir(dir.path().join("bucket")).expect("made");
        assert_eq!(directory.open_dir("").err(), Some(Errno::NOENT));
    }
}
