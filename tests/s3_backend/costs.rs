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
