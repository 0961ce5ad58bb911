//! Copies bytes from one open file into another, for objects made of files that are there already.
//!
//! Owns no names and no locks: callers hold what keeps both files as they are.

use super::write::write_at;
use bytes::Bytes;
use rustix::{fd::OwnedFd, io::Errno};

/// Copies a range within the kernel, which shares extents where the file system can.
pub(super) fn copy_range(
    from: &OwnedFd,
    mut at: u64,
    to: &OwnedFd,
    mut put: u64,
    mut left: u64,
) -> Result<(), Errno> {
    while left > 0 {
        let length = usize::try_from(left.min(1 << 30)).unwrap_or(1 << 30);
        let copied = match rustix::fs::copy_file_range(from, Some(&mut at), to, Some(&mut put), length) {
            Ok(copied) => copied as u64,
            Err(Errno::INTR) => continue,
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let mut buffer = vec![0; length.min(1 << 20)];
                let read = rustix::io::pread(from, &mut buffer[..], at)?;
                write_at(to, &[Bytes::from(buffer).slice(..read)], put)?;
                (at, put) = (at + read as u64, put + read as u64);
                read as u64
            }
            Err(error) => return Err(error),
        };
        if copied == 0 {
            return Err(Errno::IO);
        }
        left -= copied;
    }
    Ok(())
}
