//! QuickXorHash, as OneDrive reports it for files: each byte is XORed into a ring of 160 bits, 11 bits after
//! the byte before it, and at the end the length is XORed into the last 64 bits.

use base64::{Engine, engine::general_purpose::STANDARD};

const BITS: usize = 160;
const BYTES: usize = BITS / 8;

/// After this number of bytes, the position in the ring is that of the first byte again.
const ROUND: usize = BITS;

#[derive(Debug)]
pub(super) struct QuickXor {
    /// The XOR of all bytes with the same position in the ring.
    round: [u8; ROUND],
    length: u64,
}

impl Default for QuickXor {
    fn default() -> Self {
        Self { round: [0; ROUND], length: 0 }
    }
}

impl QuickXor {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let at = usize::try_from(self.length % ROUND as u64).unwrap_or(0);
        let (first, rest) = bytes.split_at(bytes.len().min(ROUND - at));
        self.round[at..].iter_mut().zip(first).for_each(|(all, byte)| *all ^= byte);
        for piece in rest.chunks(ROUND) {
            self.round.iter_mut().zip(piece).for_each(|(all, byte)| *all ^= byte);
        }
        self.length += bytes.len() as u64;
    }

    /// Returns the hash in Graph's encoding.
    pub(super) fn finish(self) -> String {
        let mut ring = [0u8; BYTES];
        for (n, byte) in self.round.iter().enumerate() {
            let at = n * 11 % BITS;
            let [low, high] = (u16::from(*byte) << (at % 8)).to_le_bytes();
            ring[at / 8] ^= low;
            ring[(at / 8 + 1) % BYTES] ^= high;
        }
        for (byte, length) in ring[BYTES - 8..].iter_mut().zip(self.length.to_le_bytes()) {
            *byte ^= length;
        }
        STANDARD.encode(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_definition_says() {
        let hash = |bytes: &[u8]| {
            let mut hash = QuickXor::default();
            bytes.chunks(7).for_each(|piece| hash.update(piece));
            hash.finish()
        };
        assert_eq!(hash(b""), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(hash(b"J"), "SgAAAAAAAAAAAAAAAQAAAAAAAAA=");
        // Computes the hash bit by bit, as it is defined.
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * 37 % 251) as u8).collect();
        let mut bits = [false; BITS];
        for (n, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                bits[(n * 11 + bit) % BITS] ^= byte >> bit & 1 == 1;
            }
        }
        let mut ring = [0u8; BYTES];
        bits.iter().enumerate().for_each(|(n, bit)| ring[n / 8] |= u8::from(*bit) << (n % 8));
        ring[12..].iter_mut().zip(1000u64.to_le_bytes()).for_each(|(byte, length)| *byte ^= length);
        assert_eq!(hash(&bytes), STANDARD.encode(ring));
    }
}
