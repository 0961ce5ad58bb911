//! Clients that never stop while a bucket migrates, compared with a model.
//!
//! Each key has one writer, whose bodies are numbered. So a reader knows which numbers it may see: none older
//! than the last one that was acknowledged when it began, none newer than the last one that had begun when it
//! ended. The place that follows fails at random meanwhile.

use super::{Place, key, read};
use crate::{
    backend::migration::{Migration, MigrationStep, Side, Stage},
    faults::{FaultKind, Plan},
    model::Attributes,
    store::{ListEntry, ListRequest, PutRequest, Store, payload::Payload},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const KEYS: usize = 6;
/// The pause of a client between two requests. The clock is held, so that it takes no time.
const MOMENT: Duration = Duration::from_millis(1);

/// What is known of one key. Every eighth change deletes the key; 0 is the time before the first.
#[derive(Debug, Default)]
struct Known {
    begun: AtomicU64,
    done: AtomicU64,
}

fn name(at: usize) -> String {
    format!("key-{at}")
}

fn number(body: Option<Vec<u8>>) -> Option<u64> {
    body.map(|body| String::from_utf8(body).expect("text").parse().expect("a number"))
}

async fn write(store: Arc<dyn Store>, at: usize, known: Arc<[Known]>, stop: Arc<AtomicBool>) {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        known[at].begun.store(number, Ordering::SeqCst);
        if number.is_multiple_of(8) {
            store.delete(key(&name(at)).current(), &Default::default()).await.expect("deleted");
        } else {
            let request = PutRequest {
                attributes: Attributes::default(),
                conditions: Default::default(),
                payload: Payload::from_bytes(number.to_string().into_bytes()),
            };
            store.put(&key(&name(at)), request).await.expect("put");
        }
        known[at].done.store(number, Ordering::SeqCst);
        tokio::time::sleep(MOMENT).await;
    }
}

/// Returns whether a reader may see this number, or nothing.
fn is_right(seen: Option<u64>, least: u64, most: u64) -> bool {
    let is_deletion = |number: u64| number.is_multiple_of(8);
    match seen {
        Some(number) => (least..=most).contains(&number) && !is_deletion(number),
        None => (least..=most).any(is_deletion),
    }
}

async fn look(store: Arc<dyn Store>, known: Arc<[Known]>, stop: Arc<AtomicBool>) -> u64 {
    let mut looks = 0;
    while !stop.load(Ordering::SeqCst) {
        for (at, known) in known.iter().enumerate() {
            let least = known.done.load(Ordering::SeqCst);
            let seen = number(read(&store, &name(at)).await);
            let most = known.begun.load(Ordering::SeqCst);
            assert!(is_right(seen, least, most), "{}: {seen:?} is not in {least}..={most}", name(at));
            looks += 1;
        }
        let before: Vec<u64> = known.iter().map(|known| known.done.load(Ordering::SeqCst)).collect();
        let page = store.list(ListRequest { limit: 100, ..Default::default() }).await.expect("a page");
        for (at, known) in known.iter().enumerate() {
            let is_listed = page
                .entries
                .iter()
                .any(|entry| matches!(entry, ListEntry::Object(object) if object.key.as_str() == name(at)));
            let most = known.begun.load(Ordering::SeqCst);
            let may_be = (before[at]..=most).any(|number| number.is_multiple_of(8) != is_listed);
            assert!(may_be, "{}: listed {is_listed}, {}..={most}", name(at), before[at]);
        }
        tokio::time::sleep(MOMENT).await;
    }
    looks
}

fn unsteady() -> Plan {
    Plan::default().with(FaultKind::Unavailable, 0.05).with(FaultKind::LostReply, 0.05)
}

/// Waits until no change is under way whose root is a place that is not the truth any more: such a change still
/// needs both places.
async fn left(place: &Place, side: Side) {
    let moving = place.migrations.open().get(&place.record.id).expect("open").moving.clone();
    while moving.rooted(side) > 0 {
        tokio::time::sleep(MOMENT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_client_gets_a_wrong_answer_from_the_first_stage_to_the_last() {
    let place = Place::new().await;
    for at in 0..300 {
        super::put(&place.old.store, &format!("still-{at}"), b"still").await;
    }
    let store = place.begin().await;
    let known: Arc<[Known]> = (0..KEYS).map(|_| Known::default()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..KEYS).map(|at| tokio::spawn(write(store.clone(), at, known.clone(), stop.clone()))).collect();
    let readers: Vec<_> =
        (0..3).map(|_| tokio::spawn(look(store.clone(), known.clone(), stop.clone()))).collect();
    place.faults[1].set(unsteady());
    place.until(|state| state.counts.copied > 200).await;
    place.faults[1].heal();
    place.until(|state| state.migration.stage == Stage::Verified).await;
    for _ in 0..3 {
        place.faults[1].heal();
        while place.step(MigrationStep::CutOver).await.is_err() {}
        left(&place, Side::Old).await;
        place.faults[0].set(unsteady());
        place.until(|state| state.pending > 0).await;
        place.faults[0].heal();
        place.step(MigrationStep::Verify).await.expect("compares again");
        place.until(|state| state.pass.is_none()).await;
        // Back and forth, without an end in between.
        let moving = place.migrations.open().get(&place.record.id).expect("open").moving.clone();
        let closed = loop {
            if let Some(closed) = moving.closed(Duration::from_secs(2)).await
                && !moving.marks.lacks_any().await.expect("known")
            {
                break closed;
            }
        };
        let back = |migration: &mut Migration| {
            migration.stage = Stage::Verified;
            Ok(())
        };
        moving.change(back).await.expect("changed");
        drop(closed);
        left(&place, Side::New).await;
        place.faults[1].set(unsteady());
        place.until(|state| state.pending > 0).await;
    }
    place.faults[1].heal();
    while place.step(MigrationStep::CutOver).await.is_err() {}
    place.step(MigrationStep::Finish).await.expect("finishing");
    place.ended.0.notified().await;
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("no write failed");
    }
    let mut looks = 0;
    for reader in readers {
        looks += reader.await.expect("no answer was wrong");
    }
    assert!(looks > 100, "only {looks} looks");
    let state = place.step(MigrationStep::Status).await.expect("a state");
    assert_eq!(state.migration.stage, Stage::Finishing, "{state:?}");
    for (at, known) in known.iter().enumerate() {
        let last = known.done.load(Ordering::SeqCst);
        assert!(is_right(number(read(&place.new.store, &name(at)).await), last, last));
    }
}
