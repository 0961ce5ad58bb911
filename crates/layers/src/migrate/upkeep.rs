//! The upkeep of a bucket that is at two places: that of both.

use super::moving::Moving;
use crate::{
    backend::{Depth, Progress, Upkeep, migration::Side},
    store::error::StoreError,
};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct MovingUpkeep(pub(super) Arc<Moving>);

impl MovingUpkeep {
    fn of(&self, side: Side) -> &dyn Upkeep {
        &*self.0.place(side).opened.upkeep
    }

    fn truth(&self) -> Side {
        self.0.stage().truth()
    }
}

#[async_trait]
impl Upkeep for MovingUpkeep {
    async fn is_there(&self) -> Result<bool, StoreError> {
        self.of(self.truth()).is_there().await
    }

    /// The truth comes first: the other place may not answer.
    async fn maintain(&self) -> Result<(), StoreError> {
        let truth = self.truth();
        self.of(truth).maintain().await?;
        self.of(truth.other()).maintain().await
    }

    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool, StoreError> {
        let truth = self.truth();
        let is_indexed = self.of(truth).scan(depth, progress).await?;
        Ok(self.of(truth.other()).scan(depth, progress).await? || is_indexed)
    }

    async fn read_changes(&self) -> Result<(), StoreError> {
        let truth = self.truth();
        self.of(truth).read_changes().await?;
        self.of(truth.other()).read_changes().await
    }
}
