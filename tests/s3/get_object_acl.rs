//! GetObjectAcl over the wire.

use crate::support::{ALICE, BOB, Server, failure, is, put};
use aws_sdk_s3::types::{ObjectCannedAcl, Permission};

#[tokio::test]
async fn an_acl_is_shown_as_its_grants() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let (all, users) = (
        "http://acs.amazonaws.com/groups/global/AllUsers",
        "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    );
    for (acl, groups) in [
        (ObjectCannedAcl::Private, &[][..]),
        (ObjectCannedAcl::BucketOwnerFullControl, &[]),
        (ObjectCannedAcl::PublicRead, &[(all, Permission::Read)]),
        (ObjectCannedAcl::PublicReadWrite, &[(all, Permission::Read), (all, Permission::Write)]),
        (ObjectCannedAcl::AuthenticatedRead, &[(users, Permission::Read)]),
    ] {
        client.put_object().bucket(&bucket).key("k").acl(acl.clone()).send().await.expect("put");
        let shown = client.get_object_acl().bucket(&bucket).key("k").send().await.expect("an ACL");
        let owner = shown.owner().and_then(|owner| owner.id()).expect("an owner");
        let grant = |grant: &aws_sdk_s3::types::Grant| {
            let grantee = grant.grantee().expect("a grantee");
            (
                grantee.uri().or(grantee.id()).unwrap_or_default().to_owned(),
                grant.permission().cloned().expect("a permission"),
            )
        };
        let shown: Vec<_> = shown.grants().iter().map(grant).collect();
        let mut expected: Vec<_> =
            groups.iter().map(|(uri, permission)| ((*uri).to_owned(), permission.clone())).collect();
        expected.push((owner.to_owned(), Permission::FullControl));
        assert_eq!(shown, expected, "{acl}");
    }
}

#[tokio::test]
async fn only_the_owner_reads_an_acl() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    assert_eq!(failure(bob.get_object_acl().bucket(&bucket).key("k").send().await), is(403, "AccessDenied"));
    assert_eq!(
        failure(alice.get_object_acl().bucket(&bucket).key("missing").send().await),
        is(404, "NoSuchKey")
    );
}
