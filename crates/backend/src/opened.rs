//! An opened bucket: a store that serves its objects, and a value that does its upkeep. A layer wraps each of
//! them, or passes it on unchanged.

use super::{Depth, Progress};
use crate::store::{Store, error::StoreError};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// The result of opening a bucket.
#[derive(Debug, Clone)]
pub struct OpenedBucket {
    /// The store that serves requests.
    pub store: Arc<dyn Store>,
    /// The same store without layers that cache results: it returns the current state of the storage.
    pub uncached: Arc<dyn Store>,
    pub upkeep: Arc<dyn Upkeep>,
}

impl OpenedBucket {
    /// Returns a bucket as a driver opens it, without caches.
    pub fn new(store: Arc<dyn Store>, upkeep: Arc<dyn Upkeep>) -> Self {
        Self { uncached: store.clone(), store, upkeep }
    }

    /// Returns the same bucket behind a layer that caches nothing.
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
    /// Returns whether the location of the bucket exists and is the one that was opened. `Ok(false)`: it was
    /// removed with its content, or another one is there now.
    async fn is_there(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Does one step of the upkeep (scan, adoption, cleaning). The caller decides when.
    async fn maintain(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Compares files with the index that serves listings. `Ok(false)`: there is no index, because the storage
    /// itself serves listings. A scan after an interrupted one continues near its position.
    async fn scan(&self, _depth: Depth, _progress: &Progress) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Updates the index from the storage's change feed. See `Backend::tells_changes`.
    async fn read_changes(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
