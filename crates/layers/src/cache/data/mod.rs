//! Bytes of objects, cached in blocks: in memory, on local disk, or both.
//!
//! A block is 1 MiB of one version of one object (the last block may be shorter). Its name contains the
//! bucket, the key, the ETag, the size and the block number. So a cached block is never wrong, only unused,
//! and a write has nothing to remove. The current version has to be known before a byte is served: from the
//! metadata cache if that is on; otherwise the storage is asked for a head each time.
//!
//! Invariants:
//! - a block is kept only when all of it has arrived, from one reply of the storage that stated this version.
//!   A reply that ends early or fails leaves nothing of its last block;
//! - bytes are passed on to readers as they arrive; no reader waits for a complete block, nor for the disk;
//! - bytes that are being fetched are fetched once: later readers share the fetch (`fetch`);
//! - memory is bounded by the configured size, some blocks for each fetch in progress, and what `spare`
//!   allows for slow readers.
//!
//! A reader keeps its version while that version is being fetched. It also keeps the blocks that were in
//! memory when it began, as far as there is spare memory. If the rest was evicted and the object was replaced
//! in the storage, the body ends with an error: a body never mixes two versions.

mod block;
mod blocks;
mod disk;
mod fetch;
mod memory;
mod reader;
mod spare;
mod store;

pub use memory::{DataCache, DataSettings};
pub(super) use store::DataStore;
