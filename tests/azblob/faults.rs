//! When the network or the storage fails: errors instead of half-written objects, resumed reads instead of
//! short ones.

use crate::{
    client::*,
    gateway::{Gateway, new_container, settings},
    support::{
        proxy::{Direction, Proxy},
        upstream::Upstream,
    },
};
use bytes::Bytes;
use causeway::{
    model::Secret,
    store::{
        error::StoreErrorKind,
        payload::{Announced, PayloadError},
    },
};
use std::sync::Arc;

/// A store that reaches its container through a proxy, and a store that reaches the same container directly.
async fn apart() -> (Proxy, Arc<dyn causeway::store::Store>, Arc<dyn causeway::store::Store>, Gateway, Gateway)
{
    let proxy = Proxy::to(Upstream::azurite().address);
    let (container, behind, beside) = (new_container(), Gateway::behind(&proxy), Gateway::new());
    let (store, truth) = (behind.bucket(&container).await, beside.open(&container).await);
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
        // The store may have stopped reading before the rest is sent.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), body.send(bytes(2, 1 << 20))).await;
        drop(body);
        assert_eq!(refused(writing.await.expect("no panic")), StoreErrorKind::Unavailable);
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
    for (name, size) in [("key", 3), ("key", 300_000), ("new", 300_000)] {
        let result = store
            .put(&key(name), request(causeway::store::payload::Payload::from_bytes(bytes(1, size))))
            .await;
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
    put(&*store, "small", bytes(2, 100_000)).await;
    proxy.cut(Direction::Down, 50_000, 1);
    assert!(read(&*store, "small").await == bytes(2, 100_000));
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
    let busy = refused(store.head(key("key").current(), &Default::default()).await);
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
    let container = new_container();
    let _there = Gateway::new().bucket(&container).await;
    let wrong = Secret::new("bm90IHRoZSBrZXkgYXQgYWxs");
    let stranger = Gateway::with(causeway::drivers::azblob::AzblobSettings {
        account_key: Some(wrong.clone()),
        ..settings(Upstream::azurite().address)
    });
    let error = stranger
        .open(&container)
        .await
        .head(key("key").current(), &Default::default())
        .await
        .expect_err("is refused");
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("refuses our credentials") && !shown.contains(wrong.expose()), "{shown}");
}

#[tokio::test]
async fn a_short_object_that_is_replaced_while_its_reply_is_cut_is_read_anew() {
    let (proxy, store, truth, _behind, _beside) = apart().await;
    let (old, new) = (bytes(1, 100_000), bytes(2, 90_000));
    put(&*store, "key", old).await;
    let before = proxy.bytes(Direction::Down);
    proxy.cut(Direction::Down, 50_000, 1);
    let reader = store.clone();
    let reading = tokio::spawn(async move { get(&*reader, "key", causeway::store::Selection::Whole).await });
    while proxy.bytes(Direction::Down) - before < 50_000 {
        tokio::task::yield_now().await;
    }
    // The reader asks for the rest after a pause; the proxy hangs until then.
    proxy.hang();
    put(&*truth, "key", new.clone()).await;
    proxy.resume();
    let (info, body) = reading.await.expect("no panic").expect("is read");
    assert!(
        body == new && info.size == 90_000 && info.etag == etag_of(&new),
        "{} bytes of {}",
        body.len(),
        info.size
    );
}
