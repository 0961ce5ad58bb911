//! Caches above backends: answers of a storage that are kept for a while, so that it is not asked again.
//!
//! [`CachedBackend`] wraps any [`Backend`](crate::backend::Backend) and keeps the answers to `head`,
//! `describe` and `list`, including the answer that a key does not exist. All backends share the memory of
//! one [`MetadataCache`]. Above that, if configured, one [`DataCache`] keeps bytes of objects: see `data`.
//!
//! Invariants of the metadata cache, whatever happens at the same time:
//! - **read your writes**: once a write through this layer has returned, every answer dates from after it.
//!   `window` has the argument;
//! - **nothing is older than its time to live**, counted from before the storage was asked, unless the
//!   storage does not answer: then `head`, a 304 and `list` may be as old as the backend's settings allow,
//!   and the reply says so;
//! - no write depends on cached answers: the storage checks the conditions of writes;
//! - a failure is never kept. That a key does not exist is an answer, not a failure.
//!
//! Changes made outside the gateway become visible when the time to live has passed, when a GET finds them,
//! or when the driver learns of them by upkeep, a full scan or the change feed, whichever comes first.

mod backend;
mod counts;
mod current;
mod data;
mod entries;
mod flights;
mod metadata;
mod space;
mod store;
mod window;

pub use backend::CachedBackend;
pub use counts::{Count, RequestKind};
pub use data::{DataCache, DataSettings};
pub use metadata::MetadataCache;
pub use space::Freshness;
