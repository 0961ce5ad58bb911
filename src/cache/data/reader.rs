//! One reader's way through the blocks of his span.

use super::{
    block::{BLOCK, BlockName, Version},
    fetch::{Fetch, Piece},
    memory::DataCache,
};
use crate::{
    model::Span,
    store::{
        ByteStream, Result, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) cache: Arc<DataCache>,
    pub(super) below: Arc<dyn Store>,
    pub(super) version: Arc<Version>,
    /// What is left.
    pub(super) span: Span,
    /// What he follows.
    pub(super) fetch: Option<Arc<Fetch>>,
}

impl Reader {
    pub(super) fn into_stream(self) -> ByteStream {
        let step = |mut reader: Self| async move {
            if reader.span.is_empty() {
                return Ok(None);
            }
            let bytes = reader.next().await?;
            Ok(Some((bytes, reader)))
        };
        Box::pin(futures_util::stream::try_unfold(self, step))
    }

    async fn next(&mut self) -> Result<Bytes> {
        let at = self.span.start;
        let name = BlockName { version: self.version.clone(), number: at / BLOCK };
        loop {
            if let Some(block) = self.cache.in_memory(&name) {
                return Ok(self.take(&block, at % BLOCK));
            }
            if let Some(fetch) = &self.fetch {
                match fetch.read(at).await? {
                    Piece::Bytes(bytes) => return Ok(self.take(&bytes, 0)),
                    Piece::Changed => return Err(replaced()),
                    Piece::Gone => self.fetch = None,
                }
                continue;
            }
            if let Some(block) = self.cache.on_disk(&name).await {
                return Ok(self.take(&block, at % BLOCK));
            }
            let last = (self.span.end - 1) / BLOCK;
            self.fetch = self.cache.fetch(&self.below, &self.version, name.number, last);
        }
    }

    /// What of `bytes`, from `from` on, he is to have.
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
