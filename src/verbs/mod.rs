//! What the verbs of the command line do on open ends, in functions that jobs can call, too.
//!
//! Owns listing, reading, writing and removing objects of one store for a person or a job. Owns neither
//! arguments nor output: the command line has those. Copying between two ends is the engine's (`transfer`).
//!
//! Invariants: memory is bounded, whatever a bucket holds: listings are read page by page, bodies piece by
//! piece; what was written is acknowledged by the store before a function returns.
//!
//! | file | owns |
//! |---|---|
//! | `entries` | listing: all entries below a prefix, or those of one folder |
//! | `find` | entries that pass name, size and age |
//! | `usage` | how much there is, in all and for each folder |
//! | `read` | the bytes of one object, or some of them |
//! | `verify` | objects against their recorded checksums |
//! | `dedupe` | objects with the same bytes |
//! | `watch` | what changes between two listings |
//! | `digest` | digests of the bytes of one object |
//! | `body` | a body that is written, and what comes with it |
//! | `write` | one object from a stream of unknown length |
//! | `upload` | the same in parts |
//! | `mark` | empty objects: folders, and objects that are touched |
//! | `link` | links that work without credentials |
//! | `side`, `carry` | the ends of a transfer, and running it |
//! | `snapshot` | the repository of snapshots at an end |
//! | `remove` | one object, or all below a prefix |

mod body;
mod carry;
mod dedupe;
mod digest;
mod entries;
mod find;
mod link;
mod mark;
mod read;
mod remove;
mod side;
mod snapshot;
mod upload;
mod usage;
mod verify;
mod watch;
mod write;

pub use body::{Body, Described};
pub use carry::{carry, check, two_way};
pub use dedupe::{Alike, Copy, Keep, duplicates, remove_copy, rename_copy};
pub use digest::{Digest, digests};
pub use entries::{Depth, Entries, Entry, stat};
pub use find::{Filter, age, size, span};
pub use link::{Link, link};
pub use mark::{make_folder, touch};
pub use read::{Reading, open};
pub use remove::{Removed, remove_all, remove_one};
pub use side::{folder, object, something_below};
pub use snapshot::{init_repository, repository, snapshot_failure};
pub use usage::{Total, Usage};
pub use verify::{Verified, VerifySummary, verify};
pub use watch::{Seen, What};
pub use write::write;
