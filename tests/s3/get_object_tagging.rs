//! GetObjectTagging over the wire.

use crate::support::{Server, failure, is, put};

#[tokio::test]
async fn an_object_without_tags_has_an_empty_set() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let tags = client.get_object_tagging().bucket(&bucket).key("k").send().await.expect("tags");
    assert!(tags.tag_set().is_empty());
    assert_eq!(failure(client.get_object_tagging().bucket(&bucket).key("missing").send().await), is(404, "NoSuchKey"));
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
