//! Work on a replicated bucket that no client requests: the upkeep of each member's driver for its own
//! bucket, and a check of what members list.

use super::{
    bucket::Bucket,
    member::Member,
    survey::{self, Pace, StrayObjects},
};
use crate::{
    backend::{Depth, Progress, Upkeep},
    store::Result,
};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ReplicatedUpkeep(pub(super) Arc<Bucket>);

/// The result so far: a member that fails does not prevent the upkeep of the others.
struct Round<'b> {
    bucket: &'b Bucket,
    last: Result<()>,
}

impl Round<'_> {
    fn went(&mut self, member: &Member, outcome: Result<()>) {
        if let Err(error) = outcome {
            tracing::debug!(bucket = %self.bucket.record.bucket.name, backend = member.name, %error, "upkeep of a replica failed");
            self.last = Err(error);
        }
    }
}

impl ReplicatedUpkeep {
    fn round(&self) -> (Vec<Arc<Member>>, Round<'_>) {
        let members = self.0.members().iter().filter(|member| member.health.is_up()).cloned().collect();
        (members, Round { bucket: &self.0, last: Ok(()) })
    }
}

#[async_trait]
impl Upkeep for ReplicatedUpkeep {
    async fn maintain(&self) -> Result<()> {
        let (members, mut round) = self.round();
        for member in members {
            let tended = async { member.opened().await?.upkeep.maintain().await };
            round.went(&member, tended.await);
        }
        round.last
    }

    /// A quick scan is that of the members. A full one compares what they list, too.
    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool> {
        let (members, mut round) = self.round();
        for member in members {
            let walked = async { member.opened().await?.upkeep.scan(depth, progress).await.map(drop) };
            round.went(&member, walked.await);
        }
        round.last?;
        if depth == Depth::Changed {
            return Ok(true);
        }
        for member in self.0.members().iter() {
            survey::survey(
                &self.0,
                member,
                survey::Depth::Listing,
                StrayObjects::Adopted,
                Pace::Full,
                |_| (),
            )
            .await?;
        }
        Ok(true)
    }

    async fn read_changes(&self) -> Result<()> {
        let (members, mut round) = self.round();
        for member in members.into_iter().filter(|member| member.backend.tells_changes()) {
            let followed = async { member.opened().await?.upkeep.read_changes().await };
            round.went(&member, followed.await);
        }
        round.last
    }
}
