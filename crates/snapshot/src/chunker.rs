//! Cutting bytes into chunks where their content says so (FastCDC, 2020), so that what is inserted or removed
//! changes the chunks around it alone.
//!
//! Invariant: the cuts depend on the bytes, the sizes and the repository's seed, not on how the bytes arrive.
//! Other cuts would cost space, never correctness: a list names the chunks of its objects.

use crate::files::Id;
use bytes::{Bytes, BytesMut};
use fastcdc::v2020::{FastCDC, Normalization};
use serde::{Deserialize, Serialize};

/// The sizes of chunks. The average is that of random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    pub(crate) min: usize,
    pub(crate) average: usize,
    pub(crate) max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { min: 256 << 10, average: 1 << 20, max: 4 << 20 }
    }
}

impl Sizes {
    /// Returns whether the algorithm works with these sizes.
    pub(crate) fn are_sound(self) -> bool {
        let Self { min, average, max } = self;
        let is_even = [min, average, max].iter().all(|size| size % 2 == 0);
        is_even
            && min >= 64
            && min < average
            && average < max
            && average >= 256
            && (1024..=16 << 20).contains(&max)
    }
}

pub(crate) struct Chunker {
    sizes: Sizes,
    seed: u64,
    waiting: BytesMut,
}

impl Chunker {
    pub(crate) fn new(sizes: Sizes, seed: u64) -> Self {
        Self { sizes, seed, waiting: BytesMut::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Returns a chunk, if the bytes that have come suffice to know its end.
    pub(crate) fn chunk(&mut self) -> Option<Bytes> {
        (self.waiting.len() >= self.sizes.max).then(|| self.cut())
    }

    /// Returns the next one of the last chunks: no more bytes come.
    pub(crate) fn last(&mut self) -> Option<Bytes> {
        (!self.waiting.is_empty()).then(|| self.cut())
    }

    fn cut(&mut self) -> Bytes {
        let length = self.waiting.len();
        if length <= self.sizes.min {
            return self.waiting.split().freeze();
        }
        let Sizes { min, average, max } = self.sizes;
        let level = Normalization::Level1;
        let cdc = FastCDC::with_level_and_seed(&self.waiting, min, average, max, level, self.seed);
        let (_, end) = cdc.cut(0, length);
        self.waiting.split_to(end).freeze()
    }
}

/// Returns whether a run of names or ids ends behind this one: one of 2 to the power of `bits` does.
pub(crate) fn ends_run(id: &Id, bits: u32) -> bool {
    let last = u32::from_le_bytes([id.0[28], id.0[29], id.0[30], id.0[31]]);
    last.trailing_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: Sizes = Sizes { min: 64, average: 256, max: 1024 };

    fn cuts(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut chunker = Chunker::new(SMALL, 9);
        let mut chunks = Vec::new();
        for piece in pieces {
            chunker.push(piece);
            chunks.extend(std::iter::from_fn(|| chunker.chunk()));
        }
        chunks.extend(std::iter::from_fn(|| chunker.last()));
        chunks
    }

    proptest! {
        #[test]
        fn chunks_are_the_bytes_within_the_sizes_however_these_arrive(
            bytes in proptest::collection::vec(any::<u8>(), 0..20_000), at in 0usize..20_000
        ) {
            let at = at.min(bytes.len());
            let chunks = cuts(&[&bytes]);
            prop_assert_eq!(&chunks.concat(), &bytes);
            prop_assert_eq!(&cuts(&[&bytes[..at], &bytes[at..]]), &chunks);
            let sound = |chunk: &Bytes| chunk.len() <= SMALL.max && !chunk.is_empty();
            prop_assert!(chunks.iter().all(sound));
            let all_but_last = &chunks[..chunks.len().saturating_sub(1)];
            prop_assert!(all_but_last.iter().all(|chunk| chunk.len() >= SMALL.min));
        }

        #[test]
        fn an_insertion_changes_the_chunks_around_it_alone(
            bytes in proptest::collection::vec(any::<u8>(), 20_000..20_001), at in 0usize..20_000
        ) {
            let mut other = bytes.clone();
            other.insert(at, 1);
            let before = cuts(&[&bytes]);
            let changed = cuts(&[&other]).iter().filter(|chunk| !before.contains(chunk)).count();
            prop_assert!(changed <= 16, "{} of {} chunks", changed, before.len());
        }
    }

    #[test]
    fn the_default_sizes_are_sound() {
        assert!(Sizes::default().are_sound() && SMALL.are_sound());
        assert!(!Sizes { min: 63, ..SMALL }.are_sound() && !Sizes { max: 64 << 20, ..SMALL }.are_sound());
    }
}
