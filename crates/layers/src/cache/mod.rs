//! Caches above backends: answers of a storage that are kept for a while, so that it is not asked again.
//!
//! [`CachedBackend`] wraps any [`Backend`](crate::backend::Backend) and keeps what `head`, `describe` and `list` answered, that a
//! key was not there among it. All backends share the memory of one [`MetadataCache`]. Above that, if wanted, one [`DataCache`] keeps
//! bytes of objects: see `data`.
//!
//! What holds of the first, whatever happens at the same time:
//! - **read your writes**: once a write through this layer has returned, every answer is from after it. `window` has the
//!   argument;
//! - **nothing is older than its time to live**, counted from before the storage was asked, unless the storage does not
//!   answer: then `head`, a 304 and `list` may be as old as the backend's settings let them, and say so;
//! - no write depends on what is kept: conditions of writes are the storage's to judge;
//! - a failure is never kept. That there is no such key is an answer, not a failure.
//!
//! What others write beside us is seen when the time to live has passed, when a GET meets it, or when the driver learns of it
//! (`maintain`, `walk`, `follow`), whichever comes first.

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
pub use counts::{Count, Kind};
pub use data::{DataCache, DataSettings};
pub use metadata::MetadataCache;
pub use space::Freshness;
