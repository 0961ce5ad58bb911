//! DeleteObject over the wire.

use crate::support::{ALICE, BOB, Server, failure, get, is, put};
use aws_sdk_s3::primitives::DateTime;

#[tokio::test]
async fn deleting_is_done_once_and_asked_as_often_as_one_likes() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a", "x").await;
    put(&client, &bucket, "a/b", "y").await;
    for _ in 0..2 {
        assert_eq!(server.raw().request("DELETE", format!("/{bucket}/a")).send().status, 204);
        assert_eq!(get(&client, &bucket, "a").await, None);
    }
    assert_eq!(get(&client, &bucket, "a/b").await.as_deref(), Some(&b"y"[..]));
    assert_eq!(
        failure(client.delete_object().bucket("no-such-bucket").key("k").send().await),
        is(404, "NoSuchBucket")
    );
}

#[tokio::test]
async fn conditions_protect_what_the_client_does_not_know() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let modified = *client
        .head_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .expect("head")
        .last_modified()
        .expect("a date");
    let delete = || client.delete_object().bucket(&bucket).key("k");
    let refused = is(412, "PreconditionFailed");
    assert_eq!(failure(delete().if_match("\"other\"").send().await), refused);
    assert_eq!(failure(delete().if_match_size(4).send().await), refused);
    assert_eq!(
        failure(delete().if_match_last_modified_time(DateTime::from_secs(1_000_000_000)).send().await),
        refused
    );
    let unknown = server.raw().request("DELETE", format!("/{bucket}/k")).header("if-none-match", "*").send();
    assert_eq!(unknown.failure(), is(501, "NotImplemented"));
    assert!(get(&client, &bucket, "k").await.is_some());
    let right = delete()
        .if_match("\"5d41402abc4b2a76b9719d911017c592\"")
        .if_match_size(5)
        .if_match_last_modified_time(modified);
    right.send().await.expect("deleted");
    assert_eq!(get(&client, &bucket, "k").await, None);
    // In S3, deleting a missing object succeeds, whatever the condition.
    assert!(delete().if_match("\"other\"").send().await.is_ok());
}

#[tokio::test]
async fn only_the_null_version_exists() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    for (id, refused) in [
        ("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA", is(404, "NoSuchVersion")),
        ("3L4kqtJlcpXroDTDmJ", is(400, "InvalidArgument")),
    ] {
        let other = client.delete_object().bucket(&bucket).key("k").version_id(id).send().await;
        assert_eq!(failure(other), refused, "{id}");
    }
    assert!(get(&client, &bucket, "k").await.is_some());
    assert!(client.delete_object().bucket(&bucket).key("k").version_id("null").send().await.is_ok());
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn nobody_deletes_what_is_not_theirs() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    assert_eq!(failure(bob.delete_object().bucket(&bucket).key("k").send().await), is(403, "AccessDenied"));
    assert_eq!(
        server.raw().request("DELETE", format!("/{bucket}/k")).anonymous().send().failure(),
        is(403, "AccessDenied")
    );
    assert!(get(&alice, &bucket, "k").await.is_some());
}
