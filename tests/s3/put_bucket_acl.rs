//! PutBucketAcl over the wire.

use crate::support::{BOB, Server, failure, is, put};
use aws_sdk_s3::types::BucketCannedAcl;

#[tokio::test]
async fn an_acl_takes_effect_at_once_and_survives_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let anonymous = |server: &Server| server.raw().get(format!("/{bucket}")).anonymous().send().status;
    assert_eq!(anonymous(&server), 403);
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    assert_eq!(anonymous(&server), 200);
    assert_eq!(
        server.raw().put(format!("/{bucket}/k"), "x").anonymous().send().failure(),
        is(403, "AccessDenied")
    );
    server.restart();
    assert_eq!(anonymous(&server), 200);
    let client = server.client();
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    assert_eq!(anonymous(&server), 403);
}

#[tokio::test]
async fn each_canned_acl_lets_in_whom_it_names() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    for (acl, users, anyone, writes) in [
        (BucketCannedAcl::Private, false, false, false),
        (BucketCannedAcl::AuthenticatedRead, true, false, false),
        (BucketCannedAcl::PublicRead, true, true, false),
        (BucketCannedAcl::PublicReadWrite, true, true, true),
    ] {
        client.put_bucket_acl().bucket(&bucket).acl(acl.clone()).send().await.expect("set");
        let status = |allowed: bool| if allowed { 200 } else { 403 };
        assert_eq!(server.raw_of(BOB).get(format!("/{bucket}")).send().status, status(users), "{acl}");
        assert_eq!(server.raw().get(format!("/{bucket}")).anonymous().send().status, status(anyone), "{acl}");
        assert_eq!(
            server.raw().put(format!("/{bucket}/other"), "y").anonymous().send().status,
            status(writes),
            "{acl}"
        );
        // The ACL of a bucket gives no right on the objects in it.
        assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().status, 403, "{acl}");
    }
}

#[tokio::test]
async fn a_document_that_amounts_to_a_canned_acl_is_taken() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let acl = || server.raw().get(format!("/{bucket}?acl")).send();
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    let public = acl().body;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    assert_eq!(server.raw().put(format!("/{bucket}?acl"), &public).send().status, 200);
    assert_eq!(acl().body, public);
    let owner = acl().element("ID").expect("an owner");
    let document = |grants: &str| {
        format!(
            "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        )
    };
    let named = document("<Grant><Grantee><ID>somebody</ID></Grantee><Permission>READ</Permission></Grant>");
    for (body, (status, code)) in [
        (named, (501, "NotImplemented")),
        (document(""), (501, "NotImplemented")),
        ("<AccessControlPolicy/>".to_owned(), (400, "MalformedACLError")),
        (
            document("<Grant><Grantee><ID>a</ID></Grantee></Grant>").replace(&owner, "somebody"),
            (400, "MalformedACLError"),
        ),
        (document("").replace(&owner, "somebody"), (403, "AccessDenied")),
        (String::new(), (400, "MissingSecurityHeader")),
    ] {
        assert_eq!(
            server.raw().put(format!("/{bucket}?acl"), &body).send().failure(),
            is(status, code),
            "{body}"
        );
    }
    let both = server.raw().put(format!("/{bucket}?acl"), &public).header("x-amz-acl", "private").send();
    assert_eq!(both.failure(), is(400, "UnexpectedContent"));
    assert_eq!(acl().body, public);
}

#[tokio::test]
async fn only_its_owner_opens_a_bucket() {
    let server = Server::start();
    let client = server.client();
    client
        .create_bucket()
        .bucket("shared")
        .acl(BucketCannedAcl::PublicReadWrite)
        .send()
        .await
        .expect("a bucket");
    let put = server.client_of(BOB).put_bucket_acl().bucket("shared").acl(BucketCannedAcl::Private);
    assert_eq!(failure(put.send().await), is(403, "AccessDenied"));
}
