//! What ends a whole run. What one object fails with is a report of the run, not one of these.

use crate::store::error::StoreError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The rest of the run would compare with an incomplete listing, and a sync would delete by it.
    #[error("listing {end}")]
    Listing {
        end: String,
        #[source]
        source: Box<StoreError>,
    },
    #[error("reading the ignore file {name} of {end}")]
    IgnoreFile {
        end: String,
        name: String,
        #[source]
        source: Box<StoreError>,
    },
    #[error("{0}")]
    Options(String),
    #[error("the journal {}: {what}", path.display())]
    Journal {
        path: PathBuf,
        what: String,
        #[source]
        source: Option<std::io::Error>,
    },
    #[error("{limit} objects were deleted, which is the limit, and there are more to delete")]
    TooManyDeletions { limit: u64 },
    #[error("the state of the pair in {}: {what}", path.display())]
    Pair {
        path: PathBuf,
        what: String,
        #[source]
        source: Option<std::io::Error>,
    },
    #[error("another run has this pair: {owner}")]
    PairInUse { owner: String },
    #[error(
        "{count} of {known} objects would be deleted at {end}, which is more than the limit of {limit}: nothing was \
         changed"
    )]
    DeletesTooMuch { count: u64, known: u64, end: String, limit: String },
    #[error(
        "{end} has nothing at all, and had {known} objects after the last run: they would be deleted at the other end, \
         and nothing was changed"
    )]
    EmptyEnd { end: String, known: u64 },
    #[error("{count} objects were changed at both ends: nothing was changed")]
    Conflicts { count: u64 },
    #[error("the run was cancelled")]
    Cancelled,
    #[error("a task of the run ended by itself")]
    Task(#[source] tokio::task::JoinError),
}
