//! Several objects that are deleted by one call.
//!
//! Invariant: each has its own outcome. One that fails keeps none of the others.

use super::{
    Deleted, Result, Store,
    condition::WriteConditions,
    error::{StoreError, StoreErrorKind},
};
use crate::model::{ObjectAddress, ObjectKey, VersionId};
use futures_util::{StreamExt, stream};

/// Deletions under way at once where they are made one by one: enough to keep a disk or a remote storage busy,
/// too few to crowd other requests out.
const AT_ONCE: usize = 16;

/// One of several objects to delete. See [`Store::delete`].
#[derive(Debug, Clone)]
pub struct DeleteRequest {
    pub key: ObjectKey,
    /// `None`: the current object.
    pub version: Option<VersionId>,
    pub conditions: WriteConditions,
}

impl DeleteRequest {
    pub fn address(&self) -> ObjectAddress<'_> {
        ObjectAddress::new(&self.key, self.version.as_ref())
    }
}

/// Puts the outcomes of two groups of requests back in the order in which the requests were: each outcome has
/// the position of its request.
pub fn in_order(positioned: impl IntoIterator<Item = (usize, Result<Deleted>)>) -> Vec<Result<Deleted>> {
    let mut positioned: Vec<_> = positioned.into_iter().collect();
    positioned.sort_by_key(|(at, _)| *at);
    positioned.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Returns the outcome of a request that a store below has left without one.
pub fn unanswered() -> Result<Deleted> {
    Err(StoreError::new(StoreErrorKind::Internal, "it is not known what became of one of several objects"))
}

/// Deletes each by a call of its own.
pub async fn one_by_one<S: Store + ?Sized>(store: &S, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
    stream::iter(requests)
        .map(|request| async move { store.delete(request.address(), &request.conditions).await })
        .buffered(AT_ONCE)
        .collect()
        .await
}
