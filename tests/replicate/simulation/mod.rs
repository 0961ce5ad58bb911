//! The replicated layer under a scheduler that a seed controls: several clients at once, storages that fail
//! and lack guarantees, and gateways that are killed. At the end, some order has to explain everything that
//! was seen, and all replicas have to recover by themselves.
//!
//! Everything runs on one thread with a held clock, and all randomness comes from the seed: the same seed
//! gives the same history.
//!
//! `CAUSEWAY_SIMULATIONS=10000 cargo test --test replicate simulation` runs more seeds than CI does;
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
/// The number of seeds that fit into the time of CI.
const SEEDS: u64 = 100;

/// Further seeds that once showed a defect.
const ONCE_WRONG: [u64; 5] = [197, 484, 659, 773, 840];

/// Known defects that are not fixed yet: a seed, and the words with which its verdict begins. These seeds are
/// run like all others. A change of the layer may change what a seed does; then this table has to be updated.
///
/// In these runs a gateway is killed while a new object is being written, before the catalog has the pending
/// record. No client got an answer, and replicas receive an object without a record. A scrub counts it as a
/// stray object, because it looks like an object created outside the gateway.
const KNOWN: &[(u64, &str)] = &[(112, "one holds"), (253, "two holds")];

/// The result of one seed.
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
    // A gateway may have been about to start.
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
