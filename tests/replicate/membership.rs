//! Replicas are added and removed, and existing data is adopted.

use super::{
    client::{bytes, key, put},
    gateway::{World, read},
};
use causeway::{
    backend::Scrub,
    faults::{FaultKind, Plan},
    store::{
        ListRequest,
        error::StoreErrorKind,
        operation::{Operation, Operations},
    },
};

#[tokio::test(start_paused = true)]
async fn a_new_replica_gets_everything_and_nothing_twice() {
    let world = World::new(1);
    let gateway = world.start().await;
    for n in 0..40u64 {
        put(&*gateway.store, &format!("key{n:02}"), bytes(n, 100)).await;
    }
    gateway.settled().await;
    // Filling is interrupted several times, by kills and by failures of the network.
    world.faults[3].set(Plan { lost_reply: 0.3, unavailable: 0.3, ..Plan::default() });
    let mut gateway = gateway;
    let mut copied = 0;
    for _ in 0..3 {
        copied += gateway.add("d").await.map_or(0, |counts| counts.copied);
        gateway = world.restart(gateway).await;
    }
    world.heal();
    copied += gateway.add("d").await.map_or(0, |counts| counts.copied);
    gateway.settled().await;
    assert!(copied <= 40, "{copied} copies of 40 objects");
    for n in 0..40u64 {
        assert_eq!(world.held(&gateway, 3, &format!("key{n:02}")).await.as_deref(), Some(&bytes(n, 100)[..]));
    }
    put(&*gateway.store, "later", "x").await;
    gateway.settled().await;
    assert_eq!(world.held(&gateway, 3, "later").await.as_deref(), Some(&b"x"[..]));
    assert!(gateway.add("d").await.expect_err("is there").contains("already"));
    assert_eq!(gateway.scrub(Scrub::Bytes).await.differing, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_removed_only_if_enough_have_everything_without_it() {
    let world = World::new(2);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    gateway.add("d").await.expect("is added");
    assert!(gateway.remove("a").await.expect_err("is configured").contains("configuration"));
    world.faults[1].set(Plan::down());
    put(&*gateway.store, "more", "x").await;
    gateway.settled_but(1).await;
    assert!(gateway.remove("d").await.expect_err("b lacks something").contains("lack"));
    world.heal();
    gateway.settled().await;
    gateway.remove("d").await.expect("three are left");
    put(&*gateway.store, "key", "y").await;
    gateway.settled().await;
    assert_eq!(
        world.held(&gateway, 3, "key").await.as_deref(),
        Some(&b"x"[..]),
        "what was there stays there"
    );
    let gateway = world.restart(gateway).await;
    assert_eq!(gateway.lacks().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_promoted_replica_is_read_first() {
    let world = World::new(3);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    gateway.promote("c").await;
    let before = world.faults[2].counts().calls();
    read(&*gateway.store, "key").await.expect("is read");
    assert!(world.faults[2].counts().calls() > before);
    let gateway = world.restart(gateway).await;
    let before = world.faults[2].counts().calls_of(Operation::Get);
    read(&*gateway.store, "key").await.expect("is read");
    assert_eq!(world.faults[2].counts().calls_of(Operation::Get), before + 1);
}

#[tokio::test(start_paused = true)]
async fn objects_that_were_there_before_are_served_listed_and_spread() {
    let world = World::new(4);
    // The gateway first has one storage, and then three.
    let world = World { members: 1, write: causeway::replicate::WritePolicy::All, ..world };
    let gateway = world.start().await;
    let below = world.below(&gateway, 1).await;
    for n in 0..30u64 {
        put(&*below, &format!("old{n:02}"), bytes(n, 10)).await;
    }
    put(&*gateway.store, "ours", "x").await;
    let world = World { members: 3, ..world };
    let gateway = world.restart(gateway).await;
    assert_eq!(read(&*gateway.store, "old03").await, Ok(Some(bytes(3, 10).to_vec())));
    gateway.store.head(key("old04").current(), &Default::default()).await.expect("is there");
    gateway.filled().await;
    let page = gateway.store.list(ListRequest { limit: 100, ..Default::default() }).await.expect("is listed");
    assert_eq!(page.entries.len(), 31);
    gateway.settled().await;
    for member in 0..3 {
        assert_eq!(world.held(&gateway, member, "old29").await.as_deref(), Some(&bytes(29, 10)[..]));
        assert_eq!(world.held(&gateway, member, "ours").await.as_deref(), Some(&b"x"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn until_one_replica_was_looked_through_a_listing_is_told_to_come_back() {
    let world = World::new(5);
    let gateway = world.start().await;
    for n in 0..5 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
    }
    gateway.settled().await;
    // The records are lost, and replicas answer only listings.
    let world = World { directory: tempfile::tempdir().expect("a directory"), adopts: true, ..world };
    world.faults.iter().for_each(|faults| {
        faults.set(Plan::always(FaultKind::Unavailable).on(Operations::of(&[Operation::Head])))
    });
    let gateway = world.start().await;
    let all = || ListRequest { limit: 10, ..Default::default() };
    let refused = gateway.store.list(all()).await.expect_err("nobody knows what there is");
    assert_eq!(refused.kind(), StoreErrorKind::Busy);
    world.heal();
    gateway.filled().await;
    let page = gateway.store.list(all()).await.expect("is listed");
    assert_eq!(page.entries.len(), 5);
    assert_eq!(read(&*gateway.store, "key3").await, Ok(Some(b"x".to_vec())));
}
