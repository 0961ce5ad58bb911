//! What a run has done so far, as numbers that anybody may read at any time.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub struct Progress { $($name: AtomicU64),* }

        /// The numbers at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Snapshot { $($(#[$doc])* pub $name: u64),* }

        impl Progress {
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.load(Relaxed)),* }
            }

            $(pub(crate) fn $name(&self, more: u64) {
                self.$name.fetch_add(more, Relaxed);
            })*
        }
    };
}

counters! {
    /// Names that were compared.
    compared,
    /// Objects that were the same already.
    unchanged,
    /// Objects that the options leave alone.
    skipped,
    /// Objects that were sent, or copied by the storage.
    transferred,
    /// The sizes of these objects.
    transferred_bytes,
    /// Bytes that were read from the source, repeats included.
    read_bytes,
    /// Objects whose time alone was corrected.
    retimed,
    deleted,
    /// Objects that got another name at the end where they were.
    renamed,
    /// Names that both ends had changed.
    conflicts,
    /// Names that changed during a two-way run, and are left for the next one.
    left,
    trashed,
    /// Objects that were deleted at the source of a move.
    moved,
    failed,
    /// Objects and parts that a former run had sent already.
    resumed,
}

impl Progress {
    pub(crate) fn read(&self, bytes: usize) {
        self.read_bytes(bytes as u64);
    }
}
