//! A directory and its contents: opening, creating and removing, without ever leaving it.
//!
//! Invariant: every look-up is relative to an open directory and refuses to leave it, even by a symbolic link
//! (`openat2` with `RESOLVE_BENEATH`; where the kernel has no `openat2`, no symbolic link is followed at
//! all). A link that leads outside fails with `XDEV`, a circle of links with `LOOP`.

use super::private;
use crate::backend::Found;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags},
    io::Errno,
};
use std::{
    ffi::CString,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// The kernel accepts paths below 4,096 bytes; longer ones are opened in pieces.
const MAX_PATH: usize = 4000;

#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    /// Permission bits of the directories that are created below this root.
    directories: Mode,
    no_openat2: AtomicBool,
}

impl Root {
    pub(super) fn open(path: &Path, directories: Mode) -> Result<Self, Errno> {
        let fd = rustix::fs::openat(
            CWD,
            path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self { fd, directories, no_openat2: AtomicBool::new(false) })
    }

    /// Returns a directory beneath this one, as a root of its own.
    pub(super) fn sub(&self, path: &str) -> Result<Self, Errno> {
        Ok(Self {
            fd: self.open_dir(path)?,
            directories: self.directories,
            no_openat2: AtomicBool::new(false),
        })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Opens a path for reading. It never blocks on a FIFO.
    pub(super) fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.beneath(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())
    }

    /// Opens a file of this directory for writing. It is not created: a staging file that is gone must not come
    /// back empty.
    pub(super) fn open_file_for_writing(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.fd, name, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
    }

    /// Opens a file like `open_file`, but fails with `AGAIN` if a step of the look-up would wait for the
    /// disk.
    pub(super) fn open_cached(&self, path: &str) -> Result<OwnedFd, Errno> {
        if path.len() >= MAX_PATH || self.no_openat2.load(Ordering::Relaxed) {
            return Err(Errno::AGAIN);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve)
    }

    pub(super) fn open_dir(&self, path: &str) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return self.fd.try_clone().map_err(|_| Errno::MFILE);
        }
        self.beneath(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())
    }

    /// Creates a private file: it becomes readable for others when it is published.
    pub(super) fn create_new(&self, name: &str) -> Result<OwnedFd, Errno> {
        self.beneath(name, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR, private::FILE)
    }

    pub(super) fn open_or_create(&self, name: &str) -> Result<OwnedFd, Errno> {
        self.beneath(name, OFlags::CREATE | OFlags::RDWR, private::FILE)
    }

    fn beneath(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        if path.len() >= MAX_PATH {
            let at = path[..MAX_PATH.min(path.len())].rfind('/').ok_or(Errno::NAMETOOLONG)?;
            return self.sub(&path[..at])?.beneath(&path[at + 1..], flags, mode);
        }
        if !self.no_openat2.load(Ordering::Relaxed) {
            // The kernel returns EAGAIN if a rename raced with the look-up of a `..` inside a link.
            for _ in 0..16 {
                match rustix::fs::openat2(
                    &self.fd,
                    path,
                    flags,
                    mode,
                    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
                ) {
                    Err(Errno::AGAIN) => {}
                    Err(Errno::NOSYS | Errno::PERM) if !self.no_openat2.swap(true, Ordering::Relaxed) => {
                        break;
                    }
                    done => return done,
                }
            }
        }
        let (dirs, name) = path.rsplit_once('/').map_or((None, path), |(dirs, name)| (Some(dirs), name));
        let mut at = self.fd.try_clone().map_err(|_| Errno::MFILE)?;
        for dir in dirs.into_iter().flat_map(|dirs| dirs.split('/')) {
            at = rustix::fs::openat(
                &at,
                dir,
                OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
        }
        rustix::fs::openat(&at, name, flags | OFlags::NOFOLLOW, mode)
    }

    /// Opens a directory and creates the missing ones in its path. With `durable`, the created ones survive a
    /// power loss.
    pub(super) fn make_dirs(&self, path: &str, durable: bool) -> Result<OwnedFd, Errno> {
        match self.open_dir(path) {
            Err(Errno::NOENT) => {}
            done => return done,
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = if parent.is_empty() { self.open_dir("")? } else { self.make_dirs(parent, durable)? };
        let made = rustix::fs::mkdirat(&parent, name, self.directories)
            .and_then(|()| self.open_to_others(&parent, name));
        match made {
            Ok(()) if durable => rustix::fs::fsync(&parent)?,
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        self.open_dir(path)
    }

    /// Returns what exists at `path`, even a symlink.
    pub(super) fn found(&self, path: &str) -> Result<Found, Errno> {
        if !path.is_empty() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let there = self
                .open_dir(parent)
                .and_then(|parent| rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW));
            match there {
                Ok(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {}
                Ok(_) | Err(Errno::NOTDIR | Errno::ACCESS) => return Ok(Found::Something),
                Err(Errno::NOENT) => return Ok(Found::Nothing),
                Err(error) => return Err(error),
            }
        }
        match self.open_dir(path).and_then(|dir| entries(&dir)?.next().transpose()) {
            Ok(first) => Ok(Found::in_place(first.is_none())),
            Err(Errno::ACCESS) => Ok(Found::Something),
            Err(error) => Err(error),
        }
    }

    /// Adds the permission bits that the setting grants and the umask removed.
    fn open_to_others(&self, parent: &OwnedFd, name: &str) -> Result<(), Errno> {
        if self.directories == private::DIRECTORY {
            return Ok(());
        }
        match rustix::fs::chmodat(parent, name, self.directories, AtFlags::empty()) {
            // The file system has modes of its mount only, or the directory was removed again.
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// Removes the directories of `path` that have become empty, beginning with the innermost one. The root
    /// itself stays.
    pub(super) fn prune(&self, path: &str) {
        let mut path = path;
        while !path.is_empty() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Ok(dir) = self.open_dir(parent) else { return };
            if rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR).is_err() {
                return;
            }
            path = parent;
        }
    }

    /// Removes every empty directory below `dir`. Returns whether nothing else is left.
    pub(super) fn prune_all(dir: &OwnedFd) -> Result<bool, Errno> {
        let mut empty = true;
        for entry in entries(dir)? {
            let (name, kind) = entry?;
            let removable = kind == FileType::Directory
                && Self::prune_all(&rustix::fs::openat(
                    dir,
                    &name,
                    OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?)?
                && rustix::fs::unlinkat(dir, &name, AtFlags::REMOVEDIR).is_ok();
            empty &= removable;
        }
        Ok(empty)
    }

    /// Removes one of Causeway's own directories with its content. A missing one is not an error.
    pub(super) fn remove_tree(&self, name: &str) -> Result<(), Errno> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
        let sub = match self.sub(name) {
            // Another process has removed it meanwhile.
            Err(Errno::NOENT) => return Ok(()),
            sub => sub?,
        };
        for entry in entries(&sub.fd)? {
            let name = entry?.0.into_string().map_err(|_| Errno::ILSEQ)?;
            sub.remove_tree(&name)?;
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The names in a directory with their types, `.` and `..` left out.
pub(super) fn entries(
    dir: impl AsFd,
) -> Result<impl Iterator<Item = Result<(CString, FileType), Errno>>, Errno> {
    Ok(names(Dir::read_from(dir)?))
}

/// Like `entries`, of a directory that is open for this.
pub(super) fn names(mut dir: Dir) -> impl Iterator<Item = Result<(CString, FileType), Errno>> + Send {
    std::iter::from_fn(move || {
        loop {
            match dir.read()? {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                other => return Some(other.map(|entry| (entry.file_name().to_owned(), entry.file_type()))),
            }
        }
    })
}

/// Renames within one file system. Fails with `EXIST` if something has the new name, and with `INVAL` or
/// `NOSYS` if the file system cannot tell.
pub(super) fn rename_new(from_dir: &OwnedFd, from: &str, to_dir: &OwnedFd, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE)
}

/// Lets two files exchange their names, in one step. Fails with `INVAL` or `NOSYS` if the file system cannot.
pub(super) fn exchange(from_dir: &OwnedFd, from: &str, to_dir: &OwnedFd, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::EXCHANGE)
}

pub(super) fn is_dir(dir: &OwnedFd, name: &str) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::unix::fs::symlink};

    fn read(root: &Root, path: &str) -> Result<String, Errno> {
        let mut text = String::new();
        std::fs::File::from(root.open_file(path)?).read_to_string(&mut text).map_err(|_| Errno::IO)?;
        Ok(text)
    }

    #[test]
    fn symlinks_are_followed_inside_the_root_and_never_out_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let inside = dir.path().join("root");
        std::fs::create_dir_all(inside.join("d")).expect("made");
        std::fs::write(dir.path().join("secret"), "secret").expect("written");
        std::fs::write(inside.join("d/open"), "open").expect("written");
        symlink("../secret", inside.join("up")).expect("linked");
        symlink(dir.path().join("secret"), inside.join("absolute")).expect("linked");
        symlink("..", inside.join("parent")).expect("linked");
        symlink("d/open", inside.join("within")).expect("linked");
        for openat2 in [true, false] {
            let root = Root::open(&inside, private::DIRECTORY).expect("opens");
            root.no_openat2.store(!openat2, Ordering::Relaxed);
            for path in ["up", "absolute", "parent/secret", "parent", "../secret"] {
                let answer = read(&root, path);
                assert!(answer.is_err() || path == "../secret" && !openat2, "{path}: {answer:?}");
            }
            assert_eq!(read(&root, "d/open").as_deref(), Ok("open"));
            assert_eq!(read(&root, "within").is_ok(), openat2);
        }
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_work() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Root::open(dir.path(), private::DIRECTORY).expect("opens");
        let path = vec!["0123456789"; 700].join("/");
        root.make_dirs(&path, false).expect("made");
        assert!(root.open_dir(&path).is_ok());
        root.prune(&path);
        assert_eq!(root.open_dir("0123456789").err(), Some(Errno::NOENT));
    }
}
