//! One bucket's directory: finding, publishing and removing the files of keys. Calls block. This module knows
//! no conditions and no index.
//!
//! Invariants: if the plain and the beside path of a key both have a file, the plain one is the object. A
//! reader that checks plain, beside and plain again misses no object that existed all the time. Callers of
//! everything that changes a key hold its lock.

use super::{
    directories::Directory,
    record::{Fingerprint, Record},
    root::is_dir,
    staging::{Staging, TempFile},
};
use crate::{
    backend::codec::{Names, ancestors, encode},
    model::{ETag, ObjectInfo, ObjectKey},
    store::{error::StoreError, record::ObjectRecord},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType},
    io::Errno,
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) root: Directory,
    pub(super) staging: Arc<Staging>,
}

/// An open file that holds an object.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: OwnedFd,
    pub(super) fingerprint: Fingerprint,
    /// The record. `None`: a foreign file, or one that was changed outside the gateway.
    pub(super) record: Option<Record>,
    /// The file is at the beside path, because its plain name is a directory, or was one.
    pub(super) beside: bool,
}

impl Found {
    /// Returns what is known without reading the bytes.
    pub(super) fn info(&self) -> ObjectInfo {
        match &self.record {
            Some(record) => record.object.info(),
            None => foreign(self.fingerprint).info(),
        }
    }
}

/// What is known of a foreign file without reading it.
pub(super) fn foreign(fingerprint: Fingerprint) -> ObjectRecord {
    ObjectRecord::new(fingerprint.size, fingerprint.modified(), provisional_etag(fingerprint))
}

/// Returns the ETag of a foreign file until its MD5 is known. The `-0` tells clients that it is not an MD5.
fn provisional_etag(fingerprint: Fingerprint) -> ETag {
    let digest = ring::digest::digest(&ring::digest::SHA256, &fingerprint.bytes());
    ETag::opaque(format!("{}-0", hex::encode(&digest.as_ref()[..16])))
}

#[derive(Debug)]
pub(super) enum PublishError {
    /// A file is where the key needs a directory: the caller has to call `make_way` and try again.
    Obstructed,
    /// The name is taken and may not be replaced.
    Exists,
    Failed(Errno),
}

impl From<Errno> for PublishError {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

impl Volume {
    pub(super) fn find(&self, key: &ObjectKey) -> Result<Option<Found>, Errno> {
        let path = encode(key, Names::Posix);
        let (plain, beside) = (path.plain_path(), path.beside_path());
        for (path, is_beside) in [(&plain, false), (&beside, true), (&plain, false)] {
            if let Some(found) = self.open(path)? {
                return Ok(Some(Found { beside: is_beside, ..found }));
            }
        }
        Ok(None)
    }

    /// Returns the object of a key, if there is one. If the bucket's directory is gone, the result is an
    /// error: its file system may not be mounted.
    pub(super) fn look_up(&self, key: &ObjectKey) -> Result<Option<Found>, StoreError> {
        let failed = |error| StoreError::of_entry("looking for an object", error);
        let found = self.find(key).map_err(failed)?;
        if found.is_none() && self.root.is_removed().map_err(failed)? {
            return Err(self.root.removed());
        }
        Ok(found)
    }

    /// Returns the object of a key if the kernel has it in memory, for threads that must not wait for the
    /// disk. `None` does not mean that there is no object.
    pub(super) fn find_cached(&self, key: &ObjectKey) -> Option<Found> {
        let file = self.root.open_cached(&encode(key, Names::Posix).plain_path()).ok()?;
        self.describe(file).ok().flatten().filter(|found| found.record.is_some())
    }

    /// Returns the object at a path; `None` if there is nothing that S3 could serve.
    pub(super) fn open(&self, path: &str) -> Result<Option<Found>, Errno> {
        let file = match self.root.open_file(path) {
            Ok(file) => file,
            // ENXIO is a socket; ENAMETOOLONG is a path with an impossible name; EXDEV and ELOOP are symbolic
            // links that lead outside the bucket or in a circle. S3 shows no object for any of them.
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::NXIO
                | Errno::NAMETOOLONG
                | Errno::XDEV
                | Errno::LOOP,
            ) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.describe(file)
    }

    /// Returns what is known of a key's file that cannot be opened; `None` if there is no file. An error
    /// means that not even this is known.
    pub(super) fn glimpse(&self, key: &ObjectKey) -> Result<Option<Fingerprint>, Errno> {
        let path = encode(key, Names::Posix);
        let dir = match self.root.open_dir(&path.dir) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error),
        };
        for name in [&path.plain, &path.beside] {
            match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    return Ok(Some(Fingerprint::of(&stat)));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn describe(&self, file: OwnedFd) -> Result<Option<Found>, Errno> {
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let fingerprint = Fingerprint::of(&stat);
        let record = self.staging.records.read(&file, fingerprint)?;
        Ok(Some(Found { file, fingerprint, record, beside: false }))
    }

    /// Publishes a written file under the name of its key, atomically, and replaces an existing file if
    /// `replace` is set. The caller has synced the file, and syncs the directory that is returned.
    pub(super) fn publish(
        &self,
        temp: &mut TempFile,
        key: &ObjectKey,
        replace: bool,
    ) -> Result<OwnedFd, PublishError> {
        let path = encode(key, Names::Posix);
        // A round fails only if another task removed or created a directory in the path at the same time.
        for _ in 0..32 {
            let dir = match self.root.make_dirs(&path.dir, self.staging.durable) {
                Ok(dir) => dir,
                Err(Errno::NOTDIR) => return Err(PublishError::Obstructed),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            match temp.rename_to(&dir, &path.plain, replace) {
                // What was replaced was the object, so nothing lies beside it that could count.
                Ok(()) if temp.has_replaced() => return Ok(dir),
                Ok(()) => {
                    match rustix::fs::unlinkat(&dir, &path.beside, AtFlags::empty()) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(error) => return Err(error.into()),
                    }
                    return Ok(dir);
                }
                Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                    match is_dir(&dir, &path.plain) {
                        Ok(true) => {}
                        Ok(false) => return Err(PublishError::Exists),
                        // It was removed meanwhile.
                        Err(Errno::NOENT) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    // An empty directory is removed. One with objects stays, and the file gets the beside
                    // path.
                    if rustix::fs::unlinkat(&dir, &path.plain, AtFlags::REMOVEDIR).is_err() {
                        match temp.rename_to(&dir, &path.beside, replace) {
                            Ok(()) => return Ok(dir),
                            Err(Errno::EXIST) => return Err(PublishError::Exists),
                            Err(Errno::NOENT) => {}
                            Err(error) => return Err(error.into()),
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(PublishError::Failed(Errno::NOENT))
    }

    /// Moves an object to its beside path, because other keys need a directory at its plain path. The caller
    /// holds its lock.
    pub(super) fn make_way(&self, ancestor: &ObjectKey) -> Result<(), Errno> {
        let path = encode(ancestor, Names::Posix);
        let dir = match self.root.open_dir(&path.dir) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(error) => return Err(error),
        };
        match rustix::fs::statat(&dir, &path.plain, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                rustix::fs::renameat(&dir, &path.plain, &dir, &path.beside)?;
                self.sync(&dir)
            }
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => Err(Errno::NOTDIR),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the keys that `make_way` may have to be called for, the shortest one last.
    pub(super) fn in_the_way(key: &ObjectKey) -> Vec<ObjectKey> {
        ancestors(key).collect()
    }

    /// Removes the files of a key that `find` has found. Returns the directory that they were in, which has to be
    /// tidied; `None` if it is gone already.
    pub(super) fn unlink(&self, key: &ObjectKey, found: &Found) -> Result<Option<(String, OwnedFd)>, Errno> {
        let path = encode(key, Names::Posix);
        let dir = match self.root.open_dir(&path.dir) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The file that is not the object is removed first: a reader finds the object or nothing. The plain
        // path is kept if the object was found beside it, because it belongs to something else.
        for name in [Some(&path.beside), (!found.beside).then_some(&path.plain)].into_iter().flatten() {
            match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some((path.dir, dir)))
    }

    /// Makes removals from a directory durable, and removes the directories that became empty.
    pub(super) fn tidy(&self, path: &str, dir: OwnedFd) -> Result<(), Errno> {
        self.sync(&dir)?;
        drop(dir);
        if !path.is_empty() {
            self.root.prune(path);
        }
        Ok(())
    }

    pub(super) fn sync(&self, dir: &OwnedFd) -> Result<(), Errno> {
        if self.staging.durable { rustix::fs::fsync(dir) } else { Ok(()) }
    }
}
