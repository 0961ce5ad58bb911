//! Every answer is explained by some order of all changes, whatever happens concurrently.

use super::{
    client::{Dripping, bytes, etag_of, if_absent, if_still, key, put, put_if, request},
    doubles::{Mannered, Quirks},
    gateway::{Gateway, World, read},
};
use bytes::Bytes;
use causeway::{
    backend::Backend as _,
    faults::{FaultKind, Plan},
    model::{Tag, TagSet},
    replicate::{ReadPolicy, WritePolicy},
    store::{
        Change, ListRequest, PutRequest, Result, Written,
        error::StoreErrorKind,
        operation::{Operation, Operations},
        payload::Payload,
    },
};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Larger than what is read at once.
const LONG: usize = 200_000;

/// A PUT of a long body that has been sent except for its end.
struct Slow {
    body: Dripping,
    writing: JoinHandle<Result<Written>>,
}

impl Slow {
    async fn begin(gateway: &Gateway) -> Self {
        let (body, payload) = Dripping::body(Default::default());
        let store = gateway.store.clone();
        let writing = tokio::spawn(async move { store.put(&key("key"), request(payload)).await });
        // Each frame is accepted only after the one before was forwarded.
        for n in 0..4 {
            body.send(bytes(n, LONG)).await;
        }
        Self { body, writing }
    }

    fn all() -> Vec<u8> {
        [&bytes(0, LONG)[..], &bytes(1, LONG), &bytes(2, LONG), &bytes(3, LONG), b"end"].concat()
    }

    async fn end(self) -> Result<Written> {
        self.body.send(Bytes::from_static(b"end")).await;
        drop(self.body);
        self.writing.await.expect("no panic")
    }
}

/// Three members, of which `early` members check conditions only with the head of a request.
fn world(early: usize) -> World {
    let mut world = World::new(1);
    for member in 0..early {
        world.storages[member] = Mannered::storage(Quirks::Early);
    }
    world
}

async fn held_by_all(world: &World, gateway: &Gateway) -> Vec<Option<Vec<u8>>> {
    gateway.settled().await;
    let mut held = Vec::new();
    for member in 0..3 {
        held.push(world.held(gateway, member, "key").await);
    }
    held
}

#[tokio::test(start_paused = true)]
async fn a_long_body_goes_over_whatever_was_decided_while_it_came() {
    for early in [0, 1] {
        for case in ["a swap", "a creation", "a deletion", "tags"] {
            let world = world(early);
            let gateway = world.start().await;
            if case != "a creation" {
                put(&*gateway.store, "key", "old").await;
                gateway.settled().await;
            }
            let slow = Slow::begin(&gateway).await;
            match case {
                "a swap" => drop(
                    put_if(&*gateway.store, "key", "won", if_still(&etag_of(b"old")))
                        .await
                        .expect("is still old"),
                ),
                "a creation" => {
                    drop(put_if(&*gateway.store, "key", "won", if_absent()).await.expect("is absent"))
                }
                "a deletion" => drop(
                    gateway
                        .store
                        .delete(key("key").current(), &Default::default())
                        .await
                        .expect("is deleted"),
                ),
                _ => tagged(&gateway).await,
            }
            gateway.settled().await;
            let written = slow.end().await.unwrap_or_else(|error| panic!("{case}, {early}: {error}"));
            assert_eq!(written.etag, etag_of(&Slow::all()));
            // The write that was acknowledged last is committed, because no earlier read saw it.
            assert_eq!(read(&*gateway.store, "key").await, Ok(Some(Slow::all())), "{case}, {early}");
            assert!(
                held_by_all(&world, &gateway).await.iter().all(|held| *held == Some(Slow::all())),
                "{case}, {early}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_may_take_as_long_as_it_likes_with_a_body() {
    for early in [0, 3] {
        let world = world(early);
        let gateway = world.start().await;
        let slow = Slow::begin(&gateway).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        slow.end().await.expect("no storage kept anybody waiting");
        assert!(held_by_all(&world, &gateway).await.iter().all(|held| *held == Some(Slow::all())), "{early}");
    }
}

async fn tagged(gateway: &Gateway) {
    let tags = TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("valid");
    gateway.store.update(key("key").current(), Change::Tags(tags)).await.expect("is tagged");
}

#[tokio::test(start_paused = true)]
async fn a_long_body_that_comes_too_late_for_its_storages_is_refused_if_anybody_looked_at_what_was_there() {
    for case in ["a swap", "a creation", "tags"] {
        let world = world(3);
        let gateway = world.start().await;
        if case != "a creation" {
            put(&*gateway.store, "key", "old").await;
            gateway.settled().await;
        }
        let slow = Slow::begin(&gateway).await;
        match case {
            "a swap" => drop(
                put_if(&*gateway.store, "key", "won", if_still(&etag_of(b"old")))
                    .await
                    .expect("is still old"),
            ),
            "a creation" => {
                drop(put_if(&*gateway.store, "key", "won", if_absent()).await.expect("is absent"))
            }
            _ => {
                tagged(&gateway).await;
                // A change of tags keeps the ETag, and the storage knows only the ETag. Only another object
                // makes the storage refuse the write.
                put(&*gateway.store, "key", "won").await;
            }
        }
        gateway.settled().await;
        let refused = slow.end().await.expect_err("no order explains that it was written");
        assert_eq!(refused.kind(), StoreErrorKind::Busy, "{case}");
        assert!(
            held_by_all(&world, &gateway).await.iter().all(|held| held.as_deref() == Some(b"won")),
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_body_that_comes_too_late_for_its_storages_was_overwritten_at_once_if_nobody_looked() {
    let world = world(3);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "old").await;
    gateway.settled().await;
    let [slow, slower] = [Slow::begin(&gateway).await, Slow::begin(&gateway).await];
    put(&*gateway.store, "key", "new").await;
    slow.end().await.expect("it took its place before the other");
    // From now on, a reader has seen the version that follows the first slow write.
    put_if(&*gateway.store, "key", "newest", if_still(&etag_of(b"new"))).await.expect("is still new");
    slower.end().await.expect("it took its place before the first of all");
    assert!(held_by_all(&world, &gateway).await.iter().all(|held| held.as_deref() == Some(b"newest")));
    let late = Slow::begin(&gateway).await;
    gateway.store.delete(key("key").current(), &Default::default()).await.expect("is deleted");
    late.end().await.expect("it was deleted at once");
    assert!(held_by_all(&world, &gateway).await.iter().all(Option::is_none));
}

/// A write that two replicas refuse, and that is still pending on the third.
async fn half_refused(world: &World, gateway: &Gateway) {
    let only_put = Operations::of(&[Operation::Put]);
    world.faults[0].set(Plan::always(FaultKind::Unavailable).on(only_put));
    world.faults[1].set(Plan::always(FaultKind::Unavailable).on(only_put));
    world.faults[2].set(Plan::hanging().on(only_put));
    let refused = gateway
        .store
        .put(&key("key"), request(Payload::from_bytes("refused")))
        .await
        .expect_err("two replicas refuse it");
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    world.faults[0].heal();
    world.faults[1].heal();
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_that_lands_later_does_not_outlive_a_deletion() {
    for write in [WritePolicy::All, WritePolicy::Quorum(2)] {
        let world = World { write, ..World::new(2) };
        let gateway = world.start().await;
        half_refused(&world, &gateway).await;
        let lands = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            world.faults[2].heal();
        };
        let (name, unconditional) = (key("key"), Default::default());
        let (deleted, ()) = tokio::join!(gateway.store.delete(name.current(), &unconditional), lands);
        deleted.expect("is deleted");
        assert!(held_by_all(&world, &gateway).await.iter().all(Option::is_none), "{write:?}");
        assert!(
            gateway.backend.remove(&gateway.record).await.expect("answers"),
            "{write:?}: the bucket is empty"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_that_lands_after_it_was_found_to_have_failed_is_taken_back() {
    for before in [None, Some("old")] {
        let world = World { write: WritePolicy::All, ..World::new(3) };
        let gateway = world.start().await;
        if let Some(body) = before {
            put(&*gateway.store, "key", body).await;
            gateway.settled().await;
        }
        half_refused(&world, &gateway).await;
        let before = before.map(|body| body.as_bytes().to_vec());
        assert_eq!(
            read(&*gateway.store, "key").await,
            Ok(before.clone()),
            "two have answered that they did not take it"
        );
        world.faults[2].heal();
        // The clock of this test advances only while all tasks are idle, so the write has reached the
        // storage.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(held_by_all(&world, &gateway).await.iter().all(|held| *held == before));
        assert_eq!(read(&*gateway.store, "key").await, Ok(before));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_need_not_wait_for_the_end_of_one_that_it_supersedes() {
    let world = World::new(4);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "old").await;
    gateway.settled().await;
    // No replica confirms whether the object was written.
    let unheard = Plan::always(FaultKind::LostReply).on(Operations::of(&[Operation::Put]));
    world.faults.iter().for_each(|faults| faults.set(unheard.clone()));
    gateway
        .store
        .put(&key("key"), request(Payload::from_bytes("perhaps")))
        .await
        .expect_err("nobody says so");
    // Two replicas can be written again, but they do not report by themselves what they hold.
    world.heal();
    world.faults[2].set(Plan::down());
    put(&*gateway.store, "key", "new").await;
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"new".to_vec())));
    world.heal();
    assert!(held_by_all(&world, &gateway).await.iter().all(|held| held.as_deref() == Some(b"new")));
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_not_deleted_when_those_that_had_the_newer_one_lost_it() {
    let world = World::new(5);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "older").await;
    gateway.settled().await;
    world.faults[2].set(Plan::down());
    put(&*gateway.store, "key", "newer").await;
    gateway.settled_but(2).await;
    for member in 0..2 {
        world
            .below(&gateway, member)
            .await
            .delete(key("key").current(), &Default::default())
            .await
            .expect("memory takes it");
    }
    // The third replica cannot be reached, so its copy is unknown.
    assert_eq!(read(&*gateway.store, "key").await, Err(StoreErrorKind::Unavailable));
    world.heal();
    assert!(held_by_all(&world, &gateway).await.iter().all(|held| held.as_deref() == Some(b"older")));
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"older".to_vec())));
}

#[tokio::test(start_paused = true)]
async fn a_long_body_on_storage_that_locks_its_key_until_the_end_holds_up_no_other_change() {
    let mut world = World { write: WritePolicy::All, members: 2, ..World::new(8) };
    world.storages[1] = Mannered::storage(Quirks::Locking);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "old").await;
    gateway.settled().await;
    let slow = Slow::begin(&gateway).await;
    // The write fails if a replica does not take it within a minute.
    put(&*gateway.store, "key", "won").await;
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"won".to_vec())));
    // No request read the key in between, so the slow write counts as overwritten at once.
    slow.end().await.expect("is acknowledged");
    gateway.settled().await;
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"won".to_vec())));
    for member in 0..2 {
        assert_eq!(world.held(&gateway, member, "key").await, Some(b"won".to_vec()), "replica {member}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_body_that_a_storage_refuses_early_is_answered_as_overtaken_and_not_as_if_the_storage_were_away()
 {
    let mut world = World { write: WritePolicy::All, members: 2, ..World::new(9) };
    world.storages[1] = Mannered::storage(Quirks::Strict);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "old").await;
    gateway.settled().await;
    // The storage holds another object than the record says, as if another change had happened between the
    // check and the body.
    let below = world.below(&gateway, 1).await;
    let long = || {
        Payload::from_stream(
            futures_util::stream::iter((0..100).map(|n| Ok(bytes(n, LONG)))),
            Default::default(),
        )
    };
    for (conditions, expected) in [
        (Default::default(), StoreErrorKind::Busy),
        (if_still(&etag_of(b"old")), StoreErrorKind::Conflict),
        (if_still(&etag_of(b"older")), StoreErrorKind::PreconditionFailed),
    ] {
        put(&*below, "key", "else").await;
        let request = PutRequest { conditions, ..request(long()) };
        let refused = gateway.store.put(&key("key"), request).await.expect_err("one of two refuses it");
        assert_eq!(refused.kind(), expected, "{refused}");
        // Background work finds that the storage differs from the record.
        let begun = std::time::Instant::now();
        // The real clock advances while the catalog's threads work; the test's own clock does not.
        while world.held(&gateway, 1, "key").await.as_deref() != Some(b"old")
            && begun.elapsed() < Duration::from_secs(60)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(world.held(&gateway, 1, "key").await.as_deref(), Some(&b"old"[..]));
        gateway.settled().await;
    }
    gateway.store.put(&key("key"), request(long())).await.expect("nothing is in the way any more");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_for_a_writer_does_not_keep_what_the_writer_waits_for() {
    let mut world = World { read: ReadPolicy::Hedged, write: WritePolicy::All, members: 2, ..World::new(6) };
    world.storages[1] = Mannered::storage(Quirks::Locked);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "0").await;
    gateway.settled().await;
    // Reads measure how long answers take. From then on, a read also asks the slower replica before that one
    // has answered.
    for _ in 0..40 {
        read(&*gateway.store, "key").await.expect("is read");
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let readers: Vec<_> = (0..4u64)
        .map(|n| {
            let (store, stop) = (gateway.store.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    read(&*store, "key").await.expect("one of them has it");
                    tokio::time::sleep(Duration::from_millis(n)).await;
                }
            })
        })
        .collect();
    for round in 1..50 {
        // The write fails if a replica does not take it within a minute.
        put(&*gateway.store, "key", round.to_string()).await;
    }
    stop.cancel();
    for reader in readers {
        reader.await.expect("reads until it is told to stop");
    }
    assert_eq!(read(&*gateway.store, "key").await, Ok(Some(b"49".to_vec())));
}

#[tokio::test]
async fn a_listing_shows_nothing_whose_deletion_was_acknowledged_though_the_index_is_slow() {
    let world = World::new(7);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.settled().await;
    // The lock keeps any change from being written to the index.
    let index = rusqlite::Connection::open(world.directory.path().join("index.sqlite")).expect("opens");
    index.execute_batch("BEGIN IMMEDIATE").expect("is locked");
    let (store, name) = (gateway.store.clone(), key("key"));
    let first = tokio::spawn(async move { store.delete(name.current(), &Default::default()).await });
    while read(&*gateway.store, "key").await != Ok(None) {
        tokio::task::yield_now().await;
    }
    gateway
        .store
        .delete(key("key").current(), &Default::default())
        .await
        .expect("there is nothing to delete any more");
    let store = gateway.store.clone();
    let mut listing =
        tokio::spawn(async move { store.list(ListRequest { limit: 10, ..Default::default() }).await });
    let page = match tokio::time::timeout(Duration::from_millis(500), &mut listing).await {
        Ok(page) => page,
        // The listing waits for the index.
        Err(_) => {
            index.execute_batch("ROLLBACK").expect("is let go");
            listing.await
        }
    };
    let page = page.expect("no panic").expect("is listed");
    assert_eq!(page.entries, []);
    drop(index);
    first.await.expect("no panic").expect("is deleted");
}
