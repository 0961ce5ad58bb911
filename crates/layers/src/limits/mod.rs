//! Limits: the rate of bodies, the number of requests per second and at once, and the use per month. For
//! backends they are a layer on top; for buckets and identities they apply where requests are served.
//!
//! Owns the counting and the waiting, not which limits apply to whom. Limits are those of one process.
//!
//! On a backend, the operations of its stores are limited. Upkeep is not limited: it runs in the background
//! at its own pace.

mod body;
mod budget;
mod limiter;
mod rate;
mod store;

pub use budget::{Account, AtBudget, Budget, Ledger, Used};
pub use limiter::{Limiter, Limits, Slot, Throttled};

use crate::{
    backend::{Backend, OpenedBucket},
    catalog::BucketRecord,
    model::{BucketName, Timestamp},
    store::{Capabilities, error::StoreError},
};
use async_trait::async_trait;
use std::sync::Arc;
use store::{Gate, LimitedStore};

#[derive(Debug)]
pub struct LimitedBackend {
    gate: Arc<Gate>,
    ledger: Option<Arc<Ledger>>,
}

impl LimitedBackend {
    /// `budget` has the account of this backend, and the ledger that contains it.
    pub fn new(
        below: Arc<dyn Backend>,
        limiter: Arc<Limiter>,
        budget: Option<(Arc<Account>, Arc<Ledger>)>,
    ) -> Self {
        let (account, ledger) = budget.unzip();
        Self { gate: Arc::new(Gate { below, limiter, account }), ledger }
    }

    fn look(&self) {
        if let Some(account) = &self.gate.account {
            account.look(self.gate.below.traffic().map(|traffic| traffic.requests));
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.look();
        let flushed = self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.flush());
        flushed.map_err(|error| StoreError::io("writing down what is used of budgets", error))
    }
}

#[async_trait]
impl Backend for LimitedBackend {
    fn capabilities(&self) -> Capabilities {
        self.gate.below.capabilities()
    }

    fn below(&self) -> Option<&Arc<dyn Backend>> {
        Some(&self.gate.below)
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.gate.below.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let opened = self.gate.below.open(bucket).await?;
        Ok(opened.behind(|below| Arc::new(LimitedStore { below, gate: self.gate.clone() })))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        self.gate.below.remove(bucket).await
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        self.gate.below.discover().await
    }

    /// Returns true in the mode `stop`, too: the backend would refuse the request.
    fn avoid(&self) -> bool {
        self.look();
        self.gate.below.avoid()
            || self.gate.account.as_ref().is_some_and(|account| account.is_over(Timestamp::now()))
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.flush().and(self.gate.below.release().await)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.flush().and(self.gate.below.close().await)
    }
}
