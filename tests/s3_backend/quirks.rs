//! Storage that differs from S3: the driver compensates what it can, and refuses the rest.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::upstream::Upstream,
};
use causeway::{
    model::{Attributes, ByteRange, PartNumber, Span},
    store::{
        CopyAttributes, CopyPartRequest, CopyRequest, GetRequest, Selection, Store, error::StoreErrorKind,
        payload::Payload,
    },
};
use std::sync::Arc;

async fn rclone() -> (Gateway, Arc<dyn Store>) {
    let gateway = Gateway::before(Upstream::rclone());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    (gateway, store)
}

fn described(colour: &str) -> Attributes {
    let user = [("colour".to_owned(), colour.to_owned())].into();
    Attributes {
        expires: Some("Fri, 01 Jan 2100 00:00:00 GMT".into()),
        content_type: Some("text/plain".into()),
        user,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_range_answered_with_200_is_a_range() {
    let (_gateway, store) = rclone().await;
    put(&*store, "key", "0123456789").await;
    for (range, span, expected) in [
        (ByteRange::FromTo(2, 4), Span { start: 2, end: 5 }, &b"234"[..]),
        (ByteRange::From(7), Span { start: 7, end: 10 }, b"789"),
        (ByteRange::Suffix(1), Span { start: 9, end: 10 }, b"9"),
    ] {
        let request = GetRequest { selection: Selection::Range(range), ..Default::default() };
        let reply = store.get(key("key").current(), request).await.expect("is there");
        assert_eq!((reply.span, reply.info.size), (span, 10));
        assert_eq!(collect(reply).await.expect("readable"), expected);
    }
}

#[tokio::test]
async fn metadata_are_kept_and_copied_as_they_are_and_replaced_wholly() {
    let (_gateway, store) = rclone().await;
    put_with(&*store, "source", "x", described("blue")).await;
    assert_eq!(head(&*store, "source").await.attributes, described("blue"));
    store.copy(&key("copy"), copy_request(&store, "source")).await.expect("is copied");
    assert_eq!(head(&*store, "copy").await.attributes, described("blue"));
    let attributes = CopyAttributes { metadata: Some(Attributes::default()), ..Default::default() };
    store
        .copy(&key("bare"), CopyRequest { attributes, ..copy_request(&store, "source") })
        .await
        .expect("is copied");
    assert!(head(&*store, "bare").await.attributes.user.is_empty());
}

#[tokio::test]
async fn an_upload_is_answered_with_the_etag_its_object_has() {
    let (_gateway, store) = rclone().await;
    put_with(&*store, "source", "copied", described("blue")).await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    let (two, source) = (PartNumber::new(2).expect("a number"), copy_source(&store, "source"));
    let copied = store
        .copy_part(&upload.key, &upload.id, two, CopyPartRequest { source, range: None })
        .await
        .expect("is copied");
    upload.sent(2, &copied);
    let written = upload.complete().await;
    assert_eq!(head(&*store, "key").await.etag, written.etag);
    let whole = read(&*store, "key").await;
    assert!(whole.len() == LARGE + 6 && whole.ends_with(b"copied"));
}

#[tokio::test]
async fn a_key_that_would_be_another_is_refused() {
    let (_gateway, store) = rclone().await;
    put(&*store, "x", "x").await;
    let write = async |name: &str| store.put(&key(name), request(Payload::from_bytes("odd"))).await;
    assert_eq!(refused(write("x/").await), StoreErrorKind::NotImplemented);
    // The storage itself refuses these keys.
    for name in ["/x", "a//x", "a/../x", "."] {
        assert_eq!(refused(write(name).await), StoreErrorKind::InvalidRequest, "{name}");
    }
    assert_absent(&*store, "x/").await;
    delete(&*store, "x/").await;
    assert_eq!(read(&*store, "x").await, b"x");
    assert_eq!(names(&*store).await, ["x"]);
}
