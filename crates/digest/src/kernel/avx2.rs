//! MD5 in the lanes of AVX2 registers: `G` groups of eight lanes.
//!
//! Two groups overlap as two integer lanes do: the chain of dependent instructions of one group leaves half
//! of the vector units idle.

use super::{
    Block, State,
    rounds::{CONSTANTS, rounds},
};
use std::{
    arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_extract_epi32,
        _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set_epi32, _mm256_set1_epi32,
        _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_unpackhi_epi32,
        _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
    },
    hint::black_box,
};

/// Lanes of one group.
pub(super) const GROUP: usize = 8;

type Vector = __m256i;
type Lanes<T> = [T; GROUP];

/// Feeds each lane its blocks. All lanes have the same number of blocks.
#[target_feature(enable = "avx2")]
pub(super) fn compress<const G: usize>(states: &mut [Lanes<State>; G], blocks: [Lanes<&[Block]>; G]) {
    let zero = _mm256_setzero_si256();
    let (mut a, mut b, mut c, mut d) = ([zero; G], [zero; G], [zero; G], [zero; G]);
    for g in 0..G {
        [a[g], b[g], c[g], d[g]] = gathered(&states[g]);
    }
    let ones = _mm256_set1_epi32(-1);
    // The compiler would add a constant that it knows last, and so make the chain longer.
    let constants = black_box(&CONSTANTS);
    for nth in 0..blocks[0][0].len() {
        let mut words = [[zero; 16]; G];
        for g in 0..G {
            words[g] = transposed(&blocks[g], nth);
        }
        let before = (a, b, c, d);
        macro_rules! step {
            ($a:ident, $b:ident, $word:literal, $s:literal, $step:literal, $g:ident, $early:expr, $late:expr) => {
                for $g in 0..G {
                    let constant = _mm256_set1_epi32(constants[$step] as i32);
                    let early = _mm256_add_epi32(_mm256_add_epi32($a[$g], constant), words[$g][$word]);
                    let sum = _mm256_add_epi32(_mm256_add_epi32(early, $early), $late);
                    let left = _mm256_slli_epi32::<$s>(sum);
                    let rotated = _mm256_or_si256(left, _mm256_srli_epi32::<{ 32 - $s }>(sum));
                    $a[$g] = _mm256_add_epi32(rotated, $b[$g]);
                }
            };
        }
        macro_rules! f {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, g, zero, {
                    let either = _mm256_xor_si256($c[g], $d[g]);
                    _mm256_xor_si256($d[g], _mm256_and_si256($b[g], either))
                })
            };
        }
        macro_rules! g {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                // The two halves have no bit in common: their sum is their disjunction.
                step!(
                    $a,
                    $b,
                    $word,
                    $s,
                    $step,
                    g,
                    _mm256_andnot_si256($d[g], $c[g]),
                    _mm256_and_si256($b[g], $d[g])
                )
            };
        }
        macro_rules! h {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, g, zero, {
                    _mm256_xor_si256($b[g], _mm256_xor_si256($c[g], $d[g]))
                })
            };
        }
        macro_rules! i {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, g, zero, {
                    let inverse = _mm256_xor_si256($d[g], ones);
                    _mm256_xor_si256($c[g], _mm256_or_si256($b[g], inverse))
                })
            };
        }
        rounds!(f, g, h, i, a, b, c, d);
        for g in 0..G {
            a[g] = _mm256_add_epi32(a[g], before.0[g]);
            b[g] = _mm256_add_epi32(b[g], before.1[g]);
            c[g] = _mm256_add_epi32(c[g], before.2[g]);
            d[g] = _mm256_add_epi32(d[g], before.3[g]);
        }
    }
    for g in 0..G {
        scatter([a[g], b[g], c[g], d[g]], &mut states[g]);
    }
}

/// Returns one vector for each of the four words of the states.
#[target_feature(enable = "avx2")]
fn gathered(states: &Lanes<State>) -> [Vector; 4] {
    let mut out = [_mm256_setzero_si256(); 4];
    for (word, out) in out.iter_mut().enumerate() {
        let of = |lane: usize| states[lane][word] as i32;
        *out = _mm256_set_epi32(of(7), of(6), of(5), of(4), of(3), of(2), of(1), of(0));
    }
    out
}

#[target_feature(enable = "avx2")]
fn scatter(vectors: [Vector; 4], states: &mut Lanes<State>) {
    for (word, v) in vectors.into_iter().enumerate() {
        states[0][word] = _mm256_extract_epi32::<0>(v) as u32;
        states[1][word] = _mm256_extract_epi32::<1>(v) as u32;
        states[2][word] = _mm256_extract_epi32::<2>(v) as u32;
        states[3][word] = _mm256_extract_epi32::<3>(v) as u32;
        states[4][word] = _mm256_extract_epi32::<4>(v) as u32;
        states[5][word] = _mm256_extract_epi32::<5>(v) as u32;
        states[6][word] = _mm256_extract_epi32::<6>(v) as u32;
        states[7][word] = _mm256_extract_epi32::<7>(v) as u32;
    }
}

/// Returns the 16 words of each lane's block, as one vector for each word.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed(blocks: &Lanes<&[Block]>, nth: usize) -> [Vector; 16] {
    let mut words = [_mm256_setzero_si256(); 16];
    for half in 0..2 {
        let mut rows = [_mm256_setzero_si256(); GROUP];
        for lane in 0..GROUP {
            rows[lane] = row(&blocks[lane][nth], 32 * half);
        }
        let columns = square(rows);
        for word in 0..8 {
            words[8 * half + word] = columns[word];
        }
    }
    words
}

/// Returns 32 bytes of a block.
#[target_feature(enable = "avx2")]
#[inline]
fn row(block: &Block, at: usize) -> Vector {
    let bytes = &block[at..at + size_of::<Vector>()];
    // SAFETY: the pointer is that of as many bytes as are loaded. The load needs no alignment.
    #[allow(unsafe_code)]
    unsafe {
        _mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

/// Transposes a square of eight by eight words.
#[target_feature(enable = "avx2")]
#[inline]
fn square(rows: [Vector; 8]) -> [Vector; 8] {
    let zero = _mm256_setzero_si256();
    // Pairs of words, then fours of words, then halves of registers.
    let (mut pairs, mut fours) = ([zero; 8], [zero; 8]);
    for two in 0..4 {
        pairs[2 * two] = _mm256_unpacklo_epi32(rows[2 * two], rows[2 * two + 1]);
        pairs[2 * two + 1] = _mm256_unpackhi_epi32(rows[2 * two], rows[2 * two + 1]);
    }
    for half in 0..2 {
        let at = 4 * half;
        fours[at] = _mm256_unpacklo_epi64(pairs[at], pairs[at + 2]);
        fours[at + 1] = _mm256_unpackhi_epi64(pairs[at], pairs[at + 2]);
        fours[at + 2] = _mm256_unpacklo_epi64(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = _mm256_unpackhi_epi64(pairs[at + 1], pairs[at + 3]);
    }
    let mut columns = [zero; 8];
    for word in 0..4 {
        columns[word] = _mm256_permute2x128_si256::<0x20>(fours[word], fours[word + 4]);
        columns[word + 4] = _mm256_permute2x128_si256::<0x31>(fours[word], fours[word + 4]);
    }
    columns
}
