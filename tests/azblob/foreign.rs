//! Blobs that were written by other programs, and the gateway's own blobs as other programs see them.

use crate::{
    client::*,
    gateway::{Gateway, new_container},
    raw,
};
use causeway::{
    model::{Attributes, ETag, Tag, TagSet},
    store::{Change, CopyRequest, ListEntry, ListRequest, Store, error::StoreErrorKind},
};
use std::sync::Arc;

async fn foreign() -> (String, Gateway, Arc<dyn Store>) {
    let (container, gateway) = (new_container(), Gateway::new());
    raw::create_container(&container);
    let store = gateway.open(&container).await;
    (container, gateway, store)
}

async fn listed(store: &dyn Store) -> Vec<(String, ETag)> {
    let of = |entry: ListEntry| match entry {
        ListEntry::Object(object) => (object.key.as_str().to_owned(), object.etag),
        ListEntry::CommonPrefix(prefix) => panic!("{prefix}"),
    };
    walk(store, ListRequest { limit: 3, ..Default::default() }).await.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_foreign_blob_is_served_with_its_headers_metadata_and_md5() {
    let (container, _gateway, store) = foreign().await;
    let headers = [
        ("x-ms-blob-content-type", "text/csv"),
        ("x-ms-blob-cache-control", "no-store"),
        ("x-ms-meta-Author", "Ann  Other"),
    ];
    raw::put_blob(&container, "dir/file  name.csv", &headers, b"a;b");
    let (info, body) = get(&*store, "dir/file  name.csv", Default::default()).await.expect("is there");
    assert_eq!((&body[..], &info.etag), (&b"a;b"[..], &etag_of(b"a;b")));
    let expected = Attributes {
        content_type: Some("text/csv".into()),
        cache_control: Some("no-store".into()),
        user: [("author".to_owned(), "Ann  Other".to_owned())].into(),
        ..Default::default()
    };
    assert_eq!(info.attributes, expected);
    assert_eq!(listed(&*store).await, [("dir/file  name.csv".to_owned(), info.etag.clone())]);
    // A change of its tags makes it an object of the gateway.
    let tags = TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("valid tags");
    store.update(key("dir/file  name.csv").current(), Change::Tags(tags.clone())).await.expect("is changed");
    let after = head(&*store, "dir/file  name.csv").await;
    assert_eq!((after.etag, after.last_modified), (info.etag, info.last_modified));
    assert_eq!(after.attributes, Attributes { tags, ..expected });
}

#[tokio::test]
async fn a_foreign_blob_of_unknown_md5_has_an_etag_that_is_none() {
    let (container, _gateway, store) = foreign().await;
    let path = format!("/{container}/blocks");
    assert_eq!(raw::send("PUT", &path, &[("comp", "block"), ("blockid", "AAAA")], &[], b"hello").status, 201);
    let list = b"<?xml version=\"1.0\"?><BlockList><Latest>AAAA</Latest></BlockList>";
    assert_eq!(raw::send("PUT", &path, &[("comp", "blocklist")], &[], list).status, 201);
    let info = head(&*store, "blocks").await;
    assert!(info.etag.as_str().ends_with("-0"), "{:?}", info.etag);
    assert_eq!(listed(&*store).await, [("blocks".to_owned(), info.etag.clone())]);
    assert_eq!(
        refused(put_if(&*store, "blocks", "x", if_still(&etag_of(b"hello"))).await),
        StoreErrorKind::PreconditionFailed
    );
    copy(&*store, "copy", &store, "blocks").await.expect("is copied");
    assert_eq!(head(&*store, "copy").await.etag, etag_of(b"hello"), "a copy has its MD5");
    put_if(&*store, "blocks", "ours", if_still(&info.etag)).await.expect("is still the one");
}

#[tokio::test]
async fn a_record_that_was_left_on_other_bytes_does_not_count() {
    let (container, _gateway, store) = foreign().await;
    put(&*store, "key", "ours").await;
    let seen = raw::send("HEAD", &format!("/{container}/key"), &[], &[], b"");
    let record = seen.header("x-ms-meta-causeway").to_owned();
    assert!(record.contains(etag_of(b"ours").as_str()), "{record}");
    for theirs in ["them", "longer"] {
        raw::put_blob(&container, "key", &[("x-ms-meta-causeway", &record)], theirs.as_bytes());
        let (info, body) = get(&*store, "key", Default::default()).await.expect("is there");
        assert_eq!(
            (&body[..], &info.etag, info.checksum),
            (theirs.as_bytes(), &etag_of(theirs.as_bytes()), None)
        );
        assert_eq!(listed(&*store).await, [("key".to_owned(), info.etag)]);
    }
}

#[tokio::test]
async fn our_objects_are_what_azures_tools_expect() {
    let (container, _gateway, store) = foreign().await;
    let attributes = Attributes {
        content_type: Some("image/png".into()),
        content_encoding: Some("gzip".into()),
        user: [("mtime".to_owned(), "17".to_owned()), ("a-b".to_owned(), "ä".to_owned())].into(),
        ..Default::default()
    };
    for (name, size) in [("short", 10), ("long", 300_000)] {
        let body = bytes(1, size);
        put_with(&*store, name, body.clone(), attributes.clone()).await;
        let seen = raw::send("GET", &format!("/{container}/{name}"), &[], &[], b"");
        assert!(seen.body == body);
        use base64::{Engine, engine::general_purpose::STANDARD};
        let md5 = STANDARD.encode(etag_of(&body).as_md5().expect("is one"));
        let header = |name| seen.header(name);
        assert_eq!(
            (header("content-type"), header("content-encoding"), header("content-md5")),
            ("image/png", "gzip", md5.as_str())
        );
        assert_eq!((header("x-ms-meta-mtime"), header("x-ms-meta-a_2db")), ("17", "=?utf-8?b?w6Q=?="));
    }
}

#[tokio::test]
async fn names_that_no_key_has_are_not_shown() {
    let (container, _gateway, store) = foreign().await;
    raw::put_blob(&container, ".causeway/mine", &[], b"x");
    raw::put_blob(&container, "a/ends in a dot.", &[], b"x");
    raw::put_blob(&container, "a/b", &[], b"x");
    assert_eq!(names(&*store).await, ["a/b"]);
    assert_absent(&*store, ".causeway/mine").await;
    put(&*store, ".causeway/mine", "the client's").await;
    assert_eq!(read(&*store, ".causeway/mine").await, b"the client's");
    delete(&*store, ".causeway/mine").await;
    assert!(raw::blobs(&container).contains(&".causeway/mine".to_owned()), "ours is another");
    let grouped =
        walk(&*store, ListRequest { limit: 10, delimiter: Some("/".into()), ..Default::default() }).await;
    assert_eq!(grouped, [ListEntry::CommonPrefix("a/".into())]);
}

#[tokio::test]
async fn keys_that_azure_has_no_room_for_are_refused_and_nothing_is_written() {
    let (container, _gateway, store) = foreign().await;
    for name in [
        "\0".repeat(1024),
        " ".repeat(1024),
        "/".repeat(1024),
        "y/".repeat(512),
        ".".repeat(1024),
        "y/".repeat(254),
    ] {
        let result =
            store.put(&key(&name), request(causeway::store::payload::Payload::from_bytes("x"))).await;
        assert_eq!(refused(result), StoreErrorKind::KeyTooLong, "{name:?}");
        assert_eq!(
            refused(store.begin_upload(&key(&name), plain_upload()).await),
            StoreErrorKind::KeyTooLong
        );
        assert_eq!(
            refused(store.head(key(&name).current(), &Default::default()).await),
            StoreErrorKind::NoSuchKey
        );
        delete(&*store, &name).await;
    }
    assert_eq!(raw::blobs(&container), Vec::<String>::new());
    let most = "y/".repeat(253);
    put(&*store, &most, "x").await;
    assert_eq!(names(&*store).await, [most]);
}

#[tokio::test]
async fn blocks_that_another_writer_has_staged_are_no_object() {
    let container = new_container();
    let gateway = Gateway::new();
    let store = gateway.bucket(&container).await;
    let stage = |name: &str, id: &str| {
        let staged = raw::send(
            "PUT",
            &format!("/{container}/{name}"),
            &[("comp", "block"), ("blockid", id)],
            &[],
            b"x",
        );
        assert_eq!(staged.status, 201, "{}", staged.text());
    };
    // The id has the length that the gateway uses: a killed gateway leaves such blocks.
    let ours = "QUFBQUFBQUFBQUFBQUFBQUFB";
    stage("key", ours);
    assert_absent(&*store, "key").await;
    // Azurite refuses Put Blob and Copy Blob as if there were a blob.
    put_if(&*store, "key", "new", if_absent()).await.expect("there is no object");
    assert_eq!(read(&*store, "key").await, b"new");
    assert_eq!(
        refused(put_if(&*store, "key", "newer", if_absent()).await),
        StoreErrorKind::PreconditionFailed
    );
    stage("copy", ours);
    let copied = store
        .copy(&key("copy"), CopyRequest { conditions: if_absent(), ..copy_request(&store, "key") })
        .await;
    copied.expect("there is no object");
    assert_eq!(read(&*store, "copy").await, b"new");
    // Azure refuses blocks with ids of another length on the same blob.
    stage("other", "YQ==");
    let refused_by_blocks = refused(put_if(&*store, "other", "new", if_absent()).await);
    assert_eq!(refused_by_blocks, StoreErrorKind::Conflict, "412 would say that there is an object");
    assert_absent(&*store, "other").await;
    put(&*store, "other", "object").await;
}
