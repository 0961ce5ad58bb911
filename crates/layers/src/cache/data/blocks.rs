//! The blocks that are cached: in memory, on disk below that, or both.

use super::{block::BlockName, disk::Disk};
use bytes::Bytes;
use moka::sync::Cache;
use std::fmt;

pub(super) struct Blocks {
    memory: Option<Cache<BlockName, Bytes>>,
    disk: Option<Disk>,
}

impl Blocks {
    /// Creates the cache. It keeps at most about `memory` bytes in memory; zero keeps none there.
    pub(super) fn new(memory: u64, disk: Option<Disk>) -> Self {
        let weigh = |_: &BlockName, bytes: &Bytes| u32::try_from(bytes.len() + 512).unwrap_or(u32::MAX);
        let memory =
            (memory > 0).then(|| Cache::builder().name("data").max_capacity(memory).weigher(weigh).build());
        Self { memory, disk }
    }

    /// Returns the number of bytes in memory and on disk.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let memory = self.memory.as_ref().map_or(0, |memory| {
            memory.run_pending_tasks();
            memory.weighted_size()
        });
        (memory, self.disk.as_ref().map_or(0, Disk::size))
    }

    /// Returns whether the block is cached, as far as is known without reading the disk.
    pub(super) fn has(&self, name: &BlockName) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.contains_key(name))
            || self.disk.as_ref().is_some_and(|disk| disk.has(name))
    }

    pub(super) fn in_memory(&self, name: &BlockName) -> Option<Bytes> {
        self.memory.as_ref()?.get(name)
    }

    pub(super) async fn on_disk(&self, name: &BlockName) -> Option<Bytes> {
        let bytes = self.disk.as_ref()?.read(name).await?;
        if let Some(memory) = &self.memory {
            memory.insert(name.clone(), bytes.clone());
        }
        Some(bytes)
    }

    /// Keeps a block without waiting: if the queue of the disk is full, the block is not kept there.
    pub(super) fn keep(&self, name: BlockName, bytes: Bytes) {
        debug_assert_eq!(bytes.len() as u64, name.len());
        if let Some(disk) = &self.disk {
            disk.keep(&name, &bytes);
        }
        if let Some(memory) = &self.memory {
            memory.insert(name, bytes);
        }
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("memory", &self.memory.is_some()).field("disk", &self.disk).finish()
    }
}
