//! The cost of operations on the storage: requests, and bytes sent to it.

use crate::{
    client::*,
    gateway::{Gateway, new_container},
    support::{
        proxy::{Direction, Proxy},
        upstream::Upstream,
    },
};
use bytes::Bytes;
use causeway::store::{ListRequest, Selection, Store, condition::ETagMatch, condition::WriteConditions};

const HEADS: u64 = 16 << 10;

/// Counts the requests and the bytes sent between two calls.
struct Meter(Proxy, usize, u64);

impl Meter {
    fn new() -> Self {
        Self(Proxy::to(Upstream::azurite().address), 0, 0)
    }

    fn spent(&mut self) -> (usize, u64) {
        let (requests, bytes) = (self.0.requests(), self.0.bytes(Direction::Up));
        let spent = (requests - self.1, bytes - self.2);
        (self.1, self.2) = (requests, bytes);
        spent
    }
}

async fn metered() -> (Meter, Gateway, std::sync::Arc<dyn Store>) {
    let mut meter = Meter::new();
    let gateway = Gateway::behind(&meter.0);
    let store = gateway.bucket(&new_container()).await;
    meter.spent();
    (meter, gateway, store)
}

#[tokio::test]
async fn a_small_object_is_written_read_and_removed_in_one_request_each() {
    let (mut meter, _gateway, store) = metered().await;
    put(&*store, "key", "x").await;
    assert_eq!(meter.spent().0, 1, "put");
    assert_eq!(store.get(key("key").current(), Default::default()).await.expect("is there").span.len(), 1);
    assert_eq!(meter.spent().0, 1, "get");
    store.head(key("key").current(), &Default::default()).await.expect("is there");
    assert_eq!(meter.spent().0, 1, "head");
    list(&*store, ListRequest { limit: 1000, ..Default::default() }).await;
    assert_eq!(meter.spent().0, 1, "list");
    delete(&*store, "key").await;
    assert_eq!(meter.spent().0, 1, "delete");
    put_if(&*store, "key", "x", if_absent()).await.expect("was absent");
    assert_eq!(meter.spent().0, 1, "put if absent");
    let still =
        WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag_of(b"x")])), ..Default::default() };
    put_if(&*store, "key", "y", still).await.expect("is still there");
    assert_eq!(meter.spent().0, 2, "put if still the same");
}

#[tokio::test]
async fn a_long_object_crosses_once_and_in_two_requests() {
    let (mut meter, _gateway, store) = metered().await;
    let body = bytes(1, 20 << 20);
    put(&*store, "key", body.clone()).await;
    let (requests, sent) = meter.spent();
    assert_eq!(requests, 2);
    assert!(sent <= body.len() as u64 + HEADS, "{sent}");
    assert_eq!(
        store.get(key("key").current(), Default::default()).await.expect("is there").span.len(),
        body.len() as u64
    );
    let range = causeway::store::GetRequest {
        selection: Selection::Range(causeway::model::ByteRange::FromTo(5, 9)),
        ..Default::default()
    };
    assert_eq!(
        collect(store.get(key("key").current(), range).await.expect("is there")).await.expect("readable"),
        body[5..10]
    );
    assert_eq!(meter.spent().0, 2, "one for the whole, one for the range");
}

#[tokio::test]
async fn a_part_crosses_once_and_completing_costs_no_bytes() {
    let (mut meter, _gateway, store) = metered().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    assert_eq!(meter.spent().0, 0, "begin");
    for n in 1..=4 {
        upload.part(n, large(n as usize - 1)).await;
        let (requests, sent) = meter.spent();
        assert_eq!(requests, 1, "part {n}");
        assert!(sent <= LARGE as u64 + HEADS, "{sent}");
    }
    upload.complete().await;
    let (requests, sent) = meter.spent();
    // The three requests commit, copy, and remove the staged blob.
    assert_eq!(requests, 3, "complete");
    assert!(sent < HEADS, "{sent}");
    copy(&*store, "copy", &store, "key").await.expect("is copied");
    // A copy of a multipart object gets another ETag, and computing it needs all bytes.
    assert!(meter.spent().1 >= 4 * LARGE as u64);
    copy(&*store, "again", &store, "copy").await.expect("is copied");
    let (requests, sent) = meter.spent();
    assert_eq!(requests, 2, "look, and copy");
    assert!(sent < HEADS, "{sent}");
}

#[tokio::test]
async fn a_listing_costs_two_requests_a_page_wherever_the_page_is() {
    let (mut meter, _gateway, store) = metered().await;
    for n in 0..60 {
        put(&*store, &format!("{}/{n:02}", n % 3), Bytes::new()).await;
    }
    meter.spent();
    for (request, pages) in [
        (ListRequest { limit: 7, ..Default::default() }, 9),
        (ListRequest { limit: 5, prefix: "1/".into(), ..Default::default() }, 4),
        (ListRequest { limit: 1, delimiter: Some("/".into()), ..Default::default() }, 3),
    ] {
        walk(&*store, request.clone()).await;
        let (requests, _) = meter.spent();
        // The last page may be full. It says that nothing follows, so it costs no further request.
        assert!(requests <= 2 * pages, "{requests} for {request:?}");
    }
}

#[tokio::test]
async fn what_is_written_between_two_pages_is_on_the_second() {
    let (_meter, _gateway, store) = metered().await;
    for name in ["a", "b", "e", "f"] {
        put(&*store, name, Bytes::new()).await;
    }
    let first = list(&*store, ListRequest { limit: 2, ..Default::default() }).await;
    assert_eq!(first.entries.iter().map(|entry| entry.name()).collect::<Vec<_>>(), ["a", "b"]);
    put(&*store, "c", Bytes::new()).await;
    let second = list(&*store, ListRequest { limit: 2, after: Some("b".into()), ..Default::default() }).await;
    assert_eq!(second.entries.iter().map(|entry| entry.name()).collect::<Vec<_>>(), ["c", "e"]);
}
