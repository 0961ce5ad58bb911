//! When the network or the storage fails: errors instead of half-written objects, resumed reads instead of
//! short ones.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket, settings},
    support::{
        proxy::{Direction, Proxy},
        upstream::Upstream,
    },
};
use bytes::Bytes;
use causeway::{
    drivers::s3::{Credentials, S3Settings},
    model::Secret,
    store::{
        Store,
        error::StoreErrorKind,
        payload::{Announced, Payload, PayloadError},
    },
};
use std::sync::Arc;

/// A store that reaches its bucket through a proxy, and a store that reaches the same bucket directly.
async fn apart() -> (Proxy, Arc<dyn Store>, Arc<dyn Store>, Gateway, Gateway) {
    let address = Upstream::causeway().address;
    let proxy = Proxy::to(address);
    let (name, behind, beside) = (new_bucket(), Gateway::at(proxy.address()), Gateway::at(address));
    let (store, truth) = (behind.bucket("bucket", &name).await, beside.open("bucket", &name).await);
    (proxy, store, truth, behind, beside)
}

fn long(length: usize) -> Announced {
    Announced { length: Some(length as u64), ..Default::default() }
}

#[tokio::test]
async fn a_storage_lost_in_the_middle_of_a_put_leaves_the_old_object() {
    let (proxy, store, truth, _behind, _beside) = apart().await;
    put(&*store, "key", "old").await;
    for name in ["key", "new"] {
        let (body, payload) = Dripping::body(long(2 << 20));
        let (writer, name) = (store.clone(), key(name));
        let writing = tokio::spawn(async move { writer.put(&name, request(payload)).await });
        body.send(bytes(1, 1 << 20)).await;
        body.send(Bytes::new()).await;
        proxy.refuse();
        drop(body);
        let failed = writing.await.expect("no panic").expect_err("half a body");
        assert!(matches!(failed.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Payload), "{failed}");
        proxy.accept();
    }
    assert_eq!(read(&*truth, "key").await, b"old");
    assert_eq!(names(&*truth).await, ["key"]);
    put(&*store, "key", bytes(3, 300_000)).await;
    assert!(read(&*store, "key").await == bytes(3, 300_000), "it goes on without a restart");
}

#[tokio::test]
async fn a_storage_that_hangs_is_given_up_and_nothing_becomes_visible() {
    let (proxy, store, truth, _behind, _beside) = apart().await;
    put(&*store, "key", "old").await;
    proxy.hang();
    for (name, size) in [("key", 3), ("new", 300_000)] {
        let result = store.put(&key(name), request(Payload::from_bytes(bytes(1, size)))).await;
        assert_eq!(refused(result), StoreErrorKind::Unavailable);
    }
    assert_eq!(
        refused(store.head(key("key").current(), &Default::default()).await),
        StoreErrorKind::Unavailable
    );
    assert_eq!(read(&*truth, "key").await, b"old");
    assert_eq!(names(&*truth).await, ["key"]);
}

#[tokio::test]
async fn a_body_cut_in_the_middle_is_resumed() {
    let (proxy, store, _truth, _behind, _beside) = apart().await;
    let body = bytes(1, 3 << 20);
    put(&*store, "key", body.clone()).await;
    proxy.cut(Direction::Down, 700_000, 3);
    assert!(read(&*store, "key").await == body);
}

#[tokio::test]
async fn a_body_that_is_replaced_while_it_is_cut_ends_in_an_error() {
    let (proxy, store, truth, _behind, _beside) = apart().await;
    put(&*store, "key", bytes(1, 8 << 20)).await;
    proxy.cut(Direction::Down, 2_000_000, 1);
    let reply = store.get(key("key").current(), Default::default()).await.expect("is there");
    put(&*truth, "key", bytes(2, 8 << 20)).await;
    assert!(collect(reply).await.is_err(), "never two objects in one body");
}

#[tokio::test]
async fn a_storage_that_asks_to_slow_down_is_asked_again_and_then_said_to_be_busy() {
    let (proxy, store, _truth, _behind, _beside) = apart().await;
    proxy.answer_next(2, 503, None);
    put(&*store, "key", "x").await;
    proxy.answer_next(1000, 503, None);
    let busy = refused(store.put(&key("key"), request(Payload::from_bytes("y"))).await);
    assert_eq!(busy, StoreErrorKind::Busy);
    proxy.answer_next(0, 503, None);
    assert_eq!(read(&*store, "key").await, b"x");
}

#[tokio::test]
async fn a_body_that_fails_is_the_clients_fault_and_not_the_storages() {
    let (_proxy, store, truth, _behind, _beside) = apart().await;
    let (body, payload) = Dripping::body(long(2 << 20));
    let writer = store.clone();
    let writing = tokio::spawn(async move { writer.put(&key("key"), request(payload)).await });
    body.send(bytes(1, 1 << 20)).await;
    body.fail(PayloadError::Disconnected).await;
    assert_eq!(payload_refused(writing.await.expect("no panic")), PayloadError::Disconnected);
    assert_absent(&*truth, "key").await;
}

#[tokio::test]
async fn refused_credentials_are_an_internal_error_without_secrets() {
    let address = Upstream::causeway().address;
    let name = new_bucket();
    let _there = Gateway::at(address).bucket("bucket", &name).await;
    let wrong = "a-secret-that-is-not-the-right-one";
    let credentials = Credentials::Keys {
        access_key: Upstream::causeway().access_key.into(),
        secret_key: Secret::new(wrong),
        session_token: None,
    };
    let stranger = Gateway::with(S3Settings { credentials, ..settings(address) });
    let error = stranger
        .open("bucket", &name)
        .await
        .get(key("key").current(), Default::default())
        .await
        .err()
        .expect("is refused");
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let shown = format!("{error} {error:?} {:?}", stranger.backend);
    assert!(shown.contains("refuses our credentials") && !shown.contains(wrong), "{shown}");
}

#[tokio::test]
async fn an_upload_whose_complete_lost_its_answer_is_recognised_as_complete() {
    let (proxy, store, truth, _behind, _beside) = apart().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    // Every answer is lost, whether the request was executed or not.
    proxy.cut(Direction::Down, 0, 100);
    let lost = upload.try_complete(upload.request()).await;
    proxy.cut(Direction::Down, 0, 0);
    if let Err(error) = lost {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
    let written = upload.complete().await;
    assert_eq!(head(&*truth, "key").await.etag, written.etag);
    assert!(read(&*truth, "key").await == [&large(0)[..], b"end"].concat());
}
