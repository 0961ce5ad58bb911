//! Automatic work: scrubs, and reports about replicas that cannot be repaired.

use super::{
    client::{bytes, key, put},
    gateway::World,
};
use causeway::{
    backend::Scrub,
    faults::{FaultKind, Plan},
    store::operation::{Operation, Operations},
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_differs_in_a_replica_is_found_without_being_asked_for() {
    let world = World { scrub: Duration::from_secs(3600), ..World::new(1) };
    let gateway = world.start().await;
    for name in ["a", "b"] {
        put(&*gateway.store, name, name).await;
    }
    gateway.settled().await;
    let below = world.below(&gateway, 1).await;
    below.delete(key("a").current(), &Default::default()).await.expect("memory takes it");
    put(&*below, "b", "other").await;
    for name in ["a", "b"] {
        while world.held(&gateway, 1, name).await.as_deref() != Some(name.as_bytes()) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_scrub_goes_on_with_the_others_where_a_replica_is_away_and_says_so() {
    let world = World::new(2);
    let gateway = world.start().await;
    for n in 0..5 {
        put(&*gateway.store, &format!("key{n}"), bytes(n, 10)).await;
    }
    gateway.settled().await;
    let below = world.below(&gateway, 2).await;
    below.delete(key("key3").current(), &Default::default()).await.expect("memory takes it");
    world.faults[0].set(Plan::down());
    let counts = gateway.scrub(Scrub::Listing).await;
    assert_eq!((counts.objects, counts.differing, counts.unreachable), (10, 1, 1));
    while world.held(&gateway, 2, "key3").await.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_take_objects_says_why_since_when_and_what_comes_next() {
    let world = World::new(3);
    let gateway = world.start().await;
    world.faults[1].set(Plan::always(FaultKind::Throttled).on(Operations::of(&[Operation::Put])));
    for n in 0..3 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
    }
    let trouble = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = gateway.status().await;
        assert!(status[0].troubles.is_empty() && status[2].troubles.is_empty());
        if let [trouble] = &status[1].troubles[..]
            && trouble.objects == 3
        {
            // An object that is being repaired at this moment counts as in flight.
            assert_eq!((status[1].pending + status[1].in_flight, &status[1].down), (3, &None));
            break trouble.clone();
        }
    };
    assert!(
        !trouble.why.is_empty() && trouble.example == "key0" && trouble.next.starts_with("repair is"),
        "{trouble:?}"
    );
    world.heal();
    gateway.settled().await;
    while !gateway.status().await[1].troubles.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
