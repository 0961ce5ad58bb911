//! What a reply holds of its peer's memory while it lasts. Does not own the memory (`store::memory`).

use crate::store::memory::Memory;
use std::sync::Arc;

/// How many bytes of a reply drivers return at once.
pub(super) const PIECE: usize = 128 << 10;
/// A reply takes the memory of two pieces: one that was returned, and one that is read ahead.
pub(super) const REPLY: usize = 2 * PIECE;

/// What a reply holds of its peer's memory.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) memory: Arc<Memory>,
    pub(super) bytes: usize,
}
