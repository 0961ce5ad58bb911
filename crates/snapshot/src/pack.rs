//! A pack: many sealed chunks in one file, and behind them a sealed table of them.
//!
//! The table says what an index file says of the pack, so that it can be compared, and an index be made again.

use crate::{
    Result, SnapshotError,
    files::{Id, Kind, Name},
    keys::Keys,
    repository::Repository,
    seal::{HEAD, Opening, Sealing, TAG},
};
use bytes::Bytes;

/// A pack that has this size is written. It is larger by less than one chunk.
pub(crate) const SIZE: usize = 8 << 20;
/// The first byte of a chunk's segment: its bytes follow as they are. There is no other encoding yet.
const PLAIN: u8 = 0;
/// The length of a chunk's row in a table.
pub(crate) const ROW: usize = 40;
/// The length of what says how long the table is.
const FOOT: usize = 4;
/// What is sealed with a table, so that a chunk never passes for one.
const TABLE: &[u8] = b"table";
const CHUNK: &[u8] = b"chunk";

/// Where a chunk is in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) offset: u32,
    /// The length of its segment.
    pub(crate) length: u32,
}

impl Row {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
    }

    /// Reads a row. `bytes` has `ROW` of them.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<32>()?;
        let (offset, rest) = rest.split_first_chunk::<4>()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        let (offset, length) = (u32::from_le_bytes(*offset), u32::from_le_bytes(*length));
        Some(Self { id: Id(*id), offset, length })
    }
}

/// A pack that is whole, and what an index says of it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: Name,
    pub(crate) size: u32,
    pub(crate) rows: Vec<Row>,
}

/// A pack that is being filled.
pub(crate) struct Filling {
    sealing: Sealing,
    rows: Vec<Row>,
}

impl Filling {
    pub(crate) fn begin(keys: &Keys) -> Result<Self> {
        Ok(Self { sealing: Sealing::begin(keys, Kind::Pack, 0)?, rows: Vec::new() })
    }

    pub(crate) fn name(&self) -> Name {
        self.sealing.name
    }

    pub(crate) fn push(&mut self, id: Id, bytes: &[u8]) -> Result<Row> {
        let offset = self.sealing.bytes.len() as u32;
        let length = self.sealing.segment(&[&[PLAIN], bytes], CHUNK)? as u32;
        let row = Row { id, offset, length };
        self.rows.push(row);
        Ok(row)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.sealing.bytes.len() >= SIZE
    }

    pub(crate) fn end(mut self) -> Result<(Listed, Bytes)> {
        let mut table = Vec::with_capacity(self.rows.len() * ROW);
        self.rows.iter().for_each(|row| row.write(&mut table));
        let length = self.sealing.segment(&[&table], TABLE)? as u32;
        let mut bytes = self.sealing.bytes;
        bytes.extend_from_slice(&length.to_le_bytes());
        let listed = Listed { name: self.sealing.name, size: bytes.len() as u32, rows: self.rows };
        Ok((listed, bytes.into()))
    }
}

/// Opens the segment of a chunk.
pub(crate) fn open(keys: &Keys, pack: Name, offset: u32, sealed: Vec<u8>) -> Result<Bytes> {
    let opened = Opening::of(keys, Kind::Pack, pack)?.segment(offset as usize, sealed, CHUNK)?;
    if opened.first() != Some(&PLAIN) {
        return Err(SnapshotError::Format("the encoding of a chunk".into()));
    }
    Ok(Bytes::from(opened).slice(1..))
}

/// Opens the segment of a chunk, and compares the bytes with their identity.
pub(crate) fn chunk(keys: &Keys, pack: Name, row: Row, sealed: Vec<u8>) -> Result<Bytes> {
    let bytes = open(keys, pack, row.offset, sealed)?;
    if keys.id(&bytes) != row.id {
        let why = "it has another chunk where the index says one is";
        return Err(SnapshotError::Damaged { file: Kind::Pack.path(&pack), why });
    }
    Ok(bytes)
}

/// Returns the rows of a table.
pub(crate) fn rows(table: &[u8]) -> Option<Vec<Row>> {
    let rows = table.chunks_exact(ROW);
    rows.remainder().is_empty().then(|| rows.filter_map(Row::read).collect())
}

/// Reads the table of a pack of this size, and compares the beginning of the file with its name.
pub(crate) async fn table(repository: &Repository, name: Name, size: u64) -> Result<Vec<Row>> {
    let opening = Opening::of(&repository.keys, Kind::Pack, name)?;
    let short = || opening.damaged("it is missing, or shorter than the index says");
    let least = (HEAD + TAG + FOOT) as u64;
    if size < least {
        return Err(short());
    }
    let head = repository.read_pack(&name, 0, HEAD as u64).await?.ok_or_else(short)?;
    opening.head(&head)?;
    let foot = repository.read_pack(&name, size - FOOT as u64, FOOT as u64).await?.ok_or_else(short)?;
    let length = foot.first_chunk().map_or(0, |foot| u32::from_le_bytes(*foot));
    let from = (size - FOOT as u64).checked_sub(length.into()).filter(|from| *from >= HEAD as u64);
    let (Some(from), true) = (from, length as usize >= TAG) else {
        return Err(opening.damaged("the length of its table is impossible"));
    };
    let sealed = repository.read_pack(&name, from, length.into()).await?.ok_or_else(short)?;
    let table = opening.segment(from as usize, sealed, TABLE)?;
    rows(&table).ok_or_else(|| opening.damaged("its table is not made of rows"))
}
