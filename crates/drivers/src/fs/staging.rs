//! `.causeway/` in a backend's root: where bytes wait until they become an object.
//!
//! `tmp/` holds writes in flight, `uploads/` the parts of multipart uploads, `records/` the records that do
//! not fit into an attribute. All are on the file system of the buckets, so that publishing is a rename.
//!
//! Invariants: no other user may open it, because a user who can open `backend.lock` can hold it; one process
//! owns a root (by an exclusive lock on that file); files that are in `tmp/` at the start were left by a
//! killed process and are removed; a `TempFile` that is dropped unpublished is removed. How the last process
//! ended is told by `mark`, and which changes it had under way by `journal`.

use super::{
    FsSettings,
    journal::{Journal, Late},
    mark::{LastEnd, Mark},
    private::{self, keep_private},
    record::Records,
    root::{Root, entries, exchange, is_dir, rename_new},
};
use crate::{
    backend::codec::RESERVED_DIR,
    catalog::BucketId,
    store::{
        Durability, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use rustix::{
    fd::OwnedFd,
    fs::{Access, AtFlags, FlockOperation, Mode},
    io::Errno,
};
use std::{
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

const LOCK: &str = "backend.lock";

#[derive(Debug)]
pub(super) struct Staging {
    reserved: Root,
    tmp: Root,
    pub(super) uploads: Root,
    pub(super) records: Records,
    /// Permission bits of the files that hold objects.
    files: Mode,
    /// Whether data and names are synced, so that they survive a power loss.
    pub(super) durable: bool,
    /// How the last process ended.
    pub(super) mark: Mark,
    pub(super) journal: Arc<Journal>,
    /// The changes that a killed process had under way, until their buckets are opened.
    late: Mutex<Vec<Late>>,
    names: AtomicU64,
    /// Objects were published whose index rows could not be committed.
    lacks_rows: AtomicBool,
    /// The file system cannot exchange two names.
    no_exchange: AtomicBool,
    /// The exclusive lock, held while the process lives.
    lock: OwnedFd,
}

impl Staging {
    pub(super) fn open(settings: &FsSettings) -> Result<Arc<Self>> {
        let (root, durable) = (settings.root.as_path(), settings.durability == Durability::Strict);
        let failed =
            |what: &str, error: Errno| StoreError::io(format!("{what} in {}", root.display()), error);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(settings.directory_mode)
            .create(root)
            .map_err(|error| StoreError::io(format!("making {}", root.display()), error))?;
        let base = Root::open(root, private::DIRECTORY).map_err(|e| failed("opening the root", e))?;
        let make = |base: &Root, name: &str| {
            base.make_dirs(name, durable)
                .and_then(|_| base.sub(name))
                .map_err(|e| failed(&format!("making {name}"), e))
        };
        let reserved = make(&base, RESERVED_DIR)?;
        let own = root.join(RESERVED_DIR);
        keep_private(reserved.fd(), &own).map_err(|e| failed("keeping others out of our directory", e))?;
        let lock = reserved.open_or_create(LOCK).map_err(|e| failed("opening the lock", e))?;
        keep_private(&lock, &own.join(LOCK)).map_err(|e| failed("keeping others from the lock", e))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => StoreError::new(
                StoreErrorKind::Unavailable,
                format!("another process serves {}: two must not share a root", root.display()),
            ),
            error => failed("locking", error),
        })?;
        let mark = Mark::open(&reserved).map_err(|e| failed("reading how the last process ended", e))?;
        let (journal, late) = Journal::open(&reserved, mark.last != LastEnd::Unknown)
            .map_err(|e| failed("reading the changes under way", e))?;
        let tmp = make(&reserved, "tmp")?;
        for entry in entries(tmp.fd()).map_err(|e| failed("listing tmp", e))? {
            let (name, _) = entry.map_err(|e| failed("listing tmp", e))?;
            tmp.remove_tree(&name.to_string_lossy()).map_err(|e| failed("cleaning tmp", e))?;
        }
        let (uploads, records) = (make(&reserved, "uploads")?, make(&reserved, "records")?);
        Ok(Arc::new(Self {
            reserved,
            tmp,
            uploads,
            records: Records::open(records).map_err(|e| failed("listing records", e))?,
            files: Mode::from_raw_mode(settings.file_mode),
            durable,
            mark,
            journal,
            late: Mutex::new(late),
            names: AtomicU64::new(0),
            lacks_rows: AtomicBool::new(false),
            no_exchange: AtomicBool::new(false),
            lock,
        }))
    }

    /// Returns whether the root at `root` still has this staging directory.
    pub(super) fn is_at(&self, root: &Path) -> std::result::Result<bool, Errno> {
        let ours = rustix::fs::fstat(&self.lock)?;
        match rustix::fs::stat(root.join(RESERVED_DIR).join(LOCK)) {
            Ok(there) => Ok((ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next start has to scan, even after an orderly stop.
    pub(super) fn index_lacks_rows(&self) {
        if !self.lacks_rows.swap(true, Ordering::AcqRel)
            && let Err(error) = self.distrust()
        {
            tracing::error!(%error, "the mark of this process could not be removed: after a kill, the next start may list old objects until a scan");
        }
    }

    /// Marks an orderly stop, if the index has all rows. The caller must have committed the index before.
    pub(super) fn mark_clean(&self) -> std::result::Result<(), Errno> {
        if self.lacks_rows.load(Ordering::Acquire) {
            return self.distrust();
        }
        self.mark.stop(&self.reserved)?;
        self.journal.stop()
    }

    /// Makes the next start scan everything, if this process is killed.
    pub(super) fn distrust(&self) -> std::result::Result<(), Errno> {
        self.mark.distrust(&self.reserved)
    }

    /// Takes the changes of a bucket that a killed process had under way.
    pub(super) fn take_late(&self, bucket: BucketId) -> Vec<Late> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.extract_if(.., |late| late.bucket == bucket).collect()
    }

    pub(super) fn temp_file(self: &Arc<Self>) -> std::result::Result<TempFile, Errno> {
        let name = format!("{:x}", self.names.fetch_add(1, Ordering::Relaxed));
        let file = self.tmp.create_new(&name)?;
        Ok(TempFile { home: Home::Tmp, name, file: Some(file), replaced: false, staging: self.clone() })
    }

    /// Returns a file of an upload as a `TempFile`, to be published as an object.
    pub(super) fn adopt(self: &Arc<Self>, dir: OwnedFd, name: &str, file: OwnedFd) -> TempFile {
        let (home, name) = (Home::Upload(dir), name.to_owned());
        TempFile { home, name, file: Some(file), replaced: false, staging: self.clone() }
    }
}

#[derive(Debug)]
enum Home {
    Tmp,
    Upload(OwnedFd),
}

/// A file with bytes that are not yet an object. After it was published in place of another file, it stands
/// for that one, which has its temporary name then. Dropping it removes what has that name: freeing the bytes
/// of a file may take longer than everything else, and needs no lock.
#[derive(Debug)]
pub(super) struct TempFile {
    home: Home,
    name: String,
    /// `None` once published.
    file: Option<OwnedFd>,
    /// The temporary name is that of a file that was replaced.
    replaced: bool,
    staging: Arc<Staging>,
}

impl TempFile {
    pub(super) fn file(&self) -> std::result::Result<&OwnedFd, Errno> {
        self.file.as_ref().ok_or(Errno::BADF)
    }

    /// Publishes the file under its final name; afterwards it is no longer temporary.
    pub(super) fn rename_to(
        &mut self,
        dir: &OwnedFd,
        name: &str,
        replace: bool,
    ) -> std::result::Result<(), Errno> {
        if self.staging.files != private::FILE {
            // The new mode is committed together with the rename. Some file systems have no modes of their
            // own.
            match rustix::fs::fchmod(self.file()?, self.staging.files) {
                Ok(()) | Err(Errno::PERM | Errno::NOTSUP) => {}
                Err(error) => return Err(error),
            }
        }
        match rename_new(self.dir(), &self.name, dir, name) {
            Err(Errno::EXIST) if replace => self.replace(dir, name)?,
            // The file system cannot refuse to replace: a hard link never replaces.
            Err(Errno::INVAL | Errno::NOSYS) if replace => {
                refuse_unreadable(dir, name)?;
                rustix::fs::renameat(self.dir(), &self.name, dir, name)?;
            }
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(self.dir(), &self.name, dir, name, AtFlags::empty())?;
                rustix::fs::unlinkat(self.dir(), &self.name, AtFlags::empty())?;
            }
            done => done?,
        }
        self.file = None;
        Ok(())
    }

    /// Publishes the file in place of another one. The two exchange their names: a file that a rename
    /// replaces is freed before the rename ends, and ext4 writes the new file to disk first.
    fn replace(&mut self, dir: &OwnedFd, name: &str) -> std::result::Result<(), Errno> {
        refuse_unreadable(dir, name)?;
        if is_dir(dir, name)? {
            return Err(Errno::ISDIR);
        }
        // An upload's directory is read after a crash: nothing else may be in it.
        if matches!(self.home, Home::Upload(_)) || self.staging.no_exchange.load(Ordering::Relaxed) {
            return rustix::fs::renameat(self.dir(), &self.name, dir, name);
        }
        match exchange(self.dir(), &self.name, dir, name) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => {
                self.staging.no_exchange.store(true, Ordering::Relaxed);
                return rustix::fs::renameat(self.dir(), &self.name, dir, name);
            }
            Err(error) => return Err(error),
        }
        // Another program may have put a directory there in this moment, with all that is in it.
        if is_dir(self.dir(), &self.name)? {
            exchange(self.dir(), &self.name, dir, name)?;
            return Err(Errno::ISDIR);
        }
        self.replaced = true;
        Ok(())
    }

    /// Returns whether the file was published in place of another one, as far as is known.
    pub(super) fn has_replaced(&self) -> bool {
        self.replaced
    }

    fn dir(&self) -> &OwnedFd {
        match &self.home {
            Home::Tmp => self.staging.tmp.fd(),
            Home::Upload(dir) => dir,
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Files of an upload stay: they contain acknowledged parts until the upload ends.
        if (self.file.is_some() || self.replaced) && matches!(self.home, Home::Tmp) {
            // If this fails, the next start removes the file.
            let _ = rustix::fs::unlinkat(self.dir(), &self.name, AtFlags::empty());
        }
    }
}

/// A file without read permission is not replaced, although the permissions of the directory would allow it.
fn refuse_unreadable(dir: &OwnedFd, name: &str) -> std::result::Result<(), Errno> {
    match rustix::fs::accessat(dir, name, Access::READ_OK, AtFlags::empty()) {
        Err(Errno::ACCESS) => Err(Errno::ACCESS),
        _ => Ok(()),
    }
}
