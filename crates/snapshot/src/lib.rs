//! Snapshots of one store in another one: incremental, deduplicated and encrypted.
//!
//! A repository is a prefix of any store. Objects are cut into chunks by their content, a chunk is stored
//! once, and a snapshot is a sorted list of objects that names chunks. The format is in
//! `docs/decisions/0062-snapshots.md`, byte by byte.
//!
//! Invariants:
//! - what a snapshot needs is stored before its record is: a killed run leaves garbage, never a record that
//!   cannot be restored;
//! - nothing leaves this process that is not sealed, but names that are random, times and sizes;
//! - every byte that is read back is verified: by its seal, and a chunk also by its identity;
//! - memory grows with the number of chunks in a repository (28 bytes for each), not with objects or bytes;
//! - a pack is deleted only long after it was condemned, so that a run that began before hears of it.
//!
//! | file | owns |
//! |---|---|
//! | `keys`, `seal` | the key file, what is derived from it, and how a file is sealed |
//! | `files` | the kinds and names of files in a repository |
//! | `repository` | making, opening, reading and writing the files |
//! | `chunker`, `content` | cutting an object into chunks, and finding them again |
//! | `pack`, `index` | many chunks in one file, and where each chunk is |
//! | `writer`, `reader` | storing and reading chunks |
//! | `record`, `list` | what is kept of an object, and the sorted list of them |
//! | `condemned` | packs that are to be deleted |
//! | `create`, `object` | a run that makes a snapshot, and one object of it |
//! | `view` | a snapshot as a store that can only be read |
//! | `keep`, `prune`, `reach` | which snapshots stay, and removing what none of them needs |
//! | `check` | whether a repository is whole |
//! | `error` | what ends a run |

#![warn(unreachable_pub)]

mod check;
mod chunker;
mod condemned;
mod content;
mod create;
mod error;
mod files;
mod index;
mod keep;
mod keys;
mod list;
mod object;
mod pack;
mod prune;
mod reach;
mod reader;
mod record;
mod repository;
mod seal;
mod view;
mod writer;

pub use check::{Checked, check};
pub use create::{Create, Created, Hear, Said};
pub use error::SnapshotError;
pub use files::Name;
pub use keep::Keep;
pub use keys::{KeyFile, KeyFileError};
pub use prune::{Prune, Pruned};
pub use record::Snapshot;
pub use repository::Repository;
pub use view::View;

use causeway_core::{model, store};
use causeway_transfer as transfer;

type Result<T> = std::result::Result<T, SnapshotError>;

#[cfg(test)]
mod tests;
