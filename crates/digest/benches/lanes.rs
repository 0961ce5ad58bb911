//! Time of MD5 for each kernel and number of lanes, beside the crate `md-5`, in one run.
//!
//! Runs are short, and the fastest one counts: other programs on the machine disturb most of them, not all.

use causeway_digest::{Engine, Md5, update_together};
use std::{hint::black_box, time::Instant};

const PIECE: usize = 32 * 1024;
const LANES: [usize; 9] = [1, 2, 3, 4, 6, 8, 10, 12, 16];
const RUNS: usize = 1000;

/// Returns milliseconds for each MiB of `bytes`.
fn cost(bytes: usize, mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let begun = Instant::now();
        run();
        begun.elapsed().as_secs_f64() * 1e3
    };
    let best = (0..RUNS).map(|_| once(&mut run)).fold(f64::MAX, f64::min);
    best * 1024.0 * 1024.0 / bytes as f64
}

fn main() {
    let bodies: Vec<Vec<u8>> =
        (0..16u8).map(|lane| (0..PIECE).map(|at| (at as u8).wrapping_mul(31) ^ lane).collect()).collect();
    let scalar = cost(PIECE, || {
        black_box(<md5::Md5 as md5::Digest>::digest(&bodies[0]));
    });
    println!("kernel    lanes  ms/MiB  times md-5");
    println!("md-5      {:5}  {scalar:6.3}  {:10.2}", 1, 1.0);
    for engine in Engine::all() {
        for lanes in LANES {
            let bytes: Vec<&[u8]> = bodies[..lanes].iter().map(Vec::as_slice).collect();
            let mut all = vec![Md5::new(); lanes];
            let cost = cost(PIECE * lanes, || update_together(engine, &mut all, &bytes));
            println!("{:8}  {lanes:5}  {cost:6.3}  {:10.2}", engine.name(), scalar / cost);
        }
    }
}
