//! Schedules: the same seed and the same calls meet the same faults, on a clock that the test holds.

use crate::{Bed, client, kind};
use causeway::{
    faults::{Done, FaultKind, Flapping, Plan},
    store::{error::StoreErrorKind, operation::Operation},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

fn stormy() -> Plan {
    Plan {
        latency: Duration::from_millis(3),
        jitter: Duration::from_millis(40),
        flapping: Some(Flapping { up: Duration::from_millis(700), down: Duration::from_millis(50) }),
        unavailable: 0.1,
        throttled: 0.1,
        lost_reply: 0.1,
        late: 0.1,
        late_by: Duration::from_millis(30),
        torn_body: 0.2,
        stale_list: 0.3,
        ..Plan::default()
    }
}

type Seen = (Vec<Result<Vec<u8>, StoreErrorKind>>, Vec<Done>, Vec<Option<Vec<u8>>>, Duration);

/// Several concurrent clients, each with its own keys and one shared key.
async fn run(seed: u64) -> Seen {
    let bed = Bed::seeded(seed, stormy()).await;
    let begun = Instant::now();
    let client = async |number: usize| {
        let mut answers = Vec::new();
        for step in 0..60 {
            let key = if step % 3 == 0 { "shared".to_owned() } else { format!("own-{number}") };
            let answer = match (step + number) % 4 {
                0 | 1 => bed.put(&key, client::bytes(step as u64, 50)).await.map(|()| Vec::new()),
                2 => bed.get(&key).await,
                _ => bed.list().await.map(|names| names.join(",").into_bytes()),
            };
            answers.push(answer.map_err(|error| error.kind()));
        }
        answers
    };
    let (first, second, third) = tokio::join!(client(0), client(1), client(2));
    bed.faults.settled().await;
    let took = begun.elapsed();
    let mut contents = Vec::new();
    for key in ["shared", "own-0", "own-1", "own-2"] {
        contents.push(bed.content(key).await);
    }
    ([first, second, third].concat(), bed.faults.journal(), contents, took)
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_schedule() {
    for seed in 0..5 {
        let (once, again) = (run(seed).await, run(seed).await);
        assert_eq!(once, again, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_makes_another_schedule() {
    assert_ne!(run(1).await.1, run(2).await.1);
}

#[tokio::test(start_paused = true)]
async fn a_storm_has_every_kind_of_fault_it_was_asked_for() {
    let (_, journal, ..) = run(3).await;
    let kinds = [
        FaultKind::Down,
        FaultKind::Unavailable,
        FaultKind::Throttled,
        FaultKind::LostReply,
        FaultKind::Late,
        FaultKind::TornBody,
        FaultKind::StaleList,
    ];
    for kind in kinds {
        assert!(journal.iter().any(|done| done.kind == Some(kind)), "{kind:?}");
    }
    assert!(journal.iter().all(|done| done.kind != Some(FaultKind::Hang)));
    assert!(journal.iter().enumerate().all(|(at, done)| done.call == at as u64), "in order");
    assert!(
        journal
            .iter()
            .any(|done| done.operation == Operation::Put && done.subject == "shared" && done.kind.is_none())
    );
}

#[tokio::test]
async fn a_plan_changes_while_calls_go_on() {
    let bed = Bed::new(Plan::default()).await;
    for round in 0..3 {
        bed.put("a", client::bytes(round, 10)).await.expect("is put");
        bed.faults.set(Plan::down());
        assert_eq!(kind(bed.list().await), Some(StoreErrorKind::Unavailable));
        bed.faults.heal();
        assert_eq!(bed.list().await.expect("is listed"), ["a"]);
    }
    assert_eq!(bed.faults.counts().of(FaultKind::Down), 3);
}

/// One client alone: the replies determine what the storage may hold. An acknowledged write was made; a
/// refused write was not; a write without an answer was made, was not made, or will be made later.
#[tokio::test(start_paused = true)]
async fn what_is_there_is_what_the_answers_allow() {
    let mut met = BTreeSet::new();
    for seed in 0..300 {
        let bed = Bed::seeded(seed, stormy()).await;
        let (mut possible, mut coming) = (BTreeSet::from([None]), BTreeSet::new());
        for step in 0..40u64 {
            let value = (step % 3 != 2).then(|| client::bytes(step, 64).to_vec());
            let before = bed.faults.counts().of(FaultKind::Late);
            let answer = match &value {
                Some(bytes) => bed.put("a", bytes.clone()).await,
                None => bed.delete("a").await,
            };
            if bed.faults.counts().of(FaultKind::Late) > before {
                coming.insert(value.clone());
            }
            match kind(answer) {
                None => possible = BTreeSet::from([value]),
                Some(StoreErrorKind::Busy) => {}
                Some(_) => drop(possible.insert(value)),
            }
            let there = bed.content("a").await;
            assert!(possible.contains(&there) || coming.contains(&there), "seed {seed}, step {step}");
        }
        bed.faults.settled().await;
        let there = bed.content("a").await;
        assert!(possible.contains(&there) || coming.contains(&there), "seed {seed}, at the end");
        met.extend(bed.faults.journal().into_iter().filter_map(|done| done.kind));
    }
    assert_eq!(met.len(), 6, "every kind that writes can meet: {met:?}");
}
