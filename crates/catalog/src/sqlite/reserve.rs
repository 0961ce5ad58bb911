//! Space that is reserved for changes that free space: an empty file beside the databases, which is shortened
//! when they find no space.
//!
//! This module owns the file and its length. It does not decide who may use the space: only the writer asks,
//! and only for changes that free something.
//!
//! Invariants:
//! - the file is shortened piece by piece, so that other programs that write to a full disk get little of it;
//! - it is filled again only when there is space for it and as much again: filling it never makes the disk
//!   full.

use rustix::{
    fs::{FallocateFlags, StatVfs},
    io::Errno,
};
use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const NAME: &str = "reserve";
/// Enough for thousands of deletions, and small beside a disk.
const SIZE: u64 = 16 << 20;
/// On small file systems the reserve is a sixteenth of their size.
const SHARE: u64 = 16;
/// The maximum that one change may need, with all the pages that it touches.
const PIECE: u64 = 512 << 10;
/// With less free space than this, the disk counts as full: a page and a page of the log need it.
const NOTHING: u64 = 64 << 10;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    state: Mutex<ReserveState>,
}

#[derive(Debug)]
struct ReserveState {
    length: u64,
    /// Set while the reserve is not full: the time of its last use, or of the last attempt to fill it.
    tried: Option<Instant>,
}

impl Reserve {
    /// Opens the reserve, and fills it if there is space.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(NAME))?;
        let length = file.metadata()?.len();
        let reserve = Self { file, state: Mutex::new(ReserveState { length, tried: None }) };
        reserve.refill();
        Ok(reserve)
    }

    fn state(&self) -> MutexGuard<'_, ReserveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases a piece of the reserve to the file system. `false`: nothing is left.
    pub(super) fn give(&self) -> bool {
        let mut state = self.state();
        if state.length == 0 {
            return false;
        }
        let length = state.length.saturating_sub(PIECE);
        match self.file.set_len(length) {
            Ok(()) => {
                if state.tried.is_none() {
                    tracing::warn!("the data directory is full: its reserve is used for what frees space");
                }
                (state.length, state.tried) = (length, Some(Instant::now()));
                true
            }
            Err(error) => {
                tracing::error!(%error, "the reserve of the data directory cannot be used");
                false
            }
        }
    }

    /// Returns whether the file system has no space at all.
    pub(super) fn is_full(&self) -> bool {
        rustix::fs::fstatvfs(&self.file).is_ok_and(|space| free(&space) < NOTHING)
    }

    /// Is called after each change: fills the reserve again, at most once in `PAUSE`, if it is not full.
    pub(super) fn refill_at_times(&self) {
        let due = self.state().tried.is_some_and(|tried| tried.elapsed() >= PAUSE);
        if due {
            self.refill();
        }
    }

    fn refill(&self) {
        let mut state = self.state();
        let Ok(space) = rustix::fs::fstatvfs(&self.file) else { return };
        let whole = SIZE.min(space.f_blocks.saturating_mul(space.f_frsize) / SHARE);
        let missing = whole.saturating_sub(state.length);
        let has_room = free(&space) >= missing + whole;
        if missing > 0 && has_room {
            let filled = match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, whole) {
                Ok(()) => Ok(whole),
                // Where the file system cannot allocate space without writing it, there is no reserve.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(0),
                Err(error) => Err(error),
            };
            match filled {
                Ok(length) => state.length = length,
                Err(error) => {
                    let _ = self.file.set_len(state.length);
                    tracing::debug!(%error, "the reserve of the data directory cannot be filled yet");
                }
            }
        }
        state.tried = (missing > 0 && state.length < whole).then(Instant::now);
    }
}

fn free(space: &StatVfs) -> u64 {
    space.f_bavail.saturating_mul(space.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_in_pieces_until_nothing_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let reserve = Reserve::open(dir.path()).expect("opens");
        let length = || dir.path().join(NAME).metadata().expect("a file").len();
        let whole = length();
        assert!(whole <= SIZE && whole > 0, "{whole}");
        let pieces = std::iter::from_fn(|| reserve.give().then(length)).collect::<Vec<_>>();
        assert_eq!(pieces.len() as u64, whole.div_ceil(PIECE));
        assert!(pieces.is_sorted_by(|a, b| a > b) && pieces.last() == Some(&0));
        assert!(!reserve.give());
        // The next start fills it again.
        drop(reserve);
        let reserve = Reserve::open(dir.path()).expect("opens");
        assert_eq!((length(), reserve.is_full()), (whole, false));
    }
}
