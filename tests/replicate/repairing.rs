//! Missing and wrong copies on replicas are found and repaired.

use super::{
    client::{LARGE, Uploading, bytes, key, put},
    gateway::World,
};
use causeway::{
    backend::Scrub,
    faults::Plan,
    model::{Attributes, Tag, TagSet},
    store::{
        Change, PutRequest,
        operation::{Operation, Operations},
        payload::Payload,
    },
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_scrub_of_replicas_that_agree_finds_nothing() {
    let world = World::new(1);
    let gateway = world.start().await;
    for n in 0..50 {
        put(&*gateway.store, &format!("key{n:02}"), bytes(n, 2000)).await;
    }
    gateway.store.delete(key("key07").current(), &Default::default()).await.expect("is deleted");
    gateway.settled().await;
    for how in [Scrub::Listing, Scrub::Bytes] {
        let counts = gateway.scrub(how).await;
        assert_eq!(
            (counts.objects, counts.differing, counts.copied, counts.failed),
            (3 * 49, 0, 0, 0),
            "{how:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_and_a_scrub_come_to_at_once_is_sent_once() {
    let world = World::new(3);
    let gateway = world.start().await;
    for n in 0..50 {
        put(&*gateway.store, &format!("key{n:02}"), bytes(n, 2000)).await;
    }
    gateway.settled().await;
    let below = world.below(&gateway, 2).await;
    for n in 0..50 {
        below
            .delete(key(&format!("key{n:02}")).current(), &Default::default())
            .await
            .expect("memory takes it");
    }
    // Because writes are slow, the object is missing from the storage for a while.
    world.faults[2].set(
        Plan { latency: Duration::from_millis(50), ..Plan::default() }.on(Operations::of(&[Operation::Put])),
    );
    let before = world.faults[2].journal().len();
    tokio::join!(gateway.scrub(Scrub::Listing), gateway.scrub(Scrub::Listing), gateway.repair());
    gateway.settled().await;
    let mut sent: Vec<_> = world.faults[2].journal().split_off(before);
    sent.retain(|done| done.operation == Operation::Put);
    assert_eq!(sent.len(), 50, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scrub_heals_what_is_missing_or_other_and_leaves_strangers_alone() {
    let world = World::new(2);
    let gateway = world.start().await;
    for name in ["a", "b", "c"] {
        put(&*gateway.store, name, name).await;
    }
    gateway.settled().await;
    let below = world.below(&gateway, 1).await;
    below.delete(key("a").current(), &Default::default()).await.expect("memory takes it");
    put(&*below, "b", "other").await;
    put(&*below, "stranger", "?").await;
    let counts = gateway.scrub(Scrub::Listing).await;
    // Either the scrub repairs an object or the worker that it wakes.
    assert_eq!((counts.differing, counts.failed, counts.stray), (2, 0, 1));
    gateway.settled().await;
    for name in ["a", "b", "c"] {
        assert_eq!(world.held(&gateway, 1, name).await.as_deref(), Some(name.as_bytes()));
    }
    assert_eq!(super::gateway::read(&*gateway.store, "stranger").await, Ok(None));
    let again = gateway.scrub(Scrub::Listing).await;
    assert_eq!((again.differing, again.copied, again.failed), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn metadata_and_tags_come_with_a_repair() {
    let world = World::new(3);
    let gateway = world.start().await;
    world.faults[2].set(Plan::down());
    let tags = TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("valid");
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        user: [("name".to_owned(), "value".to_owned())].into(),
        ..Default::default()
    };
    let request = PutRequest {
        attributes: attributes.clone(),
        conditions: Default::default(),
        payload: Payload::from_bytes("x"),
    };
    gateway.store.put(&key("key"), request).await.expect("is put");
    gateway.store.update(key("key").current(), Change::Tags(tags.clone())).await.expect("is changed");
    world.heal();
    gateway.settled().await;
    for member in 0..3 {
        let info = world
            .below(&gateway, member)
            .await
            .head(key("key").current(), &Default::default())
            .await
            .expect("is there");
        assert_eq!(info.attributes, Attributes { tags: tags.clone(), ..attributes.clone() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_a_replica_missed_does_not_come_back() {
    let world = World::new(4);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    world.faults[0].set(Plan::down());
    gateway.store.delete(key("key").current(), &Default::default()).await.expect("two are enough");
    let gateway = world.restart(gateway).await;
    assert_eq!(super::gateway::read(&*gateway.store, "key").await, Ok(None));
    world.heal();
    gateway.settled().await;
    assert_eq!(world.held(&gateway, 0, "key").await, None);
    assert_eq!(gateway.scrub(Scrub::Listing).await.objects, 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_a_replica_missed_a_part_of_is_copied_to_it_whole() {
    let world = World::new(5);
    let gateway = world.start().await;
    let mut upload = Uploading::begin(&*gateway.store, "key").await;
    upload.part(1, bytes(1, LARGE)).await;
    world.faults[1].set(Plan::down());
    upload.part(2, bytes(2, 1000)).await;
    world.heal();
    upload.complete().await;
    gateway.settled().await;
    let whole = [bytes(1, LARGE), bytes(2, 1000)].concat();
    for member in 0..3 {
        assert!(world.held(&gateway, member, "key").await.as_deref() == Some(&whole[..]), "{member}");
    }
}
