//! The MD5 of one body, fed piece by piece.
//!
//! Owns the bytes of a block that is not complete, the length and the padding. Whole blocks go to a kernel:
//! here one lane at a time, in `batch` many of them together.

use crate::kernel::{self, Block, Engine, State, WIDTH};
use std::fmt;

const BLOCK: usize = size_of::<Block>();

/// A running MD5.
#[derive(Clone)]
pub struct Md5 {
    state: State,
    /// Number of bytes so far.
    length: u64,
    /// The first `length % 64` bytes are those of the block that is not complete.
    open: Block,
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Md5").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl Md5 {
    pub const fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { state, length: 0, open: [0; BLOCK] }
    }

    /// Feeds bytes, on this thread.
    pub fn update(&mut self, bytes: &[u8]) {
        let bytes = self.complete(bytes);
        let (blocks, rest) = bytes.as_chunks();
        self.feed(blocks);
        self.keep(rest);
    }

    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8).to_le_bytes();
        let filled = self.filled();
        // One bit, zeros, and the length in the last eight bytes of a block: of the next one, if it does not
        // fit into this one.
        let mut padding = [0; 2 * BLOCK];
        padding[0] = 0x80;
        let until = if filled < BLOCK - bits.len() { BLOCK } else { 2 * BLOCK } - filled;
        padding[until - bits.len()..until].copy_from_slice(&bits);
        self.update(&padding[..until]);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// Completes the open block, if there is one. Returns the bytes that it did not need.
    pub(crate) fn complete<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let filled = self.filled();
        if filled == 0 {
            return bytes;
        }
        let (taken, rest) = bytes.split_at((BLOCK - filled).min(bytes.len()));
        self.open[filled..filled + taken.len()].copy_from_slice(taken);
        self.length += taken.len() as u64;
        if self.filled() == 0 {
            kernel::compress_one(&mut self.state, &[self.open]);
        }
        rest
    }

    /// Feeds whole blocks. No block may be open, unless there are no blocks.
    fn feed(&mut self, blocks: &[Block]) {
        kernel::compress_one(&mut self.state, blocks);
        self.length += size_of_val(blocks) as u64;
    }

    /// Keeps less than a block. No block may be open, unless there are no bytes.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.open[..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u64;
    }

    fn filled(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }
}

/// Feeds each MD5 its own bytes, of any length, all of them together on this thread.
pub fn update_together(engine: Engine, all: &mut [Md5], bytes: &[&[u8]]) {
    let mut lanes: Vec<(&mut Md5, &[u8])> = all
        .iter_mut()
        .zip(bytes)
        .map(|(md5, bytes)| {
            let rest = md5.complete(bytes);
            (md5, rest)
        })
        .collect();
    loop {
        let open = lanes.iter_mut().filter(|(_, rest)| rest.len() >= BLOCK).take(WIDTH);
        let (mut md5s, mut rests): (Vec<_>, Vec<_>) = open.map(|(md5, rest)| (&mut **md5, rest)).unzip();
        let Some(fewest) = rests.iter().map(|rest| rest.len() / BLOCK).min() else { break };
        let mut blocks = Vec::with_capacity(WIDTH);
        for rest in &mut rests {
            let (now, later) = rest.split_at(fewest * BLOCK);
            blocks.push(now.as_chunks().0);
            **rest = later;
        }
        feed_together(engine, &mut md5s, &blocks);
    }
    for (md5, rest) in lanes {
        md5.keep(rest);
    }
}

/// Feeds one MD5 for each lane with blocks of its own. No MD5 has an open block, and all lanes have the same
/// number of blocks. There are at most [`WIDTH`] lanes.
pub(crate) fn feed_together(engine: Engine, lanes: &mut [&mut Md5], blocks: &[&[Block]]) {
    let mut states = [State::default(); WIDTH];
    let states = &mut states[..lanes.len()];
    for (state, lane) in states.iter_mut().zip(&*lanes) {
        *state = lane.state;
    }
    engine.compress(states, blocks);
    for ((lane, state), blocks) in lanes.iter_mut().zip(states).zip(blocks) {
        lane.state = *state;
        lane.length += size_of_val(*blocks) as u64;
    }
}
