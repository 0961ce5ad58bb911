//! PutBucketTagging, GetBucketTagging and DeleteBucketTagging over the wire.

use crate::support::{BOB, Server, failure, is};
use aws_sdk_s3::types::{Tag, Tagging};

fn tagging(tags: &[(&str, &str)]) -> Tagging {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().expect("a tag");
    Tagging::builder().set_tag_set(Some(tags.iter().map(tag).collect())).build().expect("tags")
}

#[tokio::test]
async fn tags_of_a_bucket_are_replaced_as_a_whole_and_survive_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let missing = is(404, "NoSuchTagSet");
    assert_eq!(failure(client.get_bucket_tagging().bucket(&bucket).send().await), missing);
    for tags in [&[("a", "1"), ("b", "")][..], &[("c & d", "<e>")]] {
        let client = server.client();
        client.put_bucket_tagging().bucket(&bucket).tagging(tagging(tags)).send().await.expect("set");
        server.restart();
        let client = server.client();
        let found = client.get_bucket_tagging().bucket(&bucket).send().await.expect("tags");
        assert_eq!(found.tag_set(), tagging(tags).tag_set());
    }
    let client = server.client();
    for _ in 0..2 {
        client.delete_bucket_tagging().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(failure(client.get_bucket_tagging().bucket(&bucket).send().await), missing);
    }
}

#[tokio::test]
async fn fifty_tags_are_taken_and_what_s3_refuses_is_refused() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let names: Vec<String> = (0..51).map(|n| format!("key-{n}")).collect();
    let tags: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let put =
        |tags: &[(&str, &str)]| client.put_bucket_tagging().bucket(&bucket).tagging(tagging(tags)).send();
    put(&tags[..50]).await.expect("fifty");
    for refused in [
        &tags[..],
        &[("a", "1"), ("a", "2")],
        &[("aws:a", "1")],
        &[("", "1")],
        &[(&"k".repeat(129), "1")],
        &[("a", &"v".repeat(257))],
    ] {
        assert_eq!(failure(put(refused).await), is(400, "InvalidTag"), "{refused:?}");
    }
    let malformed = server.raw().put(format!("/{bucket}?tagging"), "<Tagging/>").send();
    assert_eq!(malformed.failure(), is(400, "MalformedXML"));
    let found = client.get_bucket_tagging().bucket(&bucket).send().await.expect("tags");
    assert_eq!(found.tag_set().len(), 50);
}

#[tokio::test]
async fn tags_of_a_bucket_are_its_owners() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let bob = server.client_of(BOB);
    let put = bob.put_bucket_tagging().bucket(&bucket).tagging(tagging(&[("a", "1")]));
    assert_eq!(failure(put.send().await), is(403, "AccessDenied"));
    assert_eq!(failure(bob.get_bucket_tagging().bucket(&bucket).send().await), is(403, "AccessDenied"));
    assert_eq!(failure(bob.delete_bucket_tagging().bucket(&bucket).send().await), is(403, "AccessDenied"));
}
