//! `x-amz-expected-bucket-owner` and its form for the source of a copy: the account that must own a bucket.

use crate::support::{ADMIN, BOB, Server, failure, is, put};
use causeway::model::account_id;

/// The account of the identity that owns a bucket.
fn account(server: &Server, bucket: &str) -> String {
    let acl = server.raw_of(ADMIN).get(format!("/{bucket}?acl")).send();
    account_id(&acl.element("ID").expect("an owner")).to_string()
}

#[tokio::test]
async fn a_bucket_of_another_account_than_expected_is_refused_by_every_kind_of_operation() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let bobs = account(&server, &server.bucket(&server.client_of(BOB)).await);
    let own = account(&server, &bucket);
    let raw = server.raw();
    let requests = || {
        [
            raw.get(format!("/{bucket}/k")),
            raw.request("HEAD", format!("/{bucket}")),
            raw.get(format!("/{bucket}?list-type=2")),
            raw.put(format!("/{bucket}/new"), "x"),
            raw.get(format!("/{bucket}?acl")),
            raw.get(format!("/{bucket}?requestPayment")),
            raw.request("DELETE", format!("/{bucket}/new")),
        ]
    };
    for (expected, status) in [(own.as_str(), 2), (&bobs, 4)] {
        for request in requests() {
            let reply = request.header("x-amz-expected-bucket-owner", expected).send();
            assert_eq!(reply.status / 100, status, "{}", reply.text());
            assert!(status == 2 || reply.status == 403);
        }
    }
    let canonical = raw.get(format!("/{bucket}/k")).header("x-amz-expected-bucket-owner", "alice").send();
    assert_eq!(canonical.failure(), is(400, "InvalidBucketOwnerAWSAccountID"));
}

#[tokio::test]
async fn a_copy_expects_both_owners() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let own = account(&server, &bucket);
    let copy = |source: &str| {
        let copy = client.copy_object().bucket(&bucket).key("copy").copy_source(format!("{bucket}/k"));
        copy.expected_bucket_owner(&own).expected_source_bucket_owner(source).send()
    };
    copy(&own).await.expect("copied");
    assert_eq!(failure(copy("000000000000").await), is(403, "AccessDenied"));
}
