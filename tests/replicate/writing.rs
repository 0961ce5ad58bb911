//! Writes while replicas cannot be reached, are slow, or give wrong answers.

use super::{
    client::{bytes, key, put},
    gateway::{World, read},
};
use causeway::{
    faults::{FaultKind, Plan},
    replicate::WritePolicy,
    store::{PutRequest, error::StoreErrorKind, operation::Operation, payload::Payload},
};
use std::time::Duration;

fn request(body: &'static str) -> PutRequest {
    PutRequest {
        attributes: Default::default(),
        conditions: Default::default(),
        payload: Payload::from_bytes(body),
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_is_enough_whatever_the_third_does_and_it_catches_up_by_itself() {
    for plan in [
        Plan::down(),
        Plan::hanging(),
        Plan::always(FaultKind::Throttled),
        Plan::always(FaultKind::LostReply),
        Plan::always(FaultKind::TornBody),
    ] {
        for member in 0..3 {
            let world = World::new(1);
            let gateway = world.start().await;
            put(&*gateway.store, "key", "old").await;
            gateway.settled().await;
            world.faults[member].set(plan.clone());
            put(&*gateway.store, "key", "new").await;
            put(&*gateway.store, "other", bytes(1, 300_000)).await;
            gateway.store.delete(key("key").current(), &Default::default()).await.expect("is deleted");
            put(&*gateway.store, "key", "newest").await;
            assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"newest".to_vec())), "{plan:?}");
            assert_eq!(
                read(&*gateway.store, "other").await,
                Ok(Some(bytes(1, 300_000).to_vec())),
                "{plan:?}"
            );
            world.heal();
            gateway.settled().await;
            for member in 0..3 {
                assert_eq!(
                    world.held(&gateway, member, "key").await.as_deref(),
                    Some(&b"newest"[..]),
                    "{plan:?}"
                );
                assert_eq!(
                    world.held(&gateway, member, "other").await.as_deref(),
                    Some(&bytes(1, 300_000)[..]),
                    "{plan:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_nothing_is_acknowledged_and_what_stands_is_still_read() {
    let world = World::new(2);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "old").await;
    gateway.settled().await;
    world.faults[1].set(Plan::down());
    world.faults[2].set(Plan::down());
    // Some of the writes are sent before the breakers open, and some after.
    for _ in 0..8 {
        let refused =
            gateway.store.put(&key("fresh"), request("new")).await.expect_err("one replica is no quorum");
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    }
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"old".to_vec())));
    let deleted = gateway
        .store
        .delete(key("key").current(), &Default::default())
        .await
        .expect_err("one replica is no quorum");
    assert_eq!(deleted.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn all_means_all_first_means_one_and_best_effort_waits_for_none_that_is_late() {
    for (write, away, taken) in [
        (WritePolicy::All, 1, false),
        (WritePolicy::All, 0, true),
        (WritePolicy::First, 2, true),
        (WritePolicy::BestEffort, 2, true),
        (WritePolicy::Quorum(3), 1, false),
        (WritePolicy::Quorum(1), 2, true),
    ] {
        let world = World { write, ..World::new(3) };
        let gateway = world.start().await;
        world.faults[..away].iter().for_each(|faults| faults.set(Plan::down()));
        let outcome = gateway.store.put(&key("key"), request("x")).await;
        assert_eq!(outcome.is_ok(), taken, "{write:?} with {away} away");
        world.heal();
        gateway.settled().await;
        if taken {
            for member in 0..3 {
                assert_eq!(
                    world.held(&gateway, member, "key").await.as_deref(),
                    Some(&b"x"[..]),
                    "{write:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_comes_late_changes_nothing_that_came_after_it() {
    let world = World::new(4);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "first").await;
    gateway.settled().await;
    // All three replicas answer that they are unavailable, and make the change a second later.
    let late = Plan { late_by: Duration::from_secs(1), ..Plan::always(FaultKind::Late) };
    world.faults.iter().for_each(|faults| faults.set(late.clone()));
    gateway.store.put(&key("key"), request("late")).await.expect_err("nobody took it");
    gateway.store.delete(key("key").current(), &Default::default()).await.expect_err("nobody took it");
    world.heal();
    put(&*gateway.store, "key", "second").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    gateway.settled().await;
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"second".to_vec())));
    for member in 0..3 {
        assert_eq!(world.held(&gateway, member, "key").await.as_deref(), Some(&b"second"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_delays_nobody_and_gathers_no_more_than_its_share() {
    let world = World::new(5);
    let gateway = world.start().await;
    world.faults[0].set(Plan::hanging());
    for n in 0..200 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
    }
    assert!(world.faults[0].counts().calls_of(Operation::Put) <= 64);
    world.heal();
    gateway.settled().await;
    assert_eq!(world.held(&gateway, 0, "key199").await.as_deref(), Some(&b"x"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_killed_amid_a_write_finds_out_how_it_ended() {
    // The gateway is killed while none, one or two replicas have the object.
    for having in 0..3 {
        let world = World::new(6);
        let gateway = world.start().await;
        put(&*gateway.store, "key", "old").await;
        gateway.settled().await;
        world.faults[having..3].iter().for_each(|faults| faults.set(Plan::hanging()));
        let (store, name) = (gateway.store.clone(), key("key"));
        let write = tokio::spawn(async move { store.put(&name, request("new")).await });
        for member in 0..having {
            while world.held(&gateway, member, "key").await.as_deref() != Some(b"new") {
                tokio::task::yield_now().await;
            }
        }
        while gateway.lacks().await.iter().all(|lacking| *lacking == 0) {
            tokio::task::yield_now().await;
        }
        write.abort();
        let gateway = world.restart(gateway).await;
        // The hanging storages continue, so the write may still arrive.
        world.heal();
        let found = read(&*gateway.store, "key").await.expect("answers").expect("is there");
        assert!(found == b"new" || (having == 0 && found == b"old"), "{having} had it");
        gateway.settled().await;
        let stands = read(&*gateway.store, "key").await.expect("answers");
        assert!(having == 0 || stands.as_deref() == Some(b"new"));
        gateway.settled().await;
        for member in 0..3 {
            assert_eq!(world.held(&gateway, member, "key").await, stands, "{having} had it");
        }
    }
}
