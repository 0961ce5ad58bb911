//! The free space of a file system.

use crate::store::{Result, error::StoreError};
use std::path::Path;

/// The free space below which a file system is low, if it is also below a twentieth of its size.
const LOW: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The number of bytes that this process may still write.
    pub free: u64,
    pub size: u64,
}

impl Space {
    /// Returns the space of the file system that contains a path.
    pub fn at(path: &Path) -> Result<Self> {
        let told = rustix::fs::statvfs(path)
            .map_err(|error| StoreError::io(format!("asking for the space of {}", path.display()), error))?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        Ok(Self { free: bytes(told.f_bavail), size: bytes(told.f_blocks) })
    }

    /// Returns whether an operator should free space soon.
    pub fn is_low(self) -> bool {
        self.free < LOW.min(self.size / 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_low_before_it_is_gone_on_disks_of_any_size() {
        for (size, enough, low) in [(64 << 20, 4 << 20, 3 << 20), (10 << 40, 2 << 30, 1 << 29)] {
            assert!(!Space { free: enough, size }.is_low() && Space { free: low, size }.is_low(), "{size}");
        }
        assert!(Space::at(Path::new("/")).is_ok_and(|space| space.size >= space.free));
    }
}
