//! MD5 in the 16 lanes of AVX-512 registers. Each round's function is one instruction here, and each
//! rotation another one.

use super::{
    Block, State,
    rounds::{CONSTANTS, rounds},
};
use std::arch::x86_64::{
    __m512i, _mm_extract_epi32, _mm512_add_epi32, _mm512_extracti32x4_epi32, _mm512_loadu_si512,
    _mm512_rol_epi32, _mm512_set_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

pub(super) const LANES: usize = 16;

type Vector = __m512i;
type Lanes<T> = [T; LANES];

/// `x ? y : z` for each bit.
const CHOICE: i32 = 0xca;
/// `x ^ y ^ z`.
const PARITY: i32 = 0x96;
/// `y ^ (x | !z)`.
const ROUND_4: i32 = 0x39;

/// The first and third quarters of two registers.
const EVEN: i32 = 0x88;
/// The second and fourth quarters of two registers.
const ODD: i32 = 0xdd;

/// Feeds each lane its blocks. All lanes have the same number of blocks.
#[target_feature(enable = "avx512f")]
pub(super) fn compress(states: &mut Lanes<State>, blocks: Lanes<&[Block]>) {
    let [mut a, mut b, mut c, mut d] = gathered(states);
    for nth in 0..blocks[0].len() {
        let words = transposed(&blocks, nth);
        let before = (a, b, c, d);
        macro_rules! step {
            ($a:ident, $b:ident, $word:literal, $s:literal, $step:literal, $mixed:expr) => {
                let constant = _mm512_set1_epi32(CONSTANTS[$step] as i32);
                let early = _mm512_add_epi32(_mm512_add_epi32($a, constant), words[$word]);
                let rotated = _mm512_rol_epi32::<$s>(_mm512_add_epi32(early, $mixed));
                $a = _mm512_add_epi32(rotated, $b);
            };
        }
        macro_rules! f {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, _mm512_ternarylogic_epi32::<CHOICE>($b, $c, $d));
            };
        }
        macro_rules! g {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, _mm512_ternarylogic_epi32::<CHOICE>($d, $b, $c));
            };
        }
        macro_rules! h {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, _mm512_ternarylogic_epi32::<PARITY>($b, $c, $d));
            };
        }
        macro_rules! i {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, _mm512_ternarylogic_epi32::<ROUND_4>($b, $c, $d));
            };
        }
        rounds!(f, g, h, i, a, b, c, d);
        a = _mm512_add_epi32(a, before.0);
        b = _mm512_add_epi32(b, before.1);
        c = _mm512_add_epi32(c, before.2);
        d = _mm512_add_epi32(d, before.3);
    }
    scatter([a, b, c, d], states);
}

/// Returns one vector for each of the four words of the states.
#[target_feature(enable = "avx512f")]
fn gathered(states: &Lanes<State>) -> [Vector; 4] {
    let mut out = [_mm512_setzero_si512(); 4];
    for (word, out) in out.iter_mut().enumerate() {
        let of = |lane: usize| states[lane][word] as i32;
        *out = _mm512_set_epi32(
            of(15),
            of(14),
            of(13),
            of(12),
            of(11),
            of(10),
            of(9),
            of(8),
            of(7),
            of(6),
            of(5),
            of(4),
            of(3),
            of(2),
            of(1),
            of(0),
        );
    }
    out
}

#[target_feature(enable = "avx512f")]
fn scatter(vectors: [Vector; 4], states: &mut Lanes<State>) {
    for (word, vector) in vectors.into_iter().enumerate() {
        for (lane, value) in unpacked(vector).into_iter().enumerate() {
            states[lane][word] = value;
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn unpacked(vector: Vector) -> Lanes<u32> {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(vector),
        _mm512_extracti32x4_epi32::<1>(vector),
        _mm512_extracti32x4_epi32::<2>(vector),
        _mm512_extracti32x4_epi32::<3>(vector),
    ];
    let mut out = [0; LANES];
    for (words, quarter) in out.as_chunks_mut::<4>().0.iter_mut().zip(quarters) {
        words[0] = _mm_extract_epi32::<0>(quarter) as u32;
        words[1] = _mm_extract_epi32::<1>(quarter) as u32;
        words[2] = _mm_extract_epi32::<2>(quarter) as u32;
        words[3] = _mm_extract_epi32::<3>(quarter) as u32;
    }
    out
}

/// Returns the 16 words of each lane's block, as one vector for each word.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed(blocks: &Lanes<&[Block]>, nth: usize) -> [Vector; 16] {
    let zero = _mm512_setzero_si512();
    // Pairs of words, then fours of words, then quarters of registers.
    let (mut rows, mut pairs, mut fours) = ([zero; 16], [zero; 16], [zero; 16]);
    for lane in 0..LANES {
        rows[lane] = row(&blocks[lane][nth]);
    }
    for two in 0..8 {
        pairs[2 * two] = _mm512_unpacklo_epi32(rows[2 * two], rows[2 * two + 1]);
        pairs[2 * two + 1] = _mm512_unpackhi_epi32(rows[2 * two], rows[2 * two + 1]);
    }
    for quarter in 0..4 {
        let at = 4 * quarter;
        fours[at] = _mm512_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm512_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm512_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm512_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut words = [zero; 16];
    for word in 0..4 {
        // Each of these four has the words `word`, `word + 4`, `word + 8` and `word + 12` of four lanes.
        let of = [fours[word], fours[word + 4], fours[word + 8], fours[word + 12]];
        let even = [_mm512_shuffle_i32x4::<EVEN>(of[0], of[1]), _mm512_shuffle_i32x4::<EVEN>(of[2], of[3])];
        let odd = [_mm512_shuffle_i32x4::<ODD>(of[0], of[1]), _mm512_shuffle_i32x4::<ODD>(of[2], of[3])];
        words[word] = _mm512_shuffle_i32x4::<EVEN>(even[0], even[1]);
        words[word + 4] = _mm512_shuffle_i32x4::<EVEN>(odd[0], odd[1]);
        words[word + 8] = _mm512_shuffle_i32x4::<ODD>(even[0], even[1]);
        words[word + 12] = _mm512_shuffle_i32x4::<ODD>(odd[0], odd[1]);
    }
    words
}

/// Returns a block.
#[target_feature(enable = "avx512f")]
#[inline]
fn row(block: &Block) -> Vector {
    // SAFETY: a block has as many bytes as are loaded. The load needs no alignment.
    #[allow(unsafe_code)]
    unsafe {
        _mm512_loadu_si512(block.as_ptr().cast())
    }
}
