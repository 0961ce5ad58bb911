//! ListObjects, the first version, over the wire.

use crate::support::{ADMIN, ALICE, BOB, Server, failure, is, put, raw::RawRequest};
use aws_sdk_s3::{operation::list_objects::ListObjectsOutput, types::BucketCannedAcl};

fn keys(page: &ListObjectsOutput) -> Vec<&str> {
    page.contents().iter().filter_map(|object| object.key()).collect()
}

fn prefixes(page: &ListObjectsOutput) -> Vec<&str> {
    page.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect()
}

#[tokio::test]
async fn pages_go_on_from_a_marker() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in ["bar", "baz", "foo"] {
        put(&client, &bucket, key, "x").await;
    }
    let list = || client.list_objects().bucket(&bucket);
    let first = list().max_keys(2).send().await.expect("a page");
    // Without a delimiter the next marker is the last key, so it is left out.
    assert_eq!(
        (keys(&first), first.is_truncated(), first.next_marker()),
        (vec!["bar", "baz"], Some(true), None)
    );
    assert_eq!(first.marker(), Some(""));
    assert!(first.contents()[0].owner().is_some_and(|owner| owner.id().is_some()));
    for (marker, expected) in
        [("baz", vec!["foo"]), ("blah", vec!["foo"]), ("\n", vec!["bar", "baz", "foo"]), ("zzz", vec![])]
    {
        let page = list().marker(marker).send().await.expect("a page");
        assert_eq!((keys(&page), page.is_truncated(), page.marker()), (expected, Some(false), Some(marker)));
    }
}

#[tokio::test]
async fn with_a_delimiter_the_next_marker_may_be_a_prefix() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in ["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"] {
        put(&client, &bucket, key, "x").await;
    }
    let mut marker = String::new();
    for (expected_keys, expected_prefixes, next) in [
        (vec!["asdf"], vec![], Some("asdf")),
        (vec![], vec!["boo/"], Some("boo/")),
        (vec![], vec!["cquux/"], None),
    ] {
        let page = client
            .list_objects()
            .bucket(&bucket)
            .delimiter("/")
            .max_keys(1)
            .marker(&marker)
            .send()
            .await
            .expect("a page");
        assert_eq!(
            (keys(&page), prefixes(&page), page.next_marker()),
            (expected_keys, expected_prefixes, next)
        );
        assert_eq!(page.is_truncated(), Some(next.is_some()));
        marker = next.unwrap_or_default().to_owned();
    }
}

#[tokio::test]
async fn markers_are_encoded_like_keys() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in ["a b/1", "a c/1"] {
        put(&client, &bucket, key, "x").await;
    }
    let reply =
        server.raw().get(format!("/{bucket}?encoding-type=url&delimiter=%2F&max-keys=1&marker=a%20")).send();
    assert_eq!(reply.element("Marker").as_deref(), Some("a%20"));
    assert_eq!(reply.element("NextMarker").as_deref(), Some("a%20b/"));
}

#[tokio::test]
async fn nonsense_is_an_invalid_argument() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for query in ["max-keys=blah", "max-keys=-1", "encoding-type=utf8", "list-type=3"] {
        assert_eq!(
            server.raw().get(format!("/{bucket}?{query}")).send().failure(),
            is(400, "InvalidArgument"),
            "{query}"
        );
    }
    assert_eq!(failure(client.list_objects().bucket("no-such-bucket").send().await), is(404, "NoSuchBucket"));
}

#[tokio::test]
async fn who_reads_by_an_acl_learns_the_id_of_the_owner_and_no_name() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("acl");
    for query in ["", "?list-type=2&fetch-owner=true", "?versions"] {
        let of = |request: RawRequest| request.send().text();
        let (own, admins) = (
            of(server.raw().get(format!("/{bucket}{query}"))),
            of(server.raw_of(ADMIN).get(format!("/{bucket}{query}"))),
        );
        assert!(own.contains(ALICE.access_key) && admins.contains(ALICE.access_key), "{query}: {own}");
        let others = [
            of(server.raw().get(format!("/{bucket}{query}")).anonymous()),
            of(server.raw_of(BOB).get(format!("/{bucket}{query}"))),
        ];
        for other in others {
            assert!(other.contains("<Owner><ID>") && !other.contains(ALICE.access_key), "{query}: {other}");
        }
    }
}
