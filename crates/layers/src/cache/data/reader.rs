//! Reads a span block by block, for one reader.
//!
//! Invariant: a reader waits for at most one read of the storage at a time and holds no other one meanwhile.
//! Some storages lock an object while it is read (MinIO: as long as the reply lasts). A reader that held one
//! reply and waited for another would, with a writer between the two, wait for itself until one of the three
//! timed out.

use super::{
    block::{BLOCK, BlockName, Version},
    fetch::{Following, Piece},
    memory::DataCache,
    spare::Spared,
};
use crate::{
    model::Span,
    store::{
        ByteStream, Result, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

/// Maximum number of blocks that are pinned for one reader, even if the cache evicts them.
const PINNED: usize = 32;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) cache: Arc<DataCache>,
    pub(super) below: Arc<dyn Store>,
    pub(super) version: Arc<Version>,
    /// The bytes that are still to be read.
    pub(super) span: Span,
    /// The fetch from the first to the last block that was not cached, while it is needed.
    pub(super) fetch: Option<Following>,
    /// The blocks that are pinned, in order.
    pub(super) pinned: VecDeque<Pinned>,
}

/// A block that was in memory when its reader began.
#[derive(Debug)]
pub(super) struct Pinned {
    number: u64,
    block: Bytes,
    _spared: Spared,
}

impl Pinned {
    /// Returns the block if it is in memory and there is spare memory.
    pub(super) fn of(cache: &DataCache, name: &BlockName) -> Option<Self> {
        let block = cache.blocks.in_memory(name)?;
        let spared = Spared::take(&cache.spare, block.len() as u64)?;
        Some(Self { number: name.number, block, _spared: spared })
    }
}

impl Reader {
    /// Pins the cached blocks of the span, and asks the storage for the missing ones. Returns `None` if the
    /// storage holds another version.
    pub(super) async fn begin(
        cache: Arc<DataCache>,
        below: Arc<dyn Store>,
        version: Arc<Version>,
        span: Span,
    ) -> Result<Option<Self>> {
        let (first, last) = (span.start / BLOCK, (span.end - 1) / BLOCK);
        let name = |number| BlockName { version: version.clone(), number };
        let fetch = loop {
            let missing: BTreeSet<u64> =
                (first..=last).filter(|number| !cache.blocks.has(&name(*number))).collect();
            let (Some(from), Some(to)) = (missing.first(), missing.last()) else { break None };
            // `None` means that the first of these blocks has arrived meanwhile.
            if let Some(fetch) = cache.fetches.follow(&below, &version, *from, *to) {
                break Some(fetch);
            }
        };
        let at_hand =
            (first..=last).filter(|number| fetch.as_ref().is_none_or(|fetch| !fetch.comes_by(*number)));
        let pinned = at_hand.filter_map(|number| Pinned::of(&cache, &name(number))).take(PINNED).collect();
        if let Some(fetch) = &fetch
            && !fetch.opened().await?
        {
            return Ok(None);
        }
        Ok(Some(Self { cache, below, version, span, fetch, pinned }))
    }

    /// Returns whether the whole span is cached.
    pub(super) fn has_all(&self) -> bool {
        self.fetch.is_none()
    }

    pub(super) fn into_stream(self) -> ByteStream {
        let step = |mut reader: Self| async move {
            if reader.span.is_empty() {
                return Ok(None);
            }
            let bytes = reader.next().await?.ok_or_else(replaced)?;
            Ok(Some((bytes, reader)))
        };
        Box::pin(futures_util::stream::try_unfold(self, step))
    }

    /// Returns the next bytes. `None` means that the storage holds another version by now.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let at = self.span.start;
        let name = BlockName { version: self.version.clone(), number: at / BLOCK };
        loop {
            while self.pinned.front().is_some_and(|pinned| pinned.number < name.number) {
                self.pinned.pop_front();
            }
            let pinned = self
                .pinned
                .front()
                .filter(|pinned| pinned.number == name.number)
                .map(|pinned| pinned.block.clone());
            if let Some(block) = pinned.or_else(|| self.cache.blocks.in_memory(&name)) {
                self.fetch.as_ref().inspect(|fetch| fetch.is_at(at));
                return Ok(Some(self.take(&block, at % BLOCK)));
            }
            if let Some(fetch) = self.fetch.as_ref().filter(|fetch| fetch.begin() <= at) {
                match fetch.read(at).await? {
                    Piece::Bytes(bytes) => return Ok(Some(self.take(&bytes, 0))),
                    Piece::Changed => return Ok(None),
                    Piece::Gone => self.fetch = None,
                }
                continue;
            }
            if let Some(block) = self.cache.blocks.on_disk(&name).await {
                return Ok(Some(self.take(&block, at % BLOCK)));
            }
            // No fetch reaches this position, and its block is not cached any more: another fetch begins
            // here.
            self.fetch = None;
            let last = (self.span.end - 1) / BLOCK;
            self.fetch = self.cache.fetches.follow(&self.below, &self.version, name.number, last);
        }
    }

    /// Returns the part of `bytes`, which start at `from`, that this reader wants.
    fn take(&mut self, bytes: &Bytes, from: u64) -> Bytes {
        // The conversions cannot fail: both positions are within a buffer.
        let end = (bytes.len() as u64).min(from + self.span.len());
        self.span.start += end - from;
        bytes.slice(from as usize..end as usize)
    }
}

fn replaced() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the object was replaced while it was read")
}
