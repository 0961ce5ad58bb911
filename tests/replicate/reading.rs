//! Reads while replicas cannot be reached, are slow, tear bodies, or hold wrong objects.

use super::{
    client::{bytes, key, put},
    gateway::{Gateway, World, read},
};
use causeway::{
    faults::{FaultKind, Plan},
    replicate::ReadPolicy,
    store::{
        GetRequest, PutRequest, Selection,
        error::StoreErrorKind,
        operation::{Operation, Operations},
        payload::Payload,
    },
};
use std::time::Duration;
use tokio::time::Instant;

const POLICIES: [ReadPolicy; 3] = [ReadPolicy::Ordered, ReadPolicy::Fastest, ReadPolicy::Hedged];

#[tokio::test(start_paused = true)]
async fn no_read_fails_while_one_replica_answers() {
    for policy in POLICIES {
        for plan in [
            Plan::down(),
            Plan::hanging(),
            Plan::always(FaultKind::Throttled),
            Plan::always(FaultKind::TornBody),
        ] {
            let world = World { read: policy, ..World::new(1) };
            let gateway = world.start().await;
            let body = bytes(7, 3 << 20);
            put(&*gateway.store, "key", body.clone()).await;
            gateway.settled().await;
            for member in 0..2 {
                world.faults[member].set(plan.clone());
            }
            for _ in 0..10 {
                assert_eq!(
                    read(&*gateway.store, "key").await,
                    Ok(Some(body.to_vec())),
                    "{policy:?}, {plan:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_is_not_waited_for_again() {
    let world = World::new(2);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    world.faults[0].set(Plan::hanging());
    // The first reads open the breaker.
    for _ in 0..3 {
        read(&*gateway.store, "key").await.expect("another answers");
    }
    let before = world.faults[0].counts().calls_of(Operation::Get);
    for _ in 0..100 {
        read(&*gateway.store, "key").await.expect("another answers");
    }
    assert_eq!(world.faults[0].counts().calls_of(Operation::Get), before);
}

/// Storage whose listings come from the gateway's index answers them even while it cannot be reached.
#[tokio::test(start_paused = true)]
async fn a_replica_that_only_lists_is_not_taken_for_well() {
    let world = World::new(2);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    world.faults[0].set(Plan { operations: Operations::READS.and(Operations::WRITES), ..Plan::hanging() });
    for _ in 0..3 {
        read(&*gateway.store, "key").await.expect("another answers");
    }
    let before = world.faults[0].counts().calls_of(Operation::Get);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        read(&*gateway.store, "key").await.expect("another answers");
    }
    assert_eq!(world.faults[0].counts().calls_of(Operation::Get), before);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_replaced_while_it_is_read_is_read_as_it_is_then_though_a_replica_is_away() {
    for (away, member) in [Plan::down(), Plan::hanging()]
        .into_iter()
        .flat_map(|away| (0..3).map(move |member| (away.clone(), member)))
    {
        let world = World::new(4);
        let gateway = world.start().await;
        put(&*gateway.store, "key", "old").await;
        gateway.settled().await;
        for faults in &world.faults {
            faults.set(Plan {
                operations: Operations::READS,
                latency: Duration::from_millis(500),
                ..Plan::default()
            });
        }
        world.faults[member].set(Plan { operations: Operations::READS, ..away });
        let replace = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            put(&*gateway.store, "key", "new").await;
        };
        let (seen, ()) = tokio::join!(read(&*gateway.store, "key"), replace);
        // Either version may come first, because the clock of this test runs ahead of the catalog's threads.
        assert!(
            seen.is_ok_and(|seen| seen.is_some_and(|seen| [&b"old"[..], b"new"].contains(&&seen[..]))),
            "replica {member}"
        );
        assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"new".to_vec())), "replica {member}");
    }
}

/// All replicas take the same time, and reads have measured it.
async fn measured(world: &World, gateway: &Gateway) {
    let steady = Plan { latency: Duration::from_millis(10), ..Plan::default() };
    world.faults.iter().for_each(|faults| faults.set(steady.clone()));
    for _ in 0..100 {
        read(&*gateway.store, "key").await.expect("is read");
    }
}

/// The number of reads of each replica.
fn asked(world: &World) -> [u64; 3] {
    [0, 1, 2].map(|member| world.faults[member].counts().calls_of(Operation::Get))
}

/// The replica that a read asks first.
async fn first(world: &World, gateway: &Gateway) -> usize {
    let before = asked(world);
    read(&*gateway.store, "key").await.expect("is read");
    let after = asked(world);
    (0..3).find(|member| after[*member] > before[*member]).expect("somebody is asked")
}

#[tokio::test(start_paused = true)]
async fn a_hedged_read_asks_another_replica_before_the_first_is_overdue() {
    for (policy, is_hedged) in
        [(ReadPolicy::Ordered, false), (ReadPolicy::Fastest, false), (ReadPolicy::Hedged, true)]
    {
        let world = World { read: policy, ..World::new(7) };
        let gateway = world.start().await;
        put(&*gateway.store, "key", "x").await;
        gateway.settled().await;
        measured(&world, &gateway).await;
        let silent = first(&world, &gateway).await;
        // The second replica answers faster than the time after which it is asked.
        world.heal();
        world.faults[silent].set(Plan::hanging());
        let (before, begun) = (asked(&world), Instant::now());
        assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"x".to_vec())), "{policy:?}");
        // This clock advances only while all tasks wait for it.
        let waited = begun.elapsed();
        assert_eq!(waited < Duration::from_millis(100), is_hedged, "{policy:?}: {waited:?}");
        let more: Vec<u64> = asked(&world).iter().zip(before).map(|(after, before)| after - before).collect();
        assert!(more[silent] == 1 && more.iter().sum::<u64>() > 1, "{policy:?}: {more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_alone_find_out_that_a_replica_hangs_whatever_the_policy() {
    for policy in POLICIES {
        let world = World { read: policy, ..World::new(8) };
        let gateway = world.start().await;
        put(&*gateway.store, "key", "x").await;
        gateway.settled().await;
        measured(&world, &gateway).await;
        let silent = first(&world, &gateway).await;
        world.faults[silent].set(Plan::hanging());
        for _ in 0..50 {
            read(&*gateway.store, "key").await.expect("another answers");
        }
        let before = asked(&world)[silent];
        for _ in 0..100 {
            read(&*gateway.store, "key").await.expect("another answers");
        }
        assert_eq!(asked(&world)[silent], before, "{policy:?}");
    }
}

#[tokio::test]
async fn ranges_and_conditions_are_those_of_the_object_and_not_of_a_replica() {
    let world = World::new(3);
    let gateway = world.start().await;
    let body = bytes(1, 100_000);
    put(&*gateway.store, "key", body.clone()).await;
    let selection = Selection::Range(causeway::model::ByteRange::FromTo(10, 60_009));
    let reply = gateway
        .store
        .get(key("key").current(), GetRequest { selection, ..Default::default() })
        .await
        .expect("a range");
    assert_eq!((reply.span.start, reply.span.end, reply.info.size), (10, 60_010, 100_000));
    let replicas = reply.info.notes.replicas.expect("says where it is");
    assert_eq!(replicas.current.len() + replicas.pending.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_others_change_in_a_replica_is_never_served_and_is_set_right() {
    let world = World::new(4);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "right").await;
    put(&*gateway.store, "gone", "here").await;
    gateway.settled().await;
    let below = world.below(&gateway, 0).await;
    let wrong = PutRequest {
        attributes: Default::default(),
        conditions: Default::default(),
        payload: Payload::from_bytes("wrong"),
    };
    below.put(&key("key"), wrong).await.expect("memory takes it");
    below.delete(key("gone").current(), &Default::default()).await.expect("memory takes it");
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"right".to_vec())));
    assert_eq!(read(&*gateway.store, "gone").await, Ok(Some(b"here".to_vec())));
    while world.held(&gateway, 0, "key").await.as_deref() != Some(b"right")
        || world.held(&gateway, 0, "gone").await.is_none()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_changed_in_every_replica_is_what_there_is() {
    let world = World::new(5);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "ours").await;
    put(&*gateway.store, "gone", "ours").await;
    gateway.settled().await;
    for member in 0..3 {
        let below = world.below(&gateway, member).await;
        let theirs = PutRequest {
            attributes: Default::default(),
            conditions: Default::default(),
            payload: Payload::from_bytes("theirs"),
        };
        below.put(&key("key"), theirs).await.expect("memory takes it");
        below.delete(key("gone").current(), &Default::default()).await.expect("memory takes it");
    }
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"theirs".to_vec())));
    assert_eq!(read(&*gateway.store, "gone").await, Ok(None));
    let head = gateway.store.head(key("gone").current(), &Default::default()).await.expect_err("is gone");
    assert_eq!(head.kind(), StoreErrorKind::NoSuchKey);
    gateway.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_needs_no_replica() {
    let world = World::new(6);
    let gateway = world.start().await;
    for n in 0..5 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
    }
    gateway.settled().await;
    world.faults.iter().for_each(|faults| faults.set(Plan::down().on(Operations::ALL)));
    let page = gateway
        .store
        .list(causeway::store::ListRequest { limit: 10, ..Default::default() })
        .await
        .expect("is listed");
    assert_eq!(page.entries.len(), 5);
}
