//! The replicated layer under a scheduler that a seed decides: several clients at once, storages that fail
//! and lack guarantees, gateways that are killed; and then whether some order explains all that was seen, and
//! whether all comes to be well by itself.
//!
//! Everything runs on one thread, by a clock that is held, and all chance comes from the seed: the same seed
//! gives the same history.
//!
//! `CAUSEWAY_SIMULATIONS=10000 cargo test --test replicate simulation` looks longer than CI does;
//! `CAUSEWAY_SIMULATION=4711` runs one seed and prints its history as it happens.

mod client;
mod dice;
mod history;
mod linear;
mod storage;
mod weather;
mod world;

use client::Client;
use dice::Dice;
use std::sync::Arc;
use weather::Climate;
use world::World;

const CLIENTS: u64 = 5;
const OPERATIONS: usize = 20;
/// Seeds that CI has time for.
const SEEDS: u64 = 100;

/// Seeds beyond those that showed something wrong once.
const ONCE_WRONG: [u64; 5] = [197, 484, 659, 773, 840];

/// What is known to be wrong and not mended yet: a seed, and words with which its verdict begins. These seeds
/// are run like all others. Whatever changes the layer moves the dice: then this table is written anew.
///
/// In these a gateway is killed while the write of a new object is on its way, before the catalog has its
/// intention: nobody was answered, and what comes to replicas is an object that nobody knows. A scrub counts
/// it as a stranger, which is how others' objects look, too.
const KNOWN: &[(u64, &str)] = &[(112, "one holds"), (253, "two holds")];

/// What came of one seed.
struct Outcome {
    lines: Vec<String>,
    verdict: Result<(), String>,
}

fn run(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    causeway::backend::seed_pauses(seed);
    runtime.block_on(async {
        let dice = Dice::new(seed);
        let world = Arc::new(World::new(seed, Climate::of(seed), &dice));
        let history = world.history.clone();
        let all = tokio::spawn(lifetime(seed, dice, world));
        if let Err(error) = all.await {
            history.wrong(format!("the run broke off: {error}"));
        }
        Outcome { lines: history.lines(), verdict: history.verdict() }
    })
}

async fn lifetime(seed: u64, dice: Dice, world: Arc<World>) {
    world.start().await;
    let blowing = tokio::spawn(weather::blow(world.clone(), Climate::of(seed), dice.of(1)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(Client::new(n as usize, dice.of(10 + n), world.clone()).run(OPERATIONS)))
        .collect();
    for client in clients {
        client.await.expect("a client ends");
    }
    blowing.abort();
    let _ = blowing.await;
    // Perhaps it was about to start one.
    world.kill();
    world.start().await;
    weather::clear(&world, &dice.of(3)).await;
    let mut last = Client::new(CLIENTS as usize, dice.of(2), world.clone());
    let gateway = world.gateway().await;
    for name in client::KEYS {
        last.get(&gateway, name).await;
    }
    last.list(&gateway).await;
    weather::leave(&world).await;
}

fn seeds() -> Vec<u64> {
    let from = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (from("CAUSEWAY_SIMULATION"), from("CAUSEWAY_SIMULATIONS")) {
        (Some(one), _) => vec![one],
        (None, Some(many)) => (0..many).collect(),
        (None, None) => (0..SEEDS).chain(ONCE_WRONG).collect(),
    }
}

#[track_caller]
fn assert_right(seed: u64) {
    let Outcome { lines, verdict } = run(seed);
    if let Err(wrong) = verdict {
        if let Some((_, reason)) =
            KNOWN.iter().find(|(known, reason)| *known == seed && wrong.starts_with(reason))
        {
            println!("seed {seed} is wrong as it is known to be: {reason}");
            return;
        }
        panic!("seed {seed}:\n{}\n\nwhat is wrong:\n{wrong}", lines.join("\n"));
    }
}

#[test]
fn some_order_explains_what_clients_saw_and_everything_heals() {
    seeds().into_iter().for_each(assert_right);
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..5 {
        let [first, second] = [run(seed), run(seed)];
        for (at, (one, other)) in first.lines.iter().zip(&second.lines).enumerate() {
            assert_eq!(one, other, "line {at} of seed {seed}");
        }
        assert_eq!(first.lines.len(), second.lines.len(), "seed {seed}");
    }
}
