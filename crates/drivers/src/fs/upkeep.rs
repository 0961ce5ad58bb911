//! The upkeep of a bucket on local disk: it checks whether the bucket's directory is still the one that was
//! opened, and updates the index.

use super::{Homes, Inner, blocking, scan};
use crate::{
    backend::{Depth, Progress, Upkeep},
    store::Result,
};
use async_trait::async_trait;
use std::{path::PathBuf, sync::Arc};

#[derive(Debug)]
pub(super) struct FsUpkeep {
    pub(super) inner: Arc<Inner>,
    /// The directory of the bucket, below the root.
    pub(super) location: String,
    pub(super) home: Arc<Homes>,
    /// The path of the root.
    pub(super) path: PathBuf,
}

#[async_trait]
impl Upkeep for FsUpkeep {
    async fn is_there(&self) -> Result<bool> {
        let (location, home, path, volume) =
            (self.location.clone(), self.home.now(), self.path.clone(), self.inner.volume.clone());
        blocking(move || {
            let there = home.directory(&path, &location)?;
            Ok(there == Some(volume.root.identity()) && Arc::ptr_eq(&volume.staging, &home.staging))
        })
        .await
    }

    async fn maintain(&self) -> Result<()> {
        scan::pass(&self.inner, Depth::Changed, &Progress::default()).await
    }

    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool> {
        scan::pass(&self.inner, depth, progress).await.map(|()| true)
    }
}
