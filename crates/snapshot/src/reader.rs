//! Reading chunks. Small ones are read with what is stored beside them, which is mostly what is asked for next.
//!
//! Invariant: memory holds `BLOCKS` blocks beside the chunks that are under way.

use crate::{
    Result, SnapshotError,
    files::{Id, Kind, Name},
    index::{Index, Pack, Place},
    pack::{self, Row},
    repository::Repository,
    writer::SharedIndex,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::Mutex;

/// Chunks up to this size are read in blocks.
const SMALL: u32 = 128 << 10;
const BLOCK: u64 = 1 << 20;
const BLOCKS: usize = 8;

pub(crate) struct Reader {
    pub(crate) repository: Arc<Repository>,
    index: SharedIndex,
    /// Whether the index is read again when a pack is gone. A run that writes does not: its numbers of packs
    /// are those of this index.
    reloads: bool,
    blocks: Mutex<VecDeque<Block>>,
}

/// Some bytes of a pack.
struct Block {
    pack: Name,
    from: u64,
    bytes: Bytes,
}

impl Reader {
    pub(crate) fn new(repository: Arc<Repository>, index: SharedIndex) -> Self {
        Self { repository, index, reloads: false, blocks: Mutex::default() }
    }

    /// Opens the chunks of a repository for a run that only reads.
    pub(crate) async fn load(repository: Arc<Repository>) -> Result<Self> {
        let (index, _) = Index::load_stored(&repository).await?;
        let index = Arc::new(RwLock::new(index));
        Ok(Self { reloads: true, ..Self::new(repository, index) })
    }

    pub(crate) async fn read(&self, id: &Id) -> Result<Bytes> {
        if let Some(bytes) = self.read_at(id, self.find(id)?).await? {
            return Ok(bytes);
        }
        // The pack was deleted since the index was read, and another one has the chunk.
        if self.reloads {
            let (index, _) = Index::load_stored(&self.repository).await?;
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        }
        let found = self.find(id)?;
        self.read_at(id, found).await?.ok_or_else(|| {
            let file = Kind::Pack.path(&found.0.name);
            SnapshotError::Damaged { file, why: "it is missing, or shorter than the index says" }
        })
    }

    fn find(&self, id: &Id) -> Result<(Pack, Place)> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let place = index.find(id).ok_or_else(|| SnapshotError::NoChunk(id.to_string()))?;
        Ok((index.packs[place.pack as usize], place))
    }

    async fn read_at(&self, id: &Id, (pack, place): (Pack, Place)) -> Result<Option<Bytes>> {
        let row = Row { id: *id, offset: place.offset, length: place.length };
        let sealed = match row.length <= SMALL {
            true => self.near(pack, row).await?,
            false => self.repository.read_pack(&pack.name, row.offset.into(), row.length.into()).await?,
        };
        sealed.map(|sealed| pack::chunk(&self.repository.keys, pack.name, row, sealed)).transpose()
    }

    /// Reads a segment from a block that is held, or with a block.
    async fn near(&self, pack: Pack, row: Row) -> Result<Option<Vec<u8>>> {
        let (from, length) = (u64::from(row.offset), row.length as usize);
        let mut blocks = self.blocks.lock().await;
        let held = blocks.iter().find_map(|block| {
            let at = usize::try_from(from.checked_sub(block.from)?).ok()?;
            (block.pack == pack.name).then(|| block.bytes.get(at..at + length).map(<[u8]>::to_vec))?
        });
        if held.is_some() {
            return Ok(held);
        }
        // A pack that this run fills has no size yet.
        let rest = u64::from(pack.size).saturating_sub(from);
        let wanted = BLOCK.min(rest).max(length as u64);
        let Some(bytes) = self.repository.read_pack(&pack.name, from, wanted).await? else { return Ok(None) };
        let bytes = Bytes::from(bytes);
        let segment = bytes.get(..length).map(<[u8]>::to_vec);
        blocks.push_front(Block { pack: pack.name, from, bytes });
        blocks.truncate(BLOCKS);
        Ok(segment)
    }
}
