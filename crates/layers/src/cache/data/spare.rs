//! Memory for slow readers: bytes of a version that they still need and that the storage may no longer hold.
//!
//! Owns the counting. Does not own the bytes. Invariant: all data caches together hold at most [`SPARE`] for
//! this.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

const SPARE: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Spare {
    left: AtomicU64,
}

/// A share of that memory, until it is dropped.
#[derive(Debug)]
pub(super) struct Spared {
    of: Arc<Spare>,
    bytes: u64,
}

impl Default for Spare {
    fn default() -> Self {
        Self { left: AtomicU64::new(SPARE) }
    }
}

impl Spared {
    pub(super) fn nothing(of: &Arc<Spare>) -> Self {
        Self { of: of.clone(), bytes: 0 }
    }

    pub(super) fn take(of: &Arc<Spare>, bytes: u64) -> Option<Self> {
        let mut spared = Self::nothing(of);
        spared.become_of(bytes).then_some(spared)
    }

    /// Changes the share to `bytes`. Returns `false` and keeps the old share if there is not enough memory.
    pub(super) fn become_of(&mut self, bytes: u64) -> bool {
        let held = self.bytes;
        let change = |left: u64| (left + held).checked_sub(bytes);
        let done = self.of.left.fetch_update(Relaxed, Relaxed, change).is_ok();
        if done {
            self.bytes = bytes;
        }
        done
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_only_so_much_and_what_is_given_back_is_there_again() {
        let spare = Arc::<Spare>::default();
        let mut first = Spared::take(&spare, SPARE - 10).expect("is there");
        assert!(Spared::take(&spare, 11).is_none());
        let second = Spared::take(&spare, 10).expect("is there");
        assert!(!first.become_of(SPARE - 9));
        assert!(first.become_of(100));
        drop((first, second));
        assert_eq!(spare.left.load(Relaxed), SPARE);
    }
}
