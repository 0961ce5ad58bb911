//! MD5 in integer registers: `N` independent lanes, written so that the CPU overlaps them.
//!
//! One lane is the code for a lone body. MD5 is one long chain of dependent instructions that leaves most of
//! a CPU idle, so two lanes cost hardly more than one. This kernel runs on every CPU.

use super::{
    Block, State,
    rounds::{CONSTANTS, rounds},
};
use std::hint::black_box;

/// Feeds each lane its blocks. All lanes have the same number of blocks.
#[inline(always)]
pub(super) fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
    // The compiler would add a constant that it knows last, and so make the chain longer.
    let constants = black_box(&CONSTANTS);
    for nth in 0..blocks[0].len() {
        let words: [&Block; N] = blocks.map(|lane| &lane[nth]);
        let [mut a, mut b, mut c, mut d]: [[u32; N]; 4] =
            std::array::from_fn(|word| states.each_ref().map(|state| state[word]));
        // The word that the step before has computed comes last in each sum, so that the chain is short.
        macro_rules! step {
            ($a:ident, $b:ident, $word:literal, $s:literal, $step:literal, $lane:ident, $early:expr, $late:expr) => {
                for $lane in 0..N {
                    let early =
                        $a[$lane].wrapping_add(constants[$step]).wrapping_add(word::<$word>(words[$lane]));
                    let sum = early.wrapping_add($early).wrapping_add($late);
                    $a[$lane] = sum.rotate_left($s).wrapping_add($b[$lane]);
                }
            };
        }
        macro_rules! f {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, n, 0, $d[n] ^ ($b[n] & ($c[n] ^ $d[n])))
            };
        }
        macro_rules! g {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                // The two halves have no bit in common: their sum is their disjunction.
                step!($a, $b, $word, $s, $step, n, $c[n] & !$d[n], $b[n] & $d[n])
            };
        }
        macro_rules! h {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, n, 0, $b[n] ^ ($c[n] ^ $d[n]))
            };
        }
        macro_rules! i {
            ($a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $s:literal, $step:literal) => {
                step!($a, $b, $word, $s, $step, n, 0, $c[n] ^ ($b[n] | !$d[n]))
            };
        }
        rounds!(f, g, h, i, a, b, c, d);
        for lane in 0..N {
            let sums = [a[lane], b[lane], c[lane], d[lane]];
            for (word, sum) in states[lane].iter_mut().zip(sums) {
                *word = word.wrapping_add(sum);
            }
        }
    }
}

#[inline(always)]
fn word<const NTH: usize>(block: &Block) -> u32 {
    u32::from_le_bytes([block[4 * NTH], block[4 * NTH + 1], block[4 * NTH + 2], block[4 * NTH + 3]])
}
