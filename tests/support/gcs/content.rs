//! The bytes of an object or part, in the pieces in which they arrived, and their digests.
//!
//! No bytes are copied when parts become an object or a range is read, because a test may send gigabytes.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use md5::{Digest, Md5};
use std::ops::Range;

#[derive(Debug, Clone)]
pub struct Content {
    pieces: Vec<Bytes>,
    pub length: u64,
    pub md5: [u8; 16],
    pub crc32c: u32,
}

impl Content {
    /// Receives a whole body. An incomplete body is an error.
    pub async fn receive(mut body: Incoming) -> Result<Self, hyper::Error> {
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame?.into_data() {
                pieces.push(piece);
            }
        }
        Ok(Self::of(pieces))
    }

    pub fn of(pieces: Vec<Bytes>) -> Self {
        let (mut md5, mut crc) = (Md5::new(), Crc::new(CrcAlgorithm::Crc32Iscsi));
        for piece in &pieces {
            md5.update(piece);
            crc.update(piece);
        }
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, length, md5: md5.finalize().into(), crc32c: crc.finalize() as u32 }
    }

    /// The parts, joined in this order.
    pub fn joined<'c>(parts: impl Iterator<Item = &'c Self>) -> Self {
        Self::of(parts.flat_map(|part| part.pieces.iter().cloned()).collect())
    }

    pub fn pieces(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut at = 0;
        let mut found = Vec::new();
        for piece in &self.pieces {
            let end = at + piece.len() as u64;
            let (from, to) = (range.start.clamp(at, end), range.end.clamp(at, end));
            if from < to {
                found.push(piece.slice((from - at) as usize..(to - at) as usize));
            }
            at = end;
        }
        found
    }

    /// The bytes of small content, such as XML documents.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}
