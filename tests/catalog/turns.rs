//! Turns of jobs among gateways that share a catalog. The test holds the time, which is also that of the
//! leases.

use super::ledger::double::{Ledger, LedgerCatalog};
use causeway::{
    catalog::Clock,
    model::Timestamp,
    work::{LeaseTurns, Turn, Turns},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_secs(30);

/// A gateway that uses a shared catalog, and the token that kills it.
fn gateway(ledger: &Ledger, owner: &str, began: Instant) -> (LeaseTurns, CancellationToken) {
    let (killed, pause) = (CancellationToken::new(), Arc::new(|| Duration::ZERO));
    let clock = Clock::new(move || {
        Timestamp::from_millis(i64::try_from(began.elapsed().as_millis()).expect("not long"))
    });
    let catalog = LedgerCatalog::open(ledger.clone(), killed.clone(), pause.clone(), pause).by(clock);
    (LeaseTurns::new(Arc::new(catalog), owner.to_owned(), TTL), killed)
}

async fn take(turns: &LeaseTurns, name: &str) -> Option<Turn> {
    turns.take(name).await.expect("answers")
}

async fn wait(turns: &LeaseTurns, patience: Duration) -> Option<Turn> {
    turns.wait("upkeep", patience).await.expect("answers")
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_had_by_one_of_two_gateways_as_long_as_it_is_held_and_then_by_the_other() {
    let (ledger, began) = (Ledger::default(), Instant::now());
    let ((one, _), (two, _)) = (gateway(&ledger, "one", began), gateway(&ledger, "two", began));
    let held = take(&one, "upkeep").await.expect("it is free");
    assert!(take(&one, "upkeep").await.is_none(), "another task of the same process");
    assert!(wait(&two, 10 * TTL).await.is_none(), "it is renewed");
    assert!(take(&two, "contact").await.is_some(), "another job");
    drop(held);
    let since = Instant::now();
    wait(&two, TTL).await.expect("it was given back");
    assert!(since.elapsed() < TTL / 2, "nobody waits for a lease to run out that was given back");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_reach_the_catalog_loses_its_turn_before_another_has_it() {
    let (ledger, began) = (Ledger::default(), Instant::now());
    let ((one, killed), (two, _)) = (gateway(&ledger, "one", began), gateway(&ledger, "two", began));
    let held = take(&one, "upkeep").await.expect("it is free");
    tokio::time::sleep(10 * TTL).await;
    killed.cancel();
    let (lost, taken) = tokio::join!(
        async {
            held.lost().await;
            began.elapsed()
        },
        async {
            wait(&two, 2 * TTL).await.expect("it has run out");
            began.elapsed()
        }
    );
    assert!(lost <= taken, "lost after {lost:?}, taken after {taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_gateway_waits_until_the_turns_of_the_one_before_have_run_out() {
    let (ledger, began) = (Ledger::default(), Instant::now());
    let (before, killed) = gateway(&ledger, "before", began);
    let held = take(&before, "upkeep").await.expect("it is free");
    killed.cancel();
    drop(held);
    let (after, _) = gateway(&ledger, "after", began);
    assert!(take(&after, "upkeep").await.is_none(), "nobody gave it back");
    wait(&after, 2 * TTL).await.expect("it has run out");
}
