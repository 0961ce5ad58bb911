//! Catalogs of object stores that outlive a command.
//!
//! A store that keeps uploads under ids of its own needs a catalog to find them again. Uploads that a killed
//! command began can go on only if the next command on the same end has the same catalog.
//!
//! Invariants: one process uses a kept directory at a time, by a lock; another one gets a temporary directory,
//! in which it can do everything but go on with uploads of the first. No listing comes from such a catalog:
//! only storage that lists itself is opened with one.

use crate::assembly::{StartError, alone::Scratch};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

#[derive(Debug)]
pub(super) enum Directory {
    Kept { path: PathBuf, _lock: File },
    Temporary(Scratch),
}

impl Directory {
    pub(super) fn temporary() -> Result<Self, StartError> {
        Scratch::make().map(Self::Temporary)
    }

    /// Returns the directory of the storage with this description. It has no secrets, and is hashed.
    pub(super) fn of(environment: &BTreeMap<String, String>, description: &str) -> Result<Self, StartError> {
        let Some(base) = state(environment) else { return Self::temporary() };
        let digest = ring::digest::digest(&ring::digest::SHA256, description.as_bytes());
        let path = base.join("ends").join(hex::encode(&digest.as_ref()[..16]));
        match take(&path) {
            Ok(Some(lock)) => Ok(Self::Kept { path, _lock: lock }),
            // Another command uses it, or there is no such place to write to.
            Ok(None) | Err(_) => Self::temporary(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept { path, .. } => path,
            Self::Temporary(scratch) => scratch.path(),
        }
    }
}

/// Returns the directory for what commands keep for this user.
pub(super) fn state(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let variable = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(base.join("causeway"))
}

fn take(path: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
