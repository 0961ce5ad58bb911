//! The free space of a file system.

use crate::store::{Result, error::StoreError};
use std::path::Path;

/// Below a twentieth of a file system, and below this, its room is low.
const LOW: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free: u64,
    pub size: u64,
}

impl Space {
    /// Asks for the space of the file system that a path lies on.
    pub fn at(path: &Path) -> Result<Self> {
        let told = rustix::fs::statvfs(path)
            .map_err(|error| StoreError::io(format!("asking for the space of {}", path.display()), error))?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        Ok(Self { free: bytes(told.f_bavail), size: bytes(told.f_blocks) })
    }

    /// An operator should make room before there is none.
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
