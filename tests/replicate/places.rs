//! Locations of replicas: buckets are created and removed while a member hangs, and a member that lost its
//! location is filled again.

use super::{
    client::{bytes, key, put},
    gateway::{Gateway, World, read},
};
use causeway::{
    backend::{Backend, Scrub},
    buckets::{Buckets, CreateBucket},
    catalog::{Catalog, NewBucket, sqlite::SqliteCatalog},
    faults::{Faults, FaultyBackend, Plan},
    model::{BucketName, CannedAcl, Owner, Timestamp},
    store::{
        Durability,
        operation::{Operation, Operations},
    },
};
use std::{sync::Arc, time::Duration};

const OBJECTS: u64 = 20;

async fn objects(gateway: &Gateway) {
    for n in 0..OBJECTS {
        put(&*gateway.store, &format!("key{n:02}"), bytes(n, 100)).await;
    }
    gateway.settled().await;
}

/// Waits until a replica holds every object.
async fn filled(world: &World, gateway: &Gateway, member: usize) {
    for n in 0..OBJECTS {
        while world.held(gateway, member, &format!("key{n:02}")).await.as_deref() != Some(&bytes(n, 100)[..])
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    gateway.filled().await;
    gateway.settled().await;
}

/// Whether a replica's storage has any bucket.
async fn is_empty(world: &World, member: usize) -> bool {
    world.storages[member].discover().await.expect("memory answers").is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_delays_neither_a_new_bucket_nor_what_happens_in_it() {
    let world = World::new(1);
    world.faults[1].set(Plan::hanging());
    let gateway = world.start().await;
    for n in 0..20 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
        assert_eq!(read(&*gateway.store, "none").await, Ok(None));
    }
    let asked: Vec<_> = world.faults[1]
        .journal()
        .into_iter()
        .filter(|done| done.subject.starts_with("key") || done.subject == "none")
        .collect();
    assert!(asked.is_empty(), "it was asked about keys though it is known to hang: {asked:?}");
    world.heal();
    gateway.filled().await;
    gateway.settled().await;
    assert_eq!(world.held(&gateway, 1, "key7").await.as_deref(), Some(&b"x"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_removed_while_a_replica_hangs_and_its_place_there_when_it_is_back() {
    let world = World::new(2);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.store.delete(key("key").current(), &Default::default()).await.expect("is deleted");
    gateway.settled().await;
    world.faults[2].set(Plan::hanging());
    assert!(gateway.backend.remove(&gateway.record).await.expect("two are enough"));
    gateway.catalog.delete_bucket(gateway.record.id).await.expect("is forgotten");
    assert_eq!(gateway.catalog.left_locations().await.expect("answers").len(), 1);
    assert!(is_empty(&world, 0).await && !is_empty(&world, 2).await);
    world.heal();
    while !is_empty(&world, 2).await || !gateway.catalog.left_locations().await.expect("answers").is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A new bucket of the same name begins empty.
    let gateway = world.restart(gateway).await;
    assert_eq!(read(&*gateway.store, "key").await, Ok(None));
    put(&*gateway.store, "key", "new").await;
    gateway.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_removed_while_the_place_of_a_replica_is_made_leaves_no_place() {
    for delay in (0..2000).step_by(100) {
        let world = World::new(3);
        world.faults[2].set(Plan::down());
        let gateway = world.start().await;
        // The replica can be reached again, and its location is created while the bucket is removed.
        let slow = Plan { latency: Duration::from_millis(700), ..Plan::default() };
        world.faults[2].set(slow.on(Operations::of(&[Operation::Create])));
        tokio::time::sleep(Duration::from_millis(delay)).await;
        assert!(gateway.backend.remove(&gateway.record).await.expect("two are enough"), "{delay}");
        gateway.catalog.delete_bucket(gateway.record.id).await.expect("is forgotten");
        // By then, any pending creation of the location has ended. The catalog's threads run by the real
        // clock, so the removal may need some real time.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = std::time::Instant::now();
        for member in 0..3 {
            while !is_empty(&world, member).await {
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "replica {member}, removed after {delay} ms"
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_a_deleted_bucket_left_belongs_to_the_next_one_of_its_name() {
    let world = World::new(3);
    let gateway = world.start().await;
    put(&*gateway.store, "key", "x").await;
    gateway.store.delete(key("key").current(), &Default::default()).await.expect("is deleted");
    gateway.settled().await;
    world.faults[2].set(Plan::down());
    assert!(gateway.backend.remove(&gateway.record).await.expect("two are enough"));
    gateway.catalog.delete_bucket(gateway.record.id).await.expect("is forgotten");
    let gateway = world.restart(gateway).await;
    put(&*gateway.store, "key", "new").await;
    world.heal();
    gateway.filled().await;
    gateway.settled().await;
    assert!(gateway.catalog.left_locations().await.expect("answers").is_empty());
    assert_eq!(world.held(&gateway, 2, "key").await.as_deref(), Some(&b"new"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_too_few_take_part_in_leaves_the_bucket_whole() {
    let world = World::new(4);
    let gateway = world.start().await;
    world.faults[1].set(Plan::down().on(Operations::of(&[Operation::Remove])));
    world.faults[2].set(Plan::hanging().on(Operations::of(&[Operation::Remove])));
    gateway.backend.remove(&gateway.record).await.expect_err("one is not enough");
    world.heal();
    for n in 0..5 {
        put(&*gateway.store, &format!("key{n}"), "x").await;
    }
    gateway.filled().await;
    gateway.settled().await;
    for member in 0..3 {
        assert_eq!(world.held(&gateway, member, "key3").await.as_deref(), Some(&b"x"[..]), "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lost_its_place_is_filled_from_the_others_while_all_is_going_on() {
    let world = World::new(5);
    let gateway = world.start().await;
    objects(&gateway).await;
    world.memories[1].lose_everything();
    for n in 0..5 {
        put(&*gateway.store, &format!("more{n}"), "x").await;
        assert_eq!(read(&*gateway.store, &format!("key{n:02}")).await, Ok(Some(bytes(n, 100).to_vec())));
    }
    filled(&world, &gateway, 1).await;
    assert_eq!(world.held(&gateway, 1, "more3").await.as_deref(), Some(&b"x"[..]));
    let counts = gateway.scrub(Scrub::Bytes).await;
    assert_eq!((counts.differing, counts.copied, counts.failed), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn two_replicas_that_lost_their_places_are_filled_from_the_third() {
    let world = World::new(6);
    let gateway = world.start().await;
    objects(&gateway).await;
    world.memories[0].lose_everything();
    world.memories[2].lose_everything();
    gateway.scrub(Scrub::Listing).await;
    filled(&world, &gateway, 0).await;
    filled(&world, &gateway, 2).await;
    for n in 0..OBJECTS {
        assert_eq!(
            read(&*gateway.store, &format!("key{n:02}")).await,
            Ok(Some(bytes(n, 100).to_vec())),
            "{n}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_lost_while_no_gateway_ran_is_found_gone_at_the_next_start() {
    let world = World::new(7);
    let gateway = world.start().await;
    objects(&gateway).await;
    let gateway = {
        gateway.catalog.close().await.expect("closes");
        drop(gateway);
        world.memories[0].lose_everything();
        world.start().await
    };
    // Opening the storage would create the location. Therefore the test first waits until every object was
    // sent there a second time.
    world.faults[0].seen(|counts| counts.calls_of(Operation::Put) >= 2 * OBJECTS).await;
    filled(&world, &gateway, 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_found_in_a_place_that_was_lost_does_not_come_back() {
    let world = World::new(8);
    let gateway = world.start().await;
    objects(&gateway).await;
    put(&*gateway.store, "deleted", "x").await;
    gateway.store.delete(key("deleted").current(), &Default::default()).await.expect("is deleted");
    gateway.settled().await;
    // The storage returns to an older state, as after a restore from a backup.
    world.memories[1].lose_everything();
    put(&*world.below(&gateway, 1).await, "deleted", "x").await;
    filled(&world, &gateway, 1).await;
    assert_eq!(read(&*gateway.store, "deleted").await, Ok(None));
    assert_eq!(gateway.scrub(Scrub::Listing).await.stray, 1);
}

#[tokio::test(start_paused = true)]
async fn while_all_places_are_gone_nothing_is_given_up() {
    let world = World::new(9);
    let gateway = world.start().await;
    objects(&gateway).await;
    world.memories.iter().take(3).for_each(|memory| memory.lose_everything());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let rows = gateway
        .catalog
        .objects(gateway.record.id, None, 100, causeway::catalog::WhichObjects::All)
        .await
        .expect("answers");
    assert_eq!(rows.len() as u64, OBJECTS);
    assert!(gateway.status().await.iter().all(|replica| replica.seeded), "none counts as new");
}

fn owner() -> Owner {
    Owner { id: "owner".into(), display_name: "owner".into() }
}

fn name(text: &str) -> BucketName {
    BucketName::parse(text).expect("a name")
}

fn create(text: &str) -> CreateBucket {
    CreateBucket {
        name: name(text),
        owner: owner(),
        acl: CannedAcl::Private,
        ownership: None,
        location: String::new(),
    }
}

/// Buckets on a backend with faults, and on one without.
async fn buckets(directory: &std::path::Path, faults: &Faults) -> Arc<Buckets> {
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(directory, Durability::Relaxed).expect("a catalog"));
    let memory = || Arc::new(causeway::backend::memory::MemoryBackend::new()) as Arc<dyn Backend>;
    let other = NewBucket {
        name: name("other"),
        owner: owner(),
        created: Timestamp::now(),
        tenant: Default::default(),
        backend: "well".into(),
        location: "other".into(),
    };
    catalog.create_bucket(other).await.expect("is made");
    let faulty: Arc<dyn Backend> = Arc::new(FaultyBackend::new(memory(), faults.clone()));
    let backends = [("ill".to_owned(), faulty), ("well".to_owned(), memory())].into();
    Arc::new(Buckets::new(catalog, backends, "ill".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_backend_hangs_keeps_no_other_waiting() {
    let (directory, faults) = (tempfile::tempdir().expect("a directory"), Faults::new(1, Plan::hanging()));
    let buckets = buckets(directory.path(), &faults).await;
    let hangs = tokio::spawn({
        let buckets = buckets.clone();
        async move { buckets.create(create("hangs")).await.is_ok() }
    });
    // Before the bucket is created, its location is checked for existing data.
    faults.seen(|counts| counts.calls_of(Operation::List) == 1).await;
    buckets.get(&name("other")).await.expect("opens");
    assert!(!hangs.is_finished());
    faults.heal();
    assert!(hangs.await.expect("ends"));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_made_and_deleted_to_the_end_though_the_client_goes_away() {
    let (directory, faults) = (tempfile::tempdir().expect("a directory"), Faults::new(2, Plan::hanging()));
    let buckets = buckets(directory.path(), &faults).await;
    let goes_away = Duration::from_secs(1);
    tokio::time::timeout(goes_away, buckets.create(create("photos"))).await.expect_err("it hangs");
    faults.heal();
    buckets.get(&name("photos")).await.expect("it was made");
    faults.set(Plan::hanging().on(Operations::of(&[Operation::Remove])));
    tokio::time::timeout(goes_away, buckets.delete(&name("photos"))).await.expect_err("it hangs");
    faults.heal();
    while buckets.catalog().bucket(&name("photos")).await.expect("answers").is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
