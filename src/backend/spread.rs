//! Pauses that differ from each other: those that failed together must not come back together.

use std::{ops::Range, time::Duration};

/// A random share of a pause.
pub fn spread(pause: Duration, shares: Range<f64>) -> Duration {
    let mut random = [0u8; 2];
    // Without randomness the pause is only less spread out.
    let at = getrandom::fill(&mut random).map_or(0.5, |()| f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX));
    pause.mul_f64(shares.start + at * (shares.end - shares.start))
}
