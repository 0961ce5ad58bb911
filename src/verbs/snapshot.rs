//! The repository of snapshots at an end: making and opening it, and which failure follows from its errors.

use super::folder;
use crate::{
    ends::{Failure, FailureKind, Place},
    model::Chain,
    snapshot::{KeyFile, Repository, SnapshotError},
    transfer::retry::{Retry, RetryPolicy},
};
use std::sync::Arc;

fn retry() -> Result<Arc<Retry>, Failure> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed(format!("random numbers: {error}")))?;
    Ok(Arc::new(Retry::new(RetryPolicy::default(), u64::from_le_bytes(seed))))
}

/// Makes a repository where there is none.
pub async fn init_repository(place: &Place, key: &KeyFile) -> Result<(), Failure> {
    let made = Repository::init(folder(place), key, retry()?).await;
    made.map(drop).map_err(|error| snapshot_failure(&error))
}

pub async fn repository(place: &Place, key: &KeyFile) -> Result<Arc<Repository>, Failure> {
    let opened = Repository::open(folder(place), key, retry()?).await;
    opened.map(Arc::new).map_err(|error| snapshot_failure(&error))
}

pub fn snapshot_failure(error: &SnapshotError) -> Failure {
    let kind = match error {
        SnapshotError::NoRepository(_) | SnapshotError::NoSnapshot(_) => FailureKind::Missing,
        SnapshotError::WrongKey | SnapshotError::Exists(_) | SnapshotError::Ambiguous(_) => {
            FailureKind::Senseless
        }
        SnapshotError::Cancelled => FailureKind::Stopped,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, Chain(error).to_string())
}
