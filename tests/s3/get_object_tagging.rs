//! GetObjectTagging over the wire.

use crate::support::{ADMIN, BOB, Server, failure, is, put, raw::RawRequest};
use aws_sdk_s3::types::ObjectCannedAcl;

#[tokio::test]
async fn an_object_without_tags_has_an_empty_set() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let tags = client.get_object_tagging().bucket(&bucket).key("k").send().await.expect("tags");
    assert!(tags.tag_set().is_empty());
    assert_eq!(
        failure(client.get_object_tagging().bucket(&bucket).key("missing").send().await),
        is(404, "NoSuchKey")
    );
}

#[tokio::test]
async fn tags_given_with_the_object_are_decoded_and_shown_in_order() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").tagging("e&a%20b=c+d").send().await.expect("put");
    let tags = client.get_object_tagging().bucket(&bucket).key("k").send().await.expect("tags");
    let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(tags, [("a b", "c d"), ("e", "")]);
}

#[tokio::test]
async fn an_acl_lets_nobody_read_tags_nor_count_nor_copy_them() {
    let server = Server::start();
    let client = server.client();
    let (bucket, bobs) = (server.bucket(&client).await, server.bucket(&server.client_of(BOB)).await);
    client
        .put_object()
        .bucket(&bucket)
        .key("k")
        .tagging("a=b")
        .acl(ObjectCannedAcl::PublicRead)
        .send()
        .await
        .expect("put");
    client
        .put_object()
        .bucket(&bucket)
        .key("plain")
        .acl(ObjectCannedAcl::PublicRead)
        .send()
        .await
        .expect("put");
    let (k, tagging) = (format!("/{bucket}/k"), format!("/{bucket}/k?tagging"));
    assert_eq!(server.raw().get(&k).anonymous().send().status, 200, "the object is public");
    assert_eq!(server.raw().get(&tagging).anonymous().send().failure(), is(403, "AccessDenied"));
    assert_eq!(server.raw_of(BOB).get(&tagging).send().failure(), is(403, "AccessDenied"));
    assert!(server.raw_of(ADMIN).get(&tagging).send().text().contains("<Key>a</Key>"));
    let count = |who: RawRequest| who.send().header("x-amz-tagging-count").map(str::to_owned);
    for method in ["GET", "HEAD"] {
        assert_eq!(count(server.raw().request(method, &k).anonymous()), None);
        assert_eq!(count(server.raw_of(BOB).request(method, &k)), None);
        assert_eq!(count(server.raw().request(method, &k)).as_deref(), Some("1"));
    }
    let copy = |from: &str, directive: &str| {
        let copy = server
            .raw_of(BOB)
            .put(format!("/{bobs}/copy"), "")
            .header("x-amz-copy-source", format!("{bucket}/{from}"));
        copy.header("x-amz-tagging-directive", directive).send()
    };
    assert_eq!(copy("k", "COPY").failure(), is(403, "AccessDenied"));
    assert_eq!(copy("k", "REPLACE").status, 200);
    assert_eq!(copy("plain", "COPY").status, 200, "without tags there are none to hide");
}
