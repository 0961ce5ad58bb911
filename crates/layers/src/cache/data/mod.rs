//! Bytes of objects, kept in blocks: in memory, on local disk, or both.
//!
//! A block is 1 MiB of one version of one object (the last one is what is left), and its name says which: bucket, key, ETag, size,
//! number. So what is kept is never wrong, only unused, and no write has anything to take out. What the current version is has to
//! be known before a byte is served: from the metadata cache where that is on, else the storage is asked for a head each time.
//!
//! What holds:
//! - a block is kept only when all of it has come, from one reply of the storage that said it is of that version. A reply that
//!   ends early or fails leaves no trace of its last block;
//! - bytes go on to readers as they come; nobody waits for a block to be whole, nor for the disk;
//! - what is being fetched is fetched once: who comes later reads along (`fetch`);
//! - memory: what is configured, some blocks for each fetch that goes on, and what `spare` allows for slow readers.
//!
//! A reader that began keeps its version while somebody fetches it, and what of it was at hand in memory when it began, as far as
//! there is spare memory. If what it has not read yet was dropped from the cache and the object replaced in the storage, its body
//! ends with an error: it is never of two versions.

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
