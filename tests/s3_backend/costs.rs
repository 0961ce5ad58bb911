//! The cost of operations on the storage: requests, and bytes sent to it.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::{
        proxy::{Direction, Proxy},
        upstream::Upstream,
    },
};
use causeway::store::{ListRequest, Store};
use std::sync::Arc;

/// Counts the requests and the bytes sent between two calls.
struct Meter(Proxy, usize, u64);

impl Meter {
    fn spent(&mut self) -> (usize, u64) {
        let (requests, bytes) = (self.0.requests(), self.0.bytes(Direction::Up));
        let spent = (requests - self.1, bytes - self.2);
        (self.1, self.2) = (requests, bytes);
        spent
    }
}

async fn metered() -> (Meter, Gateway, Arc<dyn Store>) {
    let mut meter = Meter(Proxy::to(Upstream::causeway().address), 0, 0);
    let gateway = Gateway::at(meter.0.address());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    meter.spent();
    (meter, gateway, store)
}

#[tokio::test]
async fn a_small_object_is_written_read_and_removed_in_one_request_each() {
    let (mut meter, _gateway, store) = metered().await;
    put(&*store, "key", "x").await;
    assert_eq!(meter.spent().0, 1, "put");
    let reply = store.get(key("key").current(), Default::default()).await.expect("is there");
    assert_eq!(collect(reply).await.expect("readable"), b"x");
    assert_eq!(meter.spent().0, 1, "get");
    store.head(key("key").current(), &Default::default()).await.expect("is there");
    assert_eq!(meter.spent().0, 1, "head");
    list(&*store, ListRequest { limit: 1000, ..Default::default() }).await;
    assert_eq!(meter.spent().0, 1, "list");
    delete(&*store, "key").await;
    assert_eq!(meter.spent().0, 1, "delete");
    put_if(&*store, "key", "x", if_absent()).await.expect("was absent");
    meter.spent();
    let written = put_if(&*store, "key2", "x", if_absent()).await.expect("was absent");
    assert_eq!(meter.spent().0, 1, "put if absent, once it is known that the storage looks");
    put_if(&*store, "key2", "y", if_still(&written.etag)).await.expect("is still there");
    assert_eq!(meter.spent().0, 1, "put if still the same");
}

#[tokio::test]
async fn every_byte_of_an_upload_crosses_once_and_completing_it_moves_none() {
    let (mut meter, _gateway, store) = metered().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    assert_eq!(meter.spent().0, 1, "begin");
    for n in 0..4 {
        upload.part(n as u16 + 1, large(n)).await;
    }
    let (requests, bytes) = meter.spent();
    let size = 4 * LARGE as u64;
    assert_eq!(requests, 4);
    assert!(bytes >= size && bytes - size < size / 100, "{bytes} bytes for {size}");
    upload.complete().await;
    let (requests, bytes) = meter.spent();
    assert!(requests == 1 && bytes < 16 << 10, "{requests} requests, {bytes} bytes");
    let copied = copy(&*store, "copy", &(store.clone() as Arc<dyn Store>), "key").await.expect("is copied");
    let (_, bytes) = meter.spent();
    assert!(bytes < 64 << 10, "{bytes} bytes for a copy");
    assert_eq!(head(&*store, "copy").await.etag, copied.etag);
}

#[tokio::test]
async fn a_thousand_objects_are_removed_by_one_request_once_it_is_known_that_the_storage_can() {
    let (mut meter, _gateway, store) = metered().await;
    for name in ["a", "b & <c>", "d"] {
        put(&*store, name, "x").await;
    }
    for outcome in store.delete_all(["a", "b & <c>"].map(deletion).to_vec()).await {
        outcome.expect("is removed");
    }
    meter.spent();
    let many = (0..999).map(|n| deletion(&format!("never/{n}"))).chain([deletion("d")]);
    let outcomes = store.delete_all(many.collect()).await;
    assert!(outcomes.len() == 1000 && outcomes.iter().all(Result::is_ok));
    assert_eq!(meter.spent().0, 1);
    assert_eq!(names(&*store).await, [""; 0]);
    meter.spent();
    let long = (0..1000).map(|n| deletion(&format!("{n}{}", "&".repeat(1000))));
    assert!(store.delete_all(long.collect()).await.iter().all(Result::is_ok));
    let (requests, bytes) = meter.spent();
    assert!((10..=12).contains(&requests), "{requests} documents of half a megabyte: {bytes} bytes");
}

#[tokio::test]
async fn what_no_document_can_carry_is_removed_by_a_request_of_its_own() {
    let (mut meter, _gateway, store) = metered().await;
    let names_there = ["line\nend", "control\u{1}", "return\r", "plain", "other"];
    for name in names_there {
        put(&*store, name, "x").await;
    }
    for outcome in store.delete_all(vec![deletion("never"), deletion("neither")]).await {
        outcome.expect("is removed");
    }
    meter.spent();
    for outcome in store.delete_all(names_there.map(deletion).to_vec()).await {
        outcome.expect("is removed");
    }
    assert_eq!(meter.spent().0, 4, "one for two keys, and three");
    assert_eq!(names(&*store).await, [""; 0]);
}
