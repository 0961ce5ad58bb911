//! One reader's way through the blocks of its span.
//!
//! Invariant: a reader waits for one reading of the storage at a time, and has no other meanwhile. Storages lock an object while it is
//! read (MinIO, for as long as the reply lasts): whoever held one reply back and waited for another would wait for himself, with a
//! writer between them, until one of the three gave up.

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

/// Blocks of one reader that are kept for it, whatever becomes of them in the cache.
const PINNED: usize = 32;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) cache: Arc<DataCache>,
    pub(super) below: Arc<dyn Store>,
    pub(super) version: Arc<Version>,
    /// What is left.
    pub(super) span: Span,
    /// From the first block that was not at hand to the last of them, while it is needed.
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
    /// If it is in memory, and there is spare memory.
    pub(super) fn of(cache: &DataCache, name: &BlockName) -> Option<Self> {
        let block = cache.blocks.in_memory(name)?;
        let spared = Spared::take(&cache.spare, block.len() as u64)?;
        Some(Self { number: name.number, block, _spared: spared })
    }
}

impl Reader {
    /// Secures what there is of the span, and asks the storage for what is missing. `None`: it holds another version.
    pub(super) async fn begin(cache: Arc<DataCache>, below: Arc<dyn Store>, version: Arc<Version>, span: Span) -> Result<Option<Self>> {
        let (first, last) = (span.start / BLOCK, (span.end - 1) / BLOCK);
        let name = |number| BlockName { version: version.clone(), number };
        let fetch = loop {
            let missing: BTreeSet<u64> = (first..=last).filter(|number| !cache.blocks.has(&name(*number))).collect();
            let (Some(from), Some(to)) = (missing.first(), missing.last()) else { break None };
            // None: the first of them has come in between.
            if let Some(fetch) = cache.fetches.follow(&below, &version, *from, *to) {
                break Some(fetch);
            }
        };
        let at_hand = (first..=last).filter(|number| fetch.as_ref().is_none_or(|fetch| !fetch.comes_by(*number)));
        let pinned = at_hand.filter_map(|number| Pinned::of(&cache, &name(number))).take(PINNED).collect();
        if let Some(fetch) = &fetch
            && !fetch.opened().await?
        {
            return Ok(None);
        }
        Ok(Some(Self { cache, below, version, span, fetch, pinned }))
    }

    /// Whether all of it is at hand.
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

    /// The next bytes of what is left. `None`: the storage holds another version by now.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let at = self.span.start;
        let name = BlockName { version: self.version.clone(), number: at / BLOCK };
        loop {
            while self.pinned.front().is_some_and(|pinned| pinned.number < name.number) {
                self.pinned.pop_front();
            }
            let pinned = self.pinned.front().filter(|pinned| pinned.number == name.number).map(|pinned| pinned.block.clone());
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
            // What was at hand is so no more.
            self.fetch = None;
            let last = (self.span.end - 1) / BLOCK;
            self.fetch = self.cache.fetches.follow(&self.below, &self.version, name.number, last);
        }
    }

    /// What of `bytes`, from `from` on, it is to have.
    fn take(&mut self, bytes: &Bytes, from: u64) -> Bytes {
        // Both lie within a buffer.
        let end = (bytes.len() as u64).min(from + self.span.len());
        self.span.start += end - from;
        bytes.slice(from as usize..end as usize)
    }
}

fn replaced() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the object was replaced while it was read")
}
