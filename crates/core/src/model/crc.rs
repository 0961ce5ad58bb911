//! CRCs of bytes that follow each other, without the bytes.
//!
//! A CRC is a remainder of polynomials over GF(2), and bytes that follow multiply what came before them by a power
//! of x. So two CRCs become one by one multiplication, and the power takes one for each bit of the length: Complete
//! does it for each of up to 10,000 parts. (`crc_fast` squares matrices instead, which takes a hundred times as
//! long.)
//!
//! Invariant: all of these CRCs are reflected, and begin and end with the inverse, which cancels out here.

/// The polynomial of a reflected CRC: its highest bit is the coefficient of x⁰.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polynomial {
    width: u32,
    reflected: u64,
}

impl Polynomial {
    pub(super) const CRC32: Self = Self { width: 32, reflected: 0xedb8_8320 };
    pub(super) const CRC32C: Self = Self { width: 32, reflected: 0x82f6_3b78 };
    pub(super) const CRC64_NVME: Self = Self { width: 64, reflected: 0x9a6c_9329_ac4b_c9b5 };

    /// Returns the CRC of `a` followed by `length` bytes whose CRC is `b`.
    pub(super) fn combine(self, a: u64, b: u64, length: u64) -> u64 {
        self.times(self.power(length), a) ^ b
    }

    /// x to the power of eight for each byte.
    fn power(self, mut bytes: u64) -> u64 {
        let (one, x) = (1 << (self.width - 1), 1 << (self.width - 2));
        let mut square = (0..3).fold(x, |x, _| self.times(x, x));
        let mut power = one;
        while bytes > 0 {
            if bytes & 1 == 1 {
                power = self.times(square, power);
            }
            square = self.times(square, square);
            bytes >>= 1;
        }
        power
    }

    /// The product of two remainders.
    fn times(self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        for bit in (0..self.width).rev() {
            if a >> bit & 1 == 1 {
                product ^= b;
            }
            // Times x: what goes beyond the highest power becomes the remainder of it.
            b = (b >> 1) ^ if b & 1 == 1 { self.reflected } else { 0 };
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc_fast::CrcAlgorithm;
    use proptest::prelude::*;

    const CRCS: [(Polynomial, CrcAlgorithm); 3] = [
        (Polynomial::CRC32, CrcAlgorithm::Crc32IsoHdlc),
        (Polynomial::CRC32C, CrcAlgorithm::Crc32Iscsi),
        (Polynomial::CRC64_NVME, CrcAlgorithm::Crc64Nvme),
    ];

    proptest! {
        #[test]
        fn crcs_are_combined_as_matrices_combine_them(
            a in any::<u64>(),
            b in any::<u64>(),
            length in prop_oneof![0..5000u64, any::<u64>()],
        ) {
            for (polynomial, oracle) in CRCS {
                let [a, b] = [a, b].map(|crc| crc >> (64 - polynomial.width));
                let expected = crc_fast::checksum_combine(oracle, a, b, length);
                prop_assert_eq!(polynomial.combine(a, b, length), expected, "{:?}", polynomial);
            }
        }
    }
}
