//! Migration: a layer over a bucket that is at two places, while it moves from one backend to another.
//!
//! One place is the truth: reads and listings come from it, and it decides about conditions. Each change goes to
//! the truth, and then the key is compared and brought to the other place, before the client is told. A change
//! that does not reach the other place is acknowledged all the same: its key is marked, durably, before it
//! begins, and the worker brings it.
//!
//! | file | owns |
//! |---|---|
//! | `moving` | which place is the truth, turns, and the way of a change |
//! | `store` | requests |
//! | `gated` | a body whose last bytes wait for a turn |
//! | `uploads` | multipart uploads, each at the place where it began |
//! | `marks` | the keys whose last change one place may lack |
//! | `bring` | one key: comparing it, and making it equal |
//! | `parts` | copies of multipart objects, with the same parts |
//! | `walk` | one page of a comparison of both places |
//! | `worker` | the background work |
//! | `steps` | what an operator asks for |
//! | `upkeep` | the upkeep of both places |
//! | `place` | one place |
//!
//! Does not own the rows of the catalog that make a bucket (`Ending`), nor the opening of backends.

mod bring;
mod gated;
mod marks;
mod moving;
mod parts;
mod place;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod upkeep;
mod uploads;
mod walk;
mod worker;

use crate::{
    backend::{
        OpenedBucket,
        migration::{Ending, MigrationState, MigrationStep, Migrations, Opening, Side},
    },
    catalog::{BucketId, BucketRecord, Catalog},
    store::error::StoreError,
    work::Workers,
};
use async_trait::async_trait;
use moving::Moving;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::MovingStore;
use tokio_util::sync::CancellationToken;
use upkeep::MovingUpkeep;
use worker::{EndedBy, MigrationWorker, Shared};

/// The migrations that are under way in this process.
pub struct BucketMigrations {
    catalog: Arc<dyn Catalog>,
    workers: Workers,
    ending: EndedBy,
    open: Mutex<HashMap<BucketId, Open>>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Open {
    moving: Arc<Moving>,
    shared: Arc<Shared>,
}

impl BucketMigrations {
    pub fn new(catalog: Arc<dyn Catalog>, workers: Workers) -> Self {
        let (ending, open, stop) = Default::default();
        Self { catalog, workers, ending, open, stop }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<BucketId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Migrations for BucketMigrations {
    fn over(&self, bucket: &BucketRecord, opening: Opening) -> OpenedBucket {
        let moving = Arc::new(Moving::new(bucket.clone(), self.catalog.clone(), opening));
        let shared = Arc::new(Shared::default());
        let worker = MigrationWorker::new(&moving, shared.clone(), self.ending.clone());
        tokio::spawn(self.workers.clone().live(Box::new(worker), self.stop.clone()));
        self.open().insert(bucket.id, Open { moving: moving.clone(), shared });
        let store = |is_uncached| Arc::new(MovingStore { moving: moving.clone(), is_uncached });
        OpenedBucket {
            store: store(false),
            uncached: store(true),
            upkeep: Arc::new(MovingUpkeep(moving.clone())),
        }
    }

    async fn step(
        &self,
        bucket: BucketId,
        step: MigrationStep,
    ) -> Result<Option<MigrationState>, StoreError> {
        let open = self.open().get(&bucket).cloned();
        let Some(Open { moving, shared }) = open else { return Ok(None) };
        steps::step(&moving, &shared, step).await?;
        steps::state(&moving, &shared).await.map(Some)
    }

    fn leave(&self, bucket: BucketId) -> Option<OpenedBucket> {
        let open = self.open().remove(&bucket)?;
        Some(open.moving.place(Side::New).opened.clone())
    }

    fn end_by(&self, ending: Arc<dyn Ending>) {
        // There is one set of buckets in a process.
        let _ = self.ending.set(ending);
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for BucketMigrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketMigrations").field("open", &self.open().len()).finish_non_exhaustive()
    }
}
