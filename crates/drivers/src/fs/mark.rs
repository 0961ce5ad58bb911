//! How the last process that used a root ended, and so which part of the index can be trusted.
//!
//! An orderly stop leaves the file `clean`. While a process runs, the file `running` names the boot of the
//! machine in which it runs. A killed process leaves `running` behind: if the machine was not started again
//! since, the kernel still has everything that the process had written, and only changes that were under way
//! can be missing from the index (`journal`). In all other cases (power loss, another machine, a copied root)
//! nothing is known.
//!
//! The epoch says which scans count: a bucket's index is complete if its state names the epoch in force.
//! Where nothing is known, a new epoch begins, and every bucket is scanned again.
//!
//! Invariant: of `clean` and `running`, whichever is found was written after the index was as it says.

use super::root::Root;
use rustix::{fd::OwnedFd, fs::AtFlags, io::Errno};
use std::{
    fs::File,
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
};

const CLEAN: &str = "clean";
const RUNNING: &str = "running";
/// A mark that is being written.
const NEW: &str = "mark.new";
/// The epoch of releases without epochs: the state that they gave to a bucket that was scanned.
const FIRST_EPOCH: &str = "complete";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The longest content that a mark can have.
const LONGEST: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastEnd {
    /// The last process stopped in order.
    Clean,
    /// The last process was killed, and the machine runs on.
    Killed,
    Unknown,
}

#[derive(Debug)]
pub(super) struct Mark {
    pub(super) last: LastEnd,
    epoch: String,
    /// Whether `running` was removed, because a kill could not be survived any more.
    distrusted: AtomicBool,
}

impl Mark {
    /// Reads the marks of the last process, and replaces them by that of this one.
    pub(super) fn open(reserved: &Root) -> Result<Self, Errno> {
        Self::open_on(reserved, machine().as_deref())
    }

    fn open_on(reserved: &Root, machine: Option<&str>) -> Result<Self, Errno> {
        let running = read(reserved, RUNNING)?.and_then(|(text, file)| {
            let (epoch, rest) = text.split_once('\n')?;
            (rest == ours(machine?, &file)?).then(|| epoch.to_owned())
        });
        let (last, epoch) = match (read(reserved, CLEAN)?, running) {
            (Some((epoch, _)), _) if epoch.is_empty() => (LastEnd::Clean, FIRST_EPOCH.to_owned()),
            (Some((epoch, _)), _) => (LastEnd::Clean, epoch),
            (None, Some(epoch)) => (LastEnd::Killed, epoch),
            (None, None) => (LastEnd::Unknown, new_epoch()?),
        };
        let mark = Self { last, epoch, distrusted: AtomicBool::new(false) };
        // The new mark is there before the old one is gone: a kill in between leaves one of them.
        let written = match machine {
            Some(machine) => mark.write_running(reserved, machine),
            None => Err(Errno::NOTSUP),
        };
        match written {
            Ok(()) => {}
            // Deleting must be possible on a full disk: there a kill is like a loss of power.
            Err(Errno::NOSPC | Errno::DQUOT | Errno::NOTSUP) => remove(reserved, RUNNING)?,
            Err(error) => return Err(error),
        }
        remove(reserved, CLEAN)?;
        rustix::fs::fsync(reserved.fd())?;
        Ok(mark)
    }

    /// The state of a bucket whose index is complete.
    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    fn write_running(&self, reserved: &Root, machine: &str) -> Result<(), Errno> {
        remove(reserved, NEW)?;
        let file = reserved.create_new(NEW)?;
        let ours = ours(machine, &file).ok_or(Errno::NOTSUP)?;
        write(&file, &format!("{}\n{ours}", self.epoch))?;
        rustix::fs::renameat(reserved.fd(), NEW, reserved.fd(), RUNNING)
    }

    /// After a kill of this process nothing will be known: a change could not be noted before it was made.
    pub(super) fn distrust(&self, reserved: &Root) -> Result<(), Errno> {
        if self.distrusted.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        remove(reserved, RUNNING).inspect_err(|_| self.distrusted.store(false, Ordering::Release))
    }

    /// Marks an orderly stop.
    pub(super) fn stop(&self, reserved: &Root) -> Result<(), Errno> {
        remove(reserved, NEW)?;
        let file = reserved.create_new(NEW)?;
        write(&file, &self.epoch)?;
        rustix::fs::fsync(&file)?;
        rustix::fs::renameat(reserved.fd(), NEW, reserved.fd(), CLEAN)?;
        remove(reserved, RUNNING)?;
        rustix::fs::fsync(reserved.fd())
    }
}

/// Names the boot of this machine. `None`: it has no such name.
fn machine() -> Option<String> {
    let id = std::fs::read_to_string(BOOT_ID).ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// What this process writes into `running`: the machine, and the file itself, so that a copy does not count.
fn ours(machine: &str, file: &OwnedFd) -> Option<String> {
    let stat = rustix::fs::fstat(file).ok()?;
    Some(format!("{machine}\n{} {}\n", stat.st_dev, stat.st_ino))
}

fn new_epoch() -> Result<String, Errno> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
    Ok(hex::encode(random))
}

fn read(reserved: &Root, name: &str) -> Result<Option<(String, OwnedFd)>, Errno> {
    let file = match reserved.open_file(name) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    let own = file.try_clone().map_err(|_| Errno::MFILE)?;
    // A mark that is no text is one that this release did not write.
    match File::from(own).take(LONGEST).read_to_string(&mut text) {
        Ok(_) => Ok(Some((text, file))),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        Err(_) => Err(Errno::IO),
    }
}

fn write(file: &OwnedFd, text: &str) -> Result<(), Errno> {
    File::from(file.try_clone().map_err(|_| Errno::MFILE)?)
        .write_all(text.as_bytes())
        .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))
}

fn remove(reserved: &Root, name: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(reserved.fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::private, *};

    fn root(dir: &tempfile::TempDir) -> Root {
        Root::open(dir.path(), private::DIRECTORY).expect("opens")
    }

    fn open(root: &Root, machine: &str) -> (LastEnd, String, Mark) {
        let mark = Mark::open_on(root, Some(machine)).expect("opens");
        (mark.last, mark.epoch().to_owned(), mark)
    }

    #[test]
    fn an_epoch_lasts_over_stops_and_kills_and_ends_with_the_boot() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = root(&dir);
        let (last, first, mark) = open(&root, "boot one");
        assert_eq!(last, LastEnd::Unknown);
        mark.stop(&root).expect("stopped");
        let (last, epoch, _killed) = open(&root, "boot two");
        assert_eq!((last, &epoch), (LastEnd::Clean, &first), "a clean stop is good on any machine");
        let (last, epoch, _killed) = open(&root, "boot two");
        assert_eq!((last, &epoch), (LastEnd::Killed, &first));
        let (last, epoch, _killed) = open(&root, "boot three");
        assert_eq!(last, LastEnd::Unknown, "power may have been lost");
        assert_ne!(epoch, first);
        let (last, again, _killed) = open(&root, "boot three");
        assert_eq!((last, again), (LastEnd::Killed, epoch), "what was not scanned since has no new state");
    }

    #[test]
    fn marks_of_earlier_releases_and_copies_are_told_apart() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = root(&dir);
        std::fs::write(dir.path().join(CLEAN), "").expect("written");
        let (last, epoch, mark) = open(&root, "boot");
        assert_eq!((last, epoch.as_str()), (LastEnd::Clean, FIRST_EPOCH));
        let running = dir.path().join(RUNNING);
        let text = std::fs::read(&running).expect("read");
        std::fs::rename(&running, dir.path().join("kept")).expect("renamed");
        std::fs::write(&running, text).expect("written");
        assert_eq!(open(&root, "boot").0, LastEnd::Unknown, "a copy has another inode");
        let (_, _, after) = open(&root, "boot");
        after.distrust(&root).expect("removed");
        assert_eq!(open(&root, "boot").0, LastEnd::Unknown);
        drop(mark);
    }
}
