//! Opening, making and removing entries below the root, one component at a time.
//!
//! Invariant: no component is followed if it is a symbolic link, so that no key leads out of the root. The
//! root itself may be reached through links: the user named it.

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use std::{io, path::PathBuf};

/// How folders below the root are opened.
pub(super) const FOLDER: OFlags =
    OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// As programs make directories: the umask takes away what the user wants.
const MODE: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

#[derive(Debug)]
pub(super) struct Root(PathBuf);

/// Whether folders that are missing are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Made,
    AnError,
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn open(&self, missing: Missing) -> io::Result<OwnedFd> {
        let open = || rustix::fs::open(&self.0, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty());
        match open() {
            Err(Errno::NOENT) if missing == Missing::Made => {
                std::fs::create_dir_all(&self.0)?;
                Ok(open()?)
            }
            opened => Ok(opened?),
        }
    }

    /// Opens the folder with these names.
    pub(super) fn folder(&self, names: &[String], missing: Missing) -> io::Result<OwnedFd> {
        let mut folder = self.open(missing)?;
        for name in names {
            folder = match rustix::fs::openat(&folder, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if missing == Missing::Made => {
                    match rustix::fs::mkdirat(&folder, name, MODE) {
                        // Another writer made it.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?
                }
                opened => opened.map_err(|error| not_followed(&folder, name, error))?,
            };
        }
        Ok(folder)
    }

    /// Removes the folders with these names that are empty, the innermost first. The root stays.
    pub(super) fn prune(&self, names: &[String]) {
        for end in (1..=names.len()).rev() {
            let (above, name) = (&names[..end - 1], &names[end - 1]);
            let Ok(folder) = self.folder(above, Missing::AnError) else { return };
            match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // It is not empty, or may not be removed: so it stays, and so do those above it.
                Err(_) => return,
            }
        }
    }
}

/// Opening a link as a folder fails like opening a file: the error says that it is a link.
fn not_followed(folder: impl AsFd, name: &str, error: Errno) -> Errno {
    if error != Errno::NOTDIR {
        return error;
    }
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Errno::LOOP,
        _ => error,
    }
}

/// Returns whether the error means that there is no object: the name is missing, or a folder on the way is a
/// file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
