//! Closes Causeway's own directories to other users: a user who can open a file in one can hold its lock, and
//! so keep a server from starting.

use rustix::{
    fd::AsFd,
    fs::{Mode, fchmod, fstat},
    io::Errno,
};
use std::path::Path;

pub(super) const FILE: Mode = Mode::from_raw_mode(0o600);
pub(super) const DIRECTORY: Mode = Mode::from_raw_mode(0o700);

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Removes the rights of other users from a directory or file of Causeway, which older versions made
/// readable. The log names each one that other users could write to, because they may have changed it.
pub fn keep_private(ours: impl AsFd, path: &Path) -> Result<(), Errno> {
    let stat = fstat(&ours)?;
    let mode = stat.st_mode & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let (path, mode_text) = (path.display(), format!("{mode:04o}"));
    if mode & OTHERS_WRITE != 0 {
        tracing::warn!(%path, mode = mode_text, "other users of this machine could write here, where only Causeway should: look for what they left");
    }
    match fchmod(&ours, Mode::from_raw_mode(mode & !OTHERS)) {
        Ok(()) => {
            tracing::info!(%path, mode = mode_text, "other users of this machine have no access here any more")
        }
        Err(error @ (Errno::PERM | Errno::ROFS | Errno::NOTSUP)) => {
            tracing::warn!(%path, mode = mode_text, %error, "other users of this machine have access here and can keep the server from starting: take it from them");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
