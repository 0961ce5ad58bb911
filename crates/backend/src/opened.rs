//! An opened bucket, as typed values: one serves its objects, the other does its upkeep. A layer wraps each
//! of them, or passes it on unchanged.

use super::Progress;
use crate::store::{Store, error::StoreError};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// The result of opening a bucket.
#[derive(Debug, Clone)]
pub struct OpenedBucket {
    /// The store that serves requests.
    pub store: Arc<dyn Store>,
    /// The same without layers that keep answers for a while: it says what the storage has now.
    pub uncached: Arc<dyn Store>,
    pub upkeep: Arc<dyn Upkeep>,
}

impl OpenedBucket {
    /// What a driver opens: nothing is kept of its answers.
    pub fn new(store: Arc<dyn Store>, upkeep: Arc<dyn Upkeep>) -> Self {
        Self { uncached: store.clone(), store, upkeep }
    }

    /// The same behind a layer that keeps no answers.
    pub fn behind(self, layer: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let Self { store, uncached, upkeep } = self;
        if Arc::ptr_eq(&store, &uncached) {
            return Self::new(layer(store), upkeep);
        }
        Self { store: layer(store), uncached: layer(uncached), upkeep }
    }
}

/// Background work on one opened bucket. Interrupting any of it is harmless.
#[async_trait]
pub trait Upkeep: Send + Sync + fmt::Debug + 'static {
    /// Whether the place of the bucket is there, and is the one that was opened. `Ok(false)`: it was taken
    /// away, with all that was in it, or another one lies there now.
    async fn is_there(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// One step (scan, adoption, cleaning); the caller decides when.
    async fn maintain(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Compares every file with the index that listings come from. `Ok(false)`: there is no such index, the
    /// storage lists itself. Another walk goes on about where an interrupted one was.
    async fn scan_fully(&self, _progress: &Progress) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Brings the index up to date with the change feed of the storage. See `Backend::tells_changes`.
    async fn read_changes(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
