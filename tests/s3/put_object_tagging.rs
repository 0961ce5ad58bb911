//! PutObjectTagging over the wire.

use crate::support::{ALICE, BOB, Server, failure, is, put};
use aws_sdk_s3::types::{Tag, Tagging};

pub fn tagging(tags: &[(&str, &str)]) -> Tagging {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().expect("a tag");
    Tagging::builder().set_tag_set(Some(tags.iter().map(tag).collect())).build().expect("tags")
}

#[tokio::test]
async fn tags_replace_tags_and_leave_the_object_alone() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let before = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    for tags in [&[("a", "1"), ("b&", "<2>")][..], &[("c", "")]] {
        client
            .put_object_tagging()
            .bucket(&bucket)
            .key("k")
            .tagging(tagging(tags))
            .send()
            .await
            .expect("tagged");
        let read = client.get_object_tagging().bucket(&bucket).key("k").send().await.expect("tags");
        assert_eq!(read.tag_set(), tagging(tags).tag_set());
    }
    let after = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!((after.e_tag(), after.last_modified()), (before.e_tag(), before.last_modified()));
    assert_eq!(after.tag_count(), Some(1));
}

#[tokio::test]
async fn limits_of_s3_hold_and_refused_tags_change_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let tag = |tags: &[(&str, &str)]| {
        client.put_object_tagging().bucket(&bucket).key("k").tagging(tagging(tags)).send()
    };
    let names: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(failure(tag(&eleven).await), is(400, "InvalidTag"));
    assert_eq!(failure(tag(&[(&"k".repeat(129), "")]).await), is(400, "InvalidTag"));
    assert_eq!(failure(tag(&[("k", &"v".repeat(257))]).await), is(400, "InvalidTag"));
    assert_eq!(failure(tag(&[("k", "1"), ("k", "2")]).await), is(400, "InvalidTag"));
    assert_eq!(
        server.raw().put(format!("/{bucket}/k?tagging"), "<Tagging>").send().failure(),
        is(400, "MalformedXML")
    );
    let head = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!(head.tag_count(), None);
    let missing = client
        .put_object_tagging()
        .bucket(&bucket)
        .key("missing")
        .tagging(tagging(&[("a", "b")]))
        .send()
        .await;
    assert_eq!(failure(missing), is(404, "NoSuchKey"));
}

#[tokio::test]
async fn only_the_owner_tags() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    let theirs =
        bob.put_object_tagging().bucket(&bucket).key("k").tagging(tagging(&[("a", "b")])).send().await;
    assert_eq!(failure(theirs), is(403, "AccessDenied"));
}
