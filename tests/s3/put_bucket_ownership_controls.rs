//! PutBucketOwnershipControls, GetBucketOwnershipControls and DeleteBucketOwnershipControls over the wire, and
//! what becomes of ACLs where they are off.

use crate::support::{Server, failure, is, put};
use aws_sdk_s3::{
    Client,
    types::{BucketCannedAcl, ObjectCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule},
};

fn controls(ownership: ObjectOwnership) -> OwnershipControls {
    let rule = OwnershipControlsRule::builder().object_ownership(ownership).build().expect("a rule");
    OwnershipControls::builder().rules(rule).build().expect("controls")
}

async fn shown(client: &Client, bucket: &str) -> Option<ObjectOwnership> {
    let reply = client.get_bucket_ownership_controls().bucket(bucket).send().await.ok()?;
    Some(reply.ownership_controls?.rules.first()?.object_ownership.clone())
}

#[tokio::test]
async fn the_ownership_is_shown_as_it_was_set_until_it_is_deleted() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let missing = is(404, "OwnershipControlsNotFoundError");
    assert_eq!(failure(client.get_bucket_ownership_controls().bucket(&bucket).send().await), missing);
    for ownership in [
        ObjectOwnership::BucketOwnerEnforced,
        ObjectOwnership::BucketOwnerPreferred,
        ObjectOwnership::ObjectWriter,
    ] {
        let set = client.put_bucket_ownership_controls().bucket(&bucket);
        set.ownership_controls(controls(ownership.clone())).send().await.expect("set");
        assert_eq!(shown(&client, &bucket).await, Some(ownership));
    }
    for _ in 0..2 {
        client.delete_bucket_ownership_controls().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(failure(client.get_bucket_ownership_controls().bucket(&bucket).send().await), missing);
    }
}

#[tokio::test]
async fn where_acls_are_off_only_those_that_change_nothing_are_taken() {
    let server = Server::start();
    let client = server.client();
    let bucket = "acls-are-off";
    let create = client.create_bucket().bucket(bucket).object_ownership(ObjectOwnership::BucketOwnerEnforced);
    create.send().await.expect("a bucket");
    assert_eq!(shown(&client, bucket).await, Some(ObjectOwnership::BucketOwnerEnforced));
    put(&client, bucket, "k", "hello").await;
    let refused = is(400, "AccessControlListNotSupported");
    for acl in [ObjectCannedAcl::Private, ObjectCannedAcl::PublicRead] {
        let with_acl = client.put_object().bucket(bucket).key("k").acl(acl.clone());
        assert_eq!(failure(with_acl.send().await), refused, "{acl}");
        let change = client.put_object_acl().bucket(bucket).key("k").acl(acl.clone());
        assert_eq!(failure(change.send().await), refused, "{acl}");
    }
    let public = client.put_bucket_acl().bucket(bucket).acl(BucketCannedAcl::PublicRead);
    assert_eq!(failure(public.send().await), refused);
    let full = ObjectCannedAcl::BucketOwnerFullControl;
    client.put_object().bucket(bucket).key("k").acl(full.clone()).send().await.expect("put");
    client.put_object_acl().bucket(bucket).key("k").acl(full).send().await.expect("set");
    // What is shown is what can be sent back.
    for target in [format!("/{bucket}?acl"), format!("/{bucket}/k?acl")] {
        let document = server.raw().get(&target).send();
        assert_eq!(document.status, 200);
        assert_eq!(server.raw().put(&target, document.body).send().status, 200, "{target}");
    }
}

#[tokio::test]
async fn acls_are_not_turned_off_while_that_of_the_bucket_grants_something() {
    let server = Server::start();
    let client = server.client();
    let clash = is(400, "InvalidBucketAclWithObjectOwnership");
    let create = client.create_bucket().bucket("never-made").acl(BucketCannedAcl::PublicRead);
    let create = create.object_ownership(ObjectOwnership::BucketOwnerEnforced);
    assert_eq!(failure(create.send().await), clash);
    let bucket = server.bucket(&client).await;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    let enforce = || {
        let set = client.put_bucket_ownership_controls().bucket(&bucket);
        set.ownership_controls(controls(ObjectOwnership::BucketOwnerEnforced)).send()
    };
    assert_eq!(failure(enforce().await), clash);
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    enforce().await.expect("set");
}

#[tokio::test]
async fn an_acl_from_before_grants_nothing_while_acls_are_off() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await.expect("put");
    let read = || server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
    assert_eq!(read(), 200);
    let set = client.put_bucket_ownership_controls().bucket(&bucket);
    set.ownership_controls(controls(ObjectOwnership::BucketOwnerEnforced)).send().await.expect("set");
    assert_eq!(read(), 403);
    let acl = client.get_object_acl().bucket(&bucket).key("k").send().await.expect("an ACL");
    assert_eq!(acl.grants().len(), 1, "only the owner is shown");
    client.delete_bucket_ownership_controls().bucket(&bucket).send().await.expect("deleted");
    assert_eq!(read(), 200);
}

#[tokio::test]
async fn the_server_says_whether_acls_are_off_in_new_buckets() {
    let server = Server::configured("default_object_ownership = \"BucketOwnerEnforced\"", "");
    let client = server.client();
    let bucket = server.bucket(&client).await;
    assert_eq!(shown(&client, &bucket).await, Some(ObjectOwnership::BucketOwnerEnforced));
    let asked = client.create_bucket().bucket("acls-are-on").object_ownership(ObjectOwnership::ObjectWriter);
    asked.send().await.expect("a bucket");
    assert_eq!(shown(&client, "acls-are-on").await, Some(ObjectOwnership::ObjectWriter));
    let public = client.create_bucket().bucket("public").acl(BucketCannedAcl::PublicRead);
    assert_eq!(failure(public.send().await), is(400, "InvalidBucketAclWithObjectOwnership"));
}
