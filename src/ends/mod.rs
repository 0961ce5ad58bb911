//! The ends of commands that work on data: how one is written, and how it opens as a store.
//!
//! Owns the four forms of an end (a local path, a bucket, a path of a backend, a URL), which of them an
//! argument is, and the way to its store: through the server that holds the data directory, or on its own.
//! Every way leads to a driver or a stack that exists: there is no second data path.
//!
//! Invariants:
//! - an argument has one meaning, which does not depend on what exists where: a local path begins with `.`,
//!   `/`, `~` or `file:`;
//! - what a running server holds is reached through that server, with credentials that end by themselves;
//! - two ends that are one bucket have one store, as far as their addresses tell;
//! - without a server, the locks that a server takes are held until the end is closed.
//!
//! | file | owns |
//! |---|---|
//! | `name` | which of the forms an argument is |
//! | `failure` | why a command failed, and its exit code |
//! | `place` | an end that is open |
//! | `opening` | from the argument to the open end |
//! | `through` | buckets and backends of the configuration, by the server or without one |
//! | `located` | one location of a backend, as a store |
//! | `journal` | where the journals of runs between two ends are |
//! | `pairs` | where the states of two-way runs are, and which pair a local directory is part of |
//! | `kept` | the catalogs of object stores that outlive a command, so that its uploads can go on |

mod failure;
mod journal;
mod kept;
mod located;
mod name;
mod opening;
mod pairs;
mod place;
mod through;

pub use crate::config::{Named, Search};
pub use failure::{Failure, FailureKind};
pub use journal::journal;
pub use name::EndName;
pub use opening::{Opener, Skipped};
pub use pairs::{Remembered, RememberedEnd, pair_folder, recall_pair, remember_pair};
pub use place::{Place, Storage};
