//! CreateBucket over the wire.

use crate::support::{
    ADMIN, ALICE, BOB, READER, Server, failure, get,
    hostile::{Hostile, Said},
    is, put,
};
use aws_sdk_s3::types::BucketCannedAcl;

#[tokio::test]
async fn a_bucket_is_there_once_it_was_created() {
    let server = Server::start();
    let reply = server.raw().put("/first", "").send();
    assert_eq!((reply.status, reply.header("location")), (200, Some("/first")));
    assert_eq!(
        (reply.header("x-amz-bucket-region"), reply.header("x-amz-bucket-arn")),
        (Some("us-east-1"), Some("arn:aws:s3:::first"))
    );
    let body = "<CreateBucketConfiguration><LocationConstraint>eu-west-3</LocationConstraint></CreateBucketConfiguration>";
    assert_eq!(server.raw().put("/second", body).send().header("x-amz-bucket-region"), Some("eu-west-3"));
    server.client().head_bucket().bucket("first").send().await.expect("it is there");
}

#[tokio::test]
async fn names_that_s3_refuses_are_invalid() {
    let server = Server::start();
    let raw = server.raw();
    for name in [
        "a",
        "aa",
        "foo_bar",
        "foo-",
        "foo..bar",
        "foo.-bar",
        "Upper",
        "192.168.5.123",
        &"a".repeat(64),
        "_foo",
    ] {
        assert_eq!(raw.put(format!("/{name}"), "").send().failure(), is(400, "InvalidBucketName"), "{name}");
    }
    for name in [
        "photos-111122223333-us-east-1-an",
        "photos.mrap",
        "photos--x-s3",
        "photos--table-s3",
        "sthree-photos",
        "amzn-s3-demo-a",
    ] {
        assert_eq!(raw.put(format!("/{name}"), "").send().failure(), is(400, "InvalidBucketName"), "{name}");
    }
    for name in ["aaa.111", "aaa-111", "0aa", &"a".repeat(63)] {
        assert_eq!(raw.put(format!("/{name}"), "").send().status, 200, "{name}");
    }
}

#[tokio::test]
async fn creating_ones_own_bucket_again_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "kept").await;
    client.create_bucket().bucket(&bucket).send().await.expect("as in us-east-1");
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"kept"[..]));
    let open = client.create_bucket().bucket(&bucket).acl(BucketCannedAcl::PublicRead);
    assert_eq!(failure(open.send().await), is(409, "BucketAlreadyOwnedByYou"));
    assert_eq!(server.raw().get(format!("/{bucket}")).anonymous().send().status, 403);
}

#[tokio::test]
async fn outside_the_classic_region_a_bucket_is_created_once() {
    let server = Server::configured("region = \"eu-north-1\"\naccept_any_region = true", "");
    let raw = server.raw();
    assert_eq!(raw.put("/first", "").send().status, 200);
    assert_eq!(raw.put("/first", "").send().failure(), is(409, "BucketAlreadyOwnedByYou"));
}

#[tokio::test]
async fn names_are_shared_by_all() {
    let server = Server::start();
    let bucket = server.bucket(&server.client_of(ALICE)).await;
    for other in [BOB, ADMIN] {
        let create = server.client_of(other).create_bucket().bucket(&bucket);
        assert_eq!(failure(create.send().await), is(409, "BucketAlreadyExists"));
    }
}

/// The storage behind the bucket answers only "404", as Google's does for a project that does not exist.
#[test]
fn a_bucket_that_the_storage_does_not_make_is_no_missing_key() {
    for words in ["", "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>"] {
        let storage = Hostile::start(move |_| Said::new(404, words));
        let sections = format!(
            "[backend.lake]\ntype = \"s3\"\nendpoint = \"http://{}\"\naccess_key = \"k\"\nsecret_key = \"s\"\n\
             [default]\nbackend = \"lake\"\n",
            storage.address()
        );
        let server = Server::configured("", &sections);
        let refused = server.raw().put("/first", "").send();
        assert_eq!(
            (refused.failure(), refused.element("Key")),
            (is(503, "ServiceUnavailable"), None),
            "{words}"
        );
        assert_eq!(server.raw().request("HEAD", "/first").send().status, 404, "and there is no bucket");
    }
}

#[tokio::test]
async fn only_who_may_write_creates_buckets() {
    let server = Server::start();
    assert_eq!(server.raw_of(READER).put("/first", "").send().failure(), is(403, "AccessDenied"));
    assert_eq!(server.raw().put("/first", "").anonymous().send().failure(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn what_we_cannot_promise_of_a_bucket_is_refused() {
    let server = Server::start();
    let raw = server.raw();
    let cases = [
        ("x-amz-bucket-object-lock-enabled", "true", (501, "NotImplemented")),
        ("x-amz-object-ownership", "Everyone", (400, "InvalidArgument")),
        ("x-amz-grant-read", "id=somebody", (501, "NotImplemented")),
        ("x-amz-bucket-namespace", "account-regional", (501, "NotImplemented")),
        ("x-amz-acl", "everyone", (400, "InvalidArgument")),
    ];
    for (name, value, (status, code)) in cases {
        assert_eq!(
            raw.put("/first", "").header(name, value).send().failure(),
            is(status, code),
            "{name}: {value}"
        );
    }
    let document = |inner: &str| format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
    for (body, (status, code)) in [
        (document("<LocationConstraint>no where</LocationConstraint>"), (400, "InvalidLocationConstraint")),
        (document("<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"), (501, "NotImplemented")),
        ("nonsense".to_owned(), (400, "MalformedXML")),
    ] {
        assert_eq!(raw.put("/first", &body).send().failure(), is(status, code), "{body}");
    }
    assert_eq!(raw.request("HEAD", "/first").send().status, 404);
    assert_eq!(raw.put("/first", "").header("x-amz-object-ownership", "ObjectWriter").send().status, 200);
}
