//! PutObjectAcl over the wire.

use crate::support::{ALICE, BOB, Server, failure, is, put};
use aws_sdk_s3::types::ObjectCannedAcl;

#[tokio::test]
async fn an_acl_opens_and_closes_an_object() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let before = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    let read = || server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
    assert_eq!(read(), 403);
    client
        .put_object_acl()
        .bucket(&bucket)
        .key("k")
        .acl(ObjectCannedAcl::PublicRead)
        .send()
        .await
        .expect("acl");
    assert_eq!(read(), 200);
    client.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::Private).send().await.expect("acl");
    assert_eq!(read(), 403);
    let after = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!((after.e_tag(), after.last_modified()), (before.e_tag(), before.last_modified()));
}

#[tokio::test]
async fn the_policy_that_is_shown_can_be_put_back() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await.expect("put");
    let raw = server.raw();
    let policy = raw.get(format!("/{bucket}/k?acl")).send().body;
    client.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::Private).send().await.expect("acl");
    assert_eq!(raw.put(format!("/{bucket}/k?acl"), &policy).send().status, 200);
    assert_eq!(raw.get(format!("/{bucket}/k")).anonymous().send().status, 200);
}

#[tokio::test]
async fn grants_that_we_do_not_keep_are_refused() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    let granted = alice.put_object_acl().bucket(&bucket).key("k").grant_read("id=\"somebody\"").send().await;
    assert_eq!(failure(granted), is(501, "NotImplemented"));
    assert_eq!(
        server.raw().put(format!("/{bucket}/k?acl"), "").send().failure(),
        is(400, "MissingSecurityHeader")
    );
    let theirs = bob.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await;
    assert_eq!(failure(theirs), is(403, "AccessDenied"));
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().status, 403);
}
