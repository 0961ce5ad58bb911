//! One reader's way through the blocks of its span.

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
use std::{collections::VecDeque, sync::Arc};

/// Blocks of one reader that are kept for it, whatever becomes of them in the cache.
const PINNED: usize = 8;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) cache: Arc<DataCache>,
    pub(super) below: Arc<dyn Store>,
    pub(super) version: Arc<Version>,
    /// What is left.
    pub(super) span: Span,
    /// What it follows.
    pub(super) fetch: Option<Following>,
    /// In order.
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
    /// Of these blocks, those that are in memory. As many as there is spare memory for.
    pub(super) fn of(cache: &DataCache, version: &Arc<Version>, numbers: impl Iterator<Item = u64>) -> VecDeque<Self> {
        let pin = |number| {
            let block = cache.in_memory(&BlockName { version: version.clone(), number })?;
            let spared = Spared::take(&cache.spare, block.len() as u64)?;
            Some(Self { number, block, _spared: spared })
        };
        numbers.filter_map(pin).take(PINNED).collect()
    }
}

impl Reader {
    /// What is left.
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
            if let Some(block) = pinned.or_else(|| self.cache.in_memory(&name)) {
                self.fetch.as_ref().inspect(|fetch| fetch.is_at(at));
                return Ok(Some(self.take(&block, at % BLOCK)));
            }
            if let Some(fetch) = &self.fetch {
                match fetch.read(at).await? {
                    Piece::Bytes(bytes) => return Ok(Some(self.take(&bytes, 0))),
                    Piece::Changed => return Ok(None),
                    Piece::Gone => self.fetch = None,
                }
                continue;
            }
            if let Some(block) = self.cache.on_disk(&name).await {
                return Ok(Some(self.take(&block, at % BLOCK)));
            }
            let last = (self.span.end - 1) / BLOCK;
            self.fetch = self.cache.fetch(&self.below, &self.version, name.number, last);
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
