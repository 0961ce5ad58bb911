//! Bytes to store: reproducible from a seed, incompressible, cheap to make.
//!
//! Owns: the generator and the one large buffer that all uploads of the benchmark are cut from.
//! Invariant: the same seed yields the same bytes in every run, so content can be checked without being kept.

use std::sync::OnceLock;

/// The largest body that `of_size` gives.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// xorshift64*: fast, and good enough that no two contents collide by construction.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // A state of zero would stay zero; the multiplication spreads small seeds.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

pub fn from_seed(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub fn of_size(size: usize) -> &'static [u8] {
    static BUFFER: OnceLock<Vec<u8>> = OnceLock::new();
    &BUFFER.get_or_init(|| from_seed(0, LARGEST))[..size]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_gives_others() {
        assert_eq!(from_seed(7, 100), from_seed(7, 100));
        assert_ne!(from_seed(7, 100), from_seed(8, 100));
        assert_eq!(from_seed(7, 13).len(), 13);
    }
}
