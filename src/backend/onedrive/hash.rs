//! QuickXorHash, as OneDrive tells it of files: every byte is XORed into a ring of 160 bits, 11 bits after the one before,
//! and at the end the length into its last 64.

use base64::{Engine, engine::general_purpose::STANDARD};

const BITS: usize = 160;
const BYTES: usize = BITS / 8;

#[derive(Debug, Default)]
pub(super) struct QuickXor {
    ring: [u8; BYTES],
    at: usize,
    length: u64,
}

impl QuickXor {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let (index, shift) = (self.at / 8, self.at % 8);
            let [low, high] = (u16::from(*byte) << shift).to_le_bytes();
            self.ring[index] ^= low;
            self.ring[(index + 1) % BYTES] ^= high;
            self.at = (self.at + 11) % BITS;
        }
        self.length += bytes.len() as u64;
    }

    /// As Graph writes it.
    pub(super) fn finish(mut self) -> String {
        for (byte, length) in self.ring[BYTES - 8..].iter_mut().zip(self.length.to_le_bytes()) {
            *byte ^= length;
        }
        STANDARD.encode(self.ring)
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
        // Bit by bit, as the definition has it.
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
