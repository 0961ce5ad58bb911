//! Which chunks an object is made of: a tree, so that the record of an object is short, however large the
//! object is, and so that a range is found without reading all of it.
//!
//! A leaf of the tree is a run of parts, and so is each node above: its parts are the runs below. Runs end
//! where the identities say so, so that an insertion changes few of them.

use crate::{
    Result, SnapshotError,
    chunker::ends_run,
    files::Id,
    reader::Reader,
    writer::{Stream, Writer},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de};
use std::sync::Arc;

const MIN_RUN: usize = 64;
const MAX_RUN: usize = 1024;
/// One of 2 to the power of this many parts ends a run.
const BITS: u32 = 8;
const PART: usize = 40;
/// 64 runs of 64 parts each hold more chunks than any object has.
const MOST_DEPTH: u8 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: Id,
    /// How many bytes of the object it holds.
    pub(crate) size: u64,
}

/// The chunks of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// 0: the parts are chunks of the object. Above: they are runs of parts.
    pub(crate) depth: u8,
    #[serde(serialize_with = "to_text", deserialize_with = "of_text")]
    pub(crate) parts: Vec<Part>,
}

fn bytes_of(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.len() * PART);
    for part in parts {
        bytes.extend_from_slice(&part.id.0);
        bytes.extend_from_slice(&part.size.to_le_bytes());
    }
    bytes
}

fn parts_of(bytes: &[u8]) -> Option<Vec<Part>> {
    let rows = bytes.chunks_exact(PART);
    if !rows.remainder().is_empty() {
        return None;
    }
    let part = |row: &[u8]| {
        let (id, size) = row.split_first_chunk::<32>()?;
        Some(Part { id: Id(*id), size: u64::from_le_bytes(*size.first_chunk()?) })
    };
    rows.map(part).collect()
}

fn to_text<S: serde::Serializer>(parts: &[Part], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes_of(parts)))
}

fn of_text<'de, D: de::Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Part>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    let bytes = STANDARD.decode(&*text).map_err(de::Error::custom)?;
    parts_of(&bytes).ok_or_else(|| de::Error::custom("no list of parts"))
}

/// Collects the parts of one object.
#[derive(Default)]
pub(crate) struct Parts {
    levels: Vec<Vec<Part>>,
}

impl Parts {
    pub(crate) async fn push(&mut self, writer: &Writer, part: Part) -> Result<()> {
        let (mut level, mut part) = (0, part);
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let parts = &mut self.levels[level];
            parts.push(part);
            let ends = parts.len() >= MAX_RUN || parts.len() >= MIN_RUN && ends_run(&part.id, BITS);
            if !ends {
                return Ok(());
            }
            part = run(writer, std::mem::take(parts)).await?;
            level += 1;
        }
    }

    pub(crate) async fn end(mut self, writer: &Writer) -> Result<Content> {
        let mut level = 0;
        while level + 1 < self.levels.len() {
            let parts = std::mem::take(&mut self.levels[level]);
            if !parts.is_empty() {
                let run = run(writer, parts).await?;
                self.levels[level + 1].push(run);
            }
            level += 1;
        }
        Ok(Content { depth: level as u8, parts: self.levels.pop().unwrap_or_default() })
    }
}

async fn run(writer: &Writer, parts: Vec<Part>) -> Result<Part> {
    let id = writer.put(Stream::Lists, &bytes_of(&parts)).await?;
    Ok(Part { id, size: parts.iter().map(|part| part.size).sum() })
}

/// Reads the parts of a run.
pub(crate) async fn read_run(reader: &Reader, id: &Id) -> Result<Vec<Part>> {
    let bytes = reader.read(id).await?;
    parts_of(&bytes).ok_or_else(|| SnapshotError::Format("a run of parts".into()))
}

/// The chunks of an object from one byte on, in order.
pub(crate) struct Chunks {
    reader: Arc<Reader>,
    /// What is left of each level, the highest first, each with its depth.
    levels: Vec<(u8, std::vec::IntoIter<Part>)>,
    /// Bytes that are left out, and bytes that are wanted then.
    skip: u64,
    left: u64,
}

impl Chunks {
    pub(crate) fn of(reader: Arc<Reader>, content: &Content, from: u64, length: u64) -> Result<Self> {
        if content.depth > MOST_DEPTH {
            return Err(SnapshotError::Format("the depth of an object's content".into()));
        }
        let levels = vec![(content.depth, content.parts.clone().into_iter())];
        Ok(Self { reader, levels, skip: from, left: length })
    }

    /// Returns the next bytes.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some((depth, parts)) = self.levels.last_mut() {
            if self.left == 0 {
                return Ok(None);
            }
            let (depth, part) = match parts.next() {
                Some(part) => (*depth, part),
                None => {
                    self.levels.pop();
                    continue;
                }
            };
            if self.skip >= part.size {
                self.skip -= part.size;
            } else if depth > 0 {
                let parts = read_run(&self.reader, &part.id).await?;
                self.levels.push((depth - 1, parts.into_iter()));
            } else {
                let bytes = self.reader.read(&part.id).await?;
                if bytes.len() as u64 != part.size {
                    return Err(SnapshotError::Format("the size of a chunk".into()));
                }
                let from = std::mem::take(&mut self.skip);
                let to = part.size.min(from + self.left);
                self.left -= to - from;
                return Ok(Some(bytes.slice(from as usize..to as usize)));
            }
        }
        if self.left > 0 {
            Err(SnapshotError::Format("an object without its last bytes".into()))
        } else {
            Ok(None)
        }
    }
}
