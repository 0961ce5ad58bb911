//! Pauses with random differences: tasks that failed together must not retry together.

use std::{cell::Cell, ops::Range, time::Duration};

thread_local! {
    /// The seed for the next pause of this thread, where a test sets it.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Derives all further pauses of this thread from `seed`. Tests that run on one thread and control its clock
/// use it: the same seed gives the same pauses.
pub fn seed_pauses(seed: u64) {
    SEED.set(Some(seed));
}

/// Returns a random share of a pause. It is in whole milliseconds if it is that long: timers are not more
/// precise, and how they round a fraction depends on when the process began.
pub fn spread(pause: Duration, shares: Range<f64>) -> Duration {
    let share = pause.mul_f64(shares.start + draw() * (shares.end - shares.start));
    let whole = Duration::from_millis(u64::try_from(share.as_millis()).unwrap_or(u64::MAX));
    if whole.is_zero() { share } else { whole }
}

/// Returns a number from 0 to 1.
fn draw() -> f64 {
    if let Some(seed) = SEED.get() {
        // The generator of Knuth's MMIX: its upper bits are good enough for pauses.
        let next = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        SEED.set(Some(next));
        return (next >> 11) as f64 / (1u64 << 53) as f64;
    }
    let mut random = [0u8; 2];
    // If no randomness is available, all pauses have the same share.
    getrandom::fill(&mut random).map_or(0.5, |()| f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_pauses_again_and_others_within_the_shares() {
        let pauses = |seed| {
            seed_pauses(seed);
            [(); 100].map(|()| spread(Duration::from_secs(1), 0.8..1.2))
        };
        let first = pauses(7);
        assert_eq!(first, pauses(7));
        assert_ne!(first, pauses(8));
        assert!(first.iter().all(|pause| (800..=1200).contains(&pause.as_millis())));
        assert!(first.iter().min() != first.iter().max());
    }
}
