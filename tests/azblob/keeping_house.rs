//! Containers that are created and removed, prefixes of one container, and what crashes leave.

use crate::{
    client::*,
    gateway::{Gateway, new_container, settings},
    raw,
    support::upstream::Upstream,
};
use causeway::{
    drivers::azblob::AzblobSettings,
    model::{Attributes, BucketName, ObjectChecksum, Tag, TagSet},
    store::{ListRequest, ListUploadsRequest, error::StoreErrorKind},
};
use std::time::Duration;

#[tokio::test]
async fn a_container_is_made_with_its_bucket_and_goes_with_it() {
    let (container, gateway) = (new_container(), Gateway::new());
    let store = gateway.bucket(&container).await;
    let record = gateway.record("bucket", &container).await;
    gateway.backend.create(&record).await.expect("making it again is harmless");
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, "x").await;
    upload.complete().await;
    assert!(!gateway.backend.remove(&record).await.expect("answers"), "it is not empty");
    assert_eq!(read(&*store, "key").await, b"x");
    delete(&*store, "key").await;
    assert!(gateway.backend.remove(&record).await.expect("answers"));
    assert!(gateway.backend.remove(&record).await.expect("answers"), "removing it again is harmless");
    assert_eq!(
        refused(store.head(key("key").current(), &Default::default()).await),
        StoreErrorKind::Unavailable
    );
    let late = store.put(&key("key"), request(causeway::store::payload::Payload::from_bytes("x"))).await;
    assert_eq!(refused(late), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_container_of_others_is_neither_taken_nor_removed() {
    let (container, gateway) = (new_container(), Gateway::new());
    raw::create_container(&container);
    let record = gateway.record("bucket", &container).await;
    assert_eq!(refused(gateway.backend.create(&record).await), StoreErrorKind::Conflict);
    // A bucket of the configuration is opened without being created.
    let store = gateway.open(&container).await;
    put(&*store, "key", "x").await;
    delete(&*store, "key").await;
    assert!(gateway.backend.remove(&record).await.expect("answers"));
    assert_eq!(
        raw::send("HEAD", &format!("/{container}"), &[("restype", "container")], &[], b"").status,
        200,
        "it stays"
    );
    let other = Gateway::new();
    let taken = new_container();
    put(&*other.bucket(&taken).await, "private", "x").await;
    let record = gateway.record("another", &taken).await;
    assert_eq!(
        refused(gateway.backend.create(&record).await),
        StoreErrorKind::Conflict,
        "nor one of another gateway that is in use"
    );
}

#[tokio::test]
async fn a_bucket_whose_name_azure_does_not_take_has_a_container_of_another_name() {
    let gateway = Gateway::new();
    for name in ["with.dots", "with--hyphens"] {
        let name = format!("{name}-{}", new_container());
        let record = gateway
            .record(&name, &gateway.backend.location_for(&BucketName::parse(&name).expect("a name")))
            .await;
        gateway.backend.create(&record).await.expect("is made");
        let store = gateway.backend.open(&record).await.expect("opens").store;
        put(&*store, "key", "x").await;
        assert_eq!(raw::blobs(&record.bucket.location), ["key"]);
    }
    let record = gateway.record("remote", "No_Container").await;
    assert_eq!(refused(gateway.backend.create(&record).await), StoreErrorKind::InvalidRequest);
}

#[tokio::test]
async fn buckets_share_a_container_by_their_prefixes_and_do_not_see_each_other() {
    let container = new_container();
    raw::create_container(&container);
    let gateway = Gateway::with(AzblobSettings {
        shared: Some(container.clone()),
        ..settings(Upstream::azurite().address)
    });
    let location = |name: &str| gateway.backend.location_for(&BucketName::parse(name).expect("a name"));
    let records = [
        gateway.record("one", &location("one")).await,
        gateway.record("one-more", &location("one-more")).await,
    ];
    let mut stores = Vec::new();
    for record in &records {
        gateway.backend.create(record).await.expect("is made");
        stores.push(gateway.backend.open(record).await.expect("opens").store);
    }
    let (one, two) = (&stores[0], &stores[1]);
    for (at, store) in stores.iter().enumerate() {
        for name in ["a", "../one/a", "/a", ".", ".causeway/uploads/x", "dir/é\u{1}"] {
            put(&**store, name, format!("{at} {name}")).await;
        }
        let mut upload = Uploading::begin(&**store, "multi").await;
        upload.part(1, format!("{at}")).await;
        upload.complete().await;
    }
    for (at, store) in stores.iter().enumerate() {
        let seen = names(&**store).await;
        assert_eq!(seen.len(), 7, "{seen:?}");
        for name in seen.iter().filter(|name| *name != "multi") {
            assert_eq!(read(&**store, name).await, format!("{at} {name}").into_bytes());
        }
    }
    copy(&**two, "from one", one, "a").await.expect("is copied");
    assert_eq!(read(&**two, "from one").await, b"0 a");
    assert!(
        raw::blobs(&container).iter().all(|name| name.starts_with("one/") || name.starts_with("one-more/"))
    );
    for name in names(&**one).await {
        delete(&**one, &name).await;
    }
    assert!(gateway.backend.remove(&records[0]).await.expect("answers"));
    assert_eq!(
        list(&**two, ListRequest { limit: 100, ..Default::default() }).await.entries.len(),
        8,
        "the other stays"
    );
    let too_long =
        two.put(&key(&"x".repeat(1020)), request(causeway::store::payload::Payload::from_bytes("x"))).await;
    assert_eq!(refused(too_long), StoreErrorKind::KeyTooLong);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing_behind() {
    let (container, gateway) = (new_container(), Gateway::new());
    let store = gateway.bucket(&container).await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(1, large(1)).await;
    assert_eq!(raw::blobs(&container).len(), 1);
    upload.abort().await.expect("is there");
    assert_eq!(raw::blobs(&container), Vec::<String>::new());
}

#[tokio::test]
async fn a_complete_that_was_published_before_a_crash_is_answered_alike_and_publishes_nothing() {
    let (container, gateway) = (new_container(), Gateway::new());
    let store = gateway.bucket(&container).await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    // This copy is the state of the catalog after a crash between publishing and recording it.
    let before = tempfile::tempdir().expect("a directory");
    gateway.catalog.close().await.expect("is closed");
    for entry in
        std::fs::read_dir(gateway.directory.path()).expect("a folder").map(|entry| entry.expect("an entry"))
    {
        if entry.file_type().expect("a type").is_file() {
            std::fs::copy(entry.path(), before.path().join(entry.file_name())).expect("is copied");
        }
    }
    let gateway = Gateway::over(gateway.directory, settings(Upstream::azurite().address));
    let store = gateway.open(&container).await;
    let upload = Uploading { store: &*store, key: upload.key, id: upload.id, done: upload.done };
    let written = upload.complete().await;

    let crashed = Gateway::over(before, settings(Upstream::azurite().address));
    let store = crashed.open(&container).await;
    let again = Uploading {
        store: &*store,
        key: upload.key.clone(),
        id: upload.id.clone(),
        done: upload.done.clone(),
    };
    assert_eq!(again.complete().await, written);
    assert_eq!(again.complete().await, written, "and is remembered now");
    let open =
        store.list_uploads(ListUploadsRequest { limit: 10, ..Default::default() }).await.expect("lists");
    assert!(open.entries.is_empty());
    assert!(read(&*store, "key").await == [&large(0)[..], b"end"].concat());
}

#[tokio::test]
async fn what_is_left_over_is_swept_and_nothing_else() {
    let container = new_container();
    let at_once = AzblobSettings { sweep_after: Duration::ZERO, ..settings(Upstream::azurite().address) };
    let gateway = Gateway::with(at_once);
    let store = gateway.bucket(&container).await;
    let much = || Attributes {
        tags: TagSet::new(
            (0..10).map(|n| Tag { key: n.to_string(), value: "\u{10348}".repeat(256) }).collect(),
        )
        .expect("valid tags"),
        ..Default::default()
    };
    for name in ["kept", "replaced", "deleted"] {
        put_with(&*store, name, "x", much()).await;
    }
    put(&*store, "replaced", "y").await;
    delete(&*store, "deleted").await;
    // A Complete that was refused has committed nothing; one that crashed has.
    let mut refused_one = Uploading::begin(&*store, "kept").await;
    refused_one.part(1, "parts").await;
    raw::put_blob(&container, ".causeway/uploads/0123", &[], b"of a crash");
    let ours = |blobs: Vec<String>| blobs.into_iter().filter(|name| name.starts_with(".causeway/")).count();
    assert_eq!(ours(raw::blobs(&container)), 5);
    // Azure reports ages in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    gateway.maintain("bucket").await;
    assert_eq!(ours(raw::blobs(&container)), 2, "{:?}", raw::blobs(&container));
    assert_eq!(head(&*store, "kept").await.attributes, much());
    assert_eq!(store.head(key("kept").current(), &Default::default()).await.expect("is there").tag_count, 10);
    refused_one.complete().await;
    gateway.maintain("bucket").await;
    assert_eq!(read(&*store, "kept").await, b"parts");

    let careful = Gateway::new();
    raw::put_blob(&container, ".causeway/uploads/4567", &[], b"of another gateway");
    careful.open(&container).await;
    careful.maintain("bucket").await;
    assert!(
        raw::blobs(&container).contains(&".causeway/uploads/4567".to_owned()),
        "what is young may be somebody's"
    );
}

#[tokio::test]
async fn facts_that_metadata_has_no_room_for_survive_copies_and_changes() {
    let (container, gateway) = (new_container(), Gateway::new());
    let store = gateway.bucket(&container).await;
    let attributes = Attributes {
        user: (0..680).map(|n| (format!("{n:x}"), "ä".to_owned())).collect(),
        tags: TagSet::new(
            (0..10).map(|n| Tag { key: n.to_string(), value: "\u{10348}".repeat(256) }).collect(),
        )
        .expect("valid tags"),
        ..Default::default()
    };
    let written = put_with(&*store, "key", "x", attributes.clone()).await;
    for name in ["key", "copy"] {
        if name == "copy" {
            copy(&*store, "copy", &store, "key").await.expect("is copied");
            delete(&*store, "key").await;
        }
        let reply = store.get(key(name).current(), Default::default()).await.expect("is there");
        assert_eq!((reply.info.attributes.user, reply.info.tag_count), (attributes.user.clone(), 10));
        let info = head(&*store, name).await;
        assert_eq!(
            (info.attributes, info.etag, info.checksum),
            (attributes.clone(), written.etag.clone(), written.checksum.clone())
        );
    }
    assert!(matches!(written.checksum, Some(ObjectChecksum { parts: 0, .. })));
}
