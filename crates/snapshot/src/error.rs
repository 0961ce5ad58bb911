//! What ends a run on a repository.

use crate::{store::error::StoreError, transfer::TransferError};

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{what}")]
    Store {
        what: String,
        #[source]
        source: Box<StoreError>,
    },
    #[error("there is no repository at '{0}': 'causeway snapshot init' makes one")]
    NoRepository(String),
    #[error("there is a repository at '{0}' already")]
    Exists(String),
    #[error(
        "the key file does not open the repository: it is the key of another one, or the repository's header was changed"
    )]
    WrongKey,
    #[error("the repository has a format that this version does not know: {0}")]
    Format(String),
    #[error("the file {file} of the repository is damaged: {why}")]
    Damaged { file: String, why: &'static str },
    #[error("chunk {0} is in no pack of the index: 'causeway snapshot check' says what is missing")]
    NoChunk(String),
    #[error("there is no snapshot '{0}': 'causeway snapshot list' shows them")]
    NoSnapshot(String),
    #[error("several snapshots begin with '{0}': write more of the name")]
    Ambiguous(String),
    #[error(
        "the repository was pruned while this run used it, and the snapshot was not made: run it again. What was stored \
         is used then"
    )]
    Pruned,
    #[error("the run has taken longer than the grace of {0} hours: run it again")]
    TooLong(u64),
    #[error("listing the source")]
    Listing(#[from] TransferError),
    #[error("random numbers: {0}")]
    Random(String),
    #[error("the run was cancelled")]
    Cancelled,
    #[error("a task of the run ended by itself")]
    Task(#[source] tokio::task::JoinError),
}

impl SnapshotError {
    pub(crate) fn store(what: impl Into<String>) -> impl FnOnce(StoreError) -> Self {
        let what = what.into();
        move |source| Self::Store { what, source: source.into() }
    }
}
