//! One directory of a bucket: what it looks like, and what is in it, in steps of bounded length. Calls block.
//!
//! Does not own what follows from it (`scan`, `reconcile`).

use super::{pace::STEP, record::Fingerprint, root::names, volume::Volume};
use crate::{
    backend::{
        codec::{self, Names, decode, join},
        unreadable::is_of_entry,
    },
    model::ObjectKey,
    store::error::StoreError,
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType, Stat},
    io::Errno,
};
use std::{ffi::CString, fmt, time::SystemTime};

/// A directory that changed less than this time ago may change again without a new time.
const SETTLED_NS: i64 = 2_000_000_000;

/// What shows whether a directory has changed. Its time of modification can be set by anybody (`rsync -t`), the
/// time of its last change cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    is_settled: bool,
}

impl Stamp {
    fn of(stat: &Stat, now_ns: i64) -> Self {
        let Fingerprint { inode, mtime_ns, .. } = Fingerprint::of(stat);
        #[allow(clippy::unnecessary_cast)] // The types differ between platforms.
        let ctime_ns =
            (stat.st_ctime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_ctime_nsec as i64);
        let is_settled = now_ns.saturating_sub(mtime_ns.max(ctime_ns)) > SETTLED_NS;
        Self { inode, mtime_ns, ctime_ns, is_settled }
    }

    /// What is recorded of the directory. It counts only in an epoch, and is empty if the directory may change
    /// again without looking different.
    pub(super) fn record(&self, epoch: &str) -> Vec<u8> {
        if !self.is_settled {
            return Vec::new();
        }
        let times = [self.inode.to_be_bytes(), self.mtime_ns.to_be_bytes(), self.ctime_ns.to_be_bytes()];
        [epoch.as_bytes(), times.as_flattened()].concat()
    }

    /// Returns whether the directory looks as it was recorded.
    pub(super) fn is(&self, recorded: &[u8], epoch: &str) -> bool {
        !recorded.is_empty() && self.record(epoch) == recorded
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    As(Stamp),
    /// There is no directory of this path.
    Gone,
    /// Reading the directory tells why.
    Unreadable,
}

/// Looks at a directory without reading it. An error is about the whole storage.
pub(super) fn look(volume: &Volume, path: &str) -> Result<Look, Errno> {
    match open(volume, path) {
        Ok(Some((_, stamp))) => Ok(Look::As(stamp)),
        Ok(None) => Ok(Look::Gone),
        Err(error) if is_of_entry(&StoreError::of_entry("scanning a bucket", error)) => Ok(Look::Unreadable),
        Err(error) => Err(error),
    }
}

fn open(volume: &Volume, path: &str) -> Result<Option<(OwnedFd, Stamp)>, Errno> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    match volume.root.open_dir(path) {
        Ok(dir) => {
            let stamp = Stamp::of(&rustix::fs::fstat(&dir)?, now);
            Ok(Some((dir, stamp)))
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A directory that is being read.
pub(super) struct Reading {
    path: String,
    dir: OwnedFd,
    /// As it was before anything was read.
    stamp: Stamp,
    entries: Box<dyn Iterator<Item = Result<(CString, FileType), Errno>> + Send>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What one step found.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) files: Vec<(ObjectKey, Fingerprint)>,
    /// Paths of directories.
    pub(super) folders: Vec<String>,
    /// Entries that cannot be read; without a name, the rest of the directory.
    pub(super) unreadable: Vec<(Option<String>, Errno)>,
    pub(super) has_ended: bool,
}

impl Reading {
    /// `None`: there is no such directory.
    pub(super) fn open(volume: &Volume, path: &str) -> Result<Option<Self>, Errno> {
        let Some((dir, stamp)) = open(volume, path)? else { return Ok(None) };
        let entries = Box::new(names(Dir::read_from(&dir)?));
        Ok(Some(Self { path: path.to_owned(), dir, stamp, entries }))
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(super) fn next(&mut self, volume: &Volume) -> Entries {
        let mut found = Entries::default();
        for _ in 0..STEP {
            match self.entries.next() {
                Some(Ok((name, kind))) => {
                    // Keys are UTF-8, so a name that is not UTF-8 has no key.
                    let Ok(name) = name.into_string() else { continue };
                    if let Err(error) = self.sort(volume, &name, kind, &mut found) {
                        found.unreadable.push((Some(name), error));
                    }
                }
                Some(Err(error)) => {
                    found.unreadable.push((None, error));
                    found.has_ended = true;
                    return found;
                }
                None => {
                    found.has_ended = true;
                    return found;
                }
            }
        }
        found
    }

    fn sort(&self, volume: &Volume, name: &str, kind: FileType, found: &mut Entries) -> Result<(), Errno> {
        let path = join(&self.path, name);
        let folder = |path: String, found: &mut Entries| {
            if path != codec::RESERVED_DIR {
                found.folders.push(path);
            }
        };
        if kind == FileType::Directory {
            folder(path, found);
            return Ok(());
        }
        let key = decode(&path, Names::Posix);
        // Some file systems do not tell types here.
        if key.is_none() && kind != FileType::Unknown {
            return Ok(());
        }
        let stat = match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        let fingerprint = match (FileType::from_raw_mode(stat.st_mode), &key) {
            (FileType::Directory, _) => {
                folder(path, found);
                return Ok(());
            }
            (FileType::RegularFile, Some(_)) => Some(Fingerprint::of(&stat)),
            (_, Some(_)) => volume.open(&path)?.map(|found| found.fingerprint),
            (_, None) => None,
        };
        found.files.extend(key.zip(fingerprint));
        Ok(())
    }
}
