//! Conditions of writes, checked by Azure when the write is published.
//!
//! Azure compares its own ETags, not S3's. So a condition is first evaluated here against the current blob,
//! and then the write is sent with the condition that the blob is unchanged. If it has changed, the condition
//! is evaluated again.

use super::{
    client::Call,
    judging::judge,
    refusal::{self, Refusal},
    store::AzblobStore,
};
use crate::{
    backend::wire::Reply,
    store::{
        Result,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::future::BoxFuture;

/// How often a condition is evaluated again: a client that changes tags all the time could otherwise prevent
/// a decision.
const ROUNDS: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    None,
    Absent,
    /// The blob still has this ETag of Azure.
    Still(String),
}

/// The reason why a write failed although its conditions are met.
#[derive(Debug)]
pub(super) enum Unwritten {
    Refused(Refusal),
    /// No object exists, but the storage treats blocks that were staged for the key as one. A commit of a
    /// block list is not refused for that reason.
    Blocked,
}

impl From<Unwritten> for StoreError {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Refused(refusal) => refusal.into(),
            // 412 would mean to a client that there is an object.
            Unwritten::Blocked => {
                Self::new(StoreErrorKind::Conflict, "another writer of this key came between")
            }
        }
    }
}

impl Guard {
    pub(super) fn apply<'c>(&self, call: Call<'c>) -> Call<'c> {
        match self {
            Self::None => call,
            Self::Absent => call.header("if-none-match", "*"),
            Self::Still(tag) => call.header("if-match", tag),
        }
    }
}

impl AzblobStore {
    pub(super) async fn guard(&self, name: &str, conditions: &WriteConditions) -> Result<Guard> {
        if conditions.is_empty() {
            return Ok(Guard::None);
        }
        let only_absent =
            WriteConditions { if_none_match: conditions.if_none_match.clone(), ..Default::default() };
        if conditions.wants_absent() && *conditions == only_absent {
            return Ok(Guard::Absent);
        }
        let found = self.find(name).await?;
        judge(conditions, found.as_ref())?;
        Ok(found.map_or(Guard::Absent, |found| Guard::Still(found.tag)))
    }

    /// Writes under `conditions`, and evaluates them again until they are decided. The inner error means that
    /// they are met, but nothing was written.
    pub(super) async fn guarded<'f>(
        &self,
        name: &str,
        conditions: &WriteConditions,
        write: impl Fn(Guard) -> BoxFuture<'f, Result<Reply>> + Send + Sync,
    ) -> Result<std::result::Result<Reply, Unwritten>> {
        for _ in 0..ROUNDS {
            let guard = self.guard(name, conditions).await?;
            let reply = write(guard.clone()).await?;
            if reply.status.is_success() {
                return Ok(Ok(reply));
            }
            let refusal = refusal::read(reply).await;
            if !refusal.is_lost_race() || guard == Guard::None {
                return Ok(Err(Unwritten::Refused(refusal)));
            }
            if conditions.wants_absent() {
                // Azurite treats staged blocks as an existing blob. They may be from a gateway that was
                // killed.
                judge(conditions, self.find(name).await?.as_ref())?;
                return Ok(Err(Unwritten::Blocked));
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Conflict,
            "the object changes faster than its conditions can be checked",
        ))
    }
}
