//! GetBucketAcl over the wire.

use crate::support::{BOB, Server, failure, is};
use aws_sdk_s3::types::{BucketCannedAcl, Permission, Type};

#[tokio::test]
async fn the_owner_has_full_control_and_groups_what_the_canned_acl_grants() {
    let server = Server::start();
    let client = server.client();
    client
        .create_bucket()
        .bucket("shared")
        .acl(BucketCannedAcl::PublicReadWrite)
        .send()
        .await
        .expect("a bucket");
    let acl = client.get_bucket_acl().bucket("shared").send().await.expect("an ACL");
    let owner = acl.owner().and_then(|owner| owner.id()).expect("an owner");
    let grants: Vec<_> = acl
        .grants()
        .iter()
        .map(|grant| {
            let grantee = grant.grantee().expect("a grantee");
            (
                grantee.r#type().clone(),
                grantee.id().or(grantee.uri()).expect("a name"),
                grant.permission().expect("a permission").clone(),
            )
        })
        .collect();
    let everyone = "http://acs.amazonaws.com/groups/global/AllUsers";
    let expected = [
        (Type::Group, everyone, Permission::Read),
        (Type::Group, everyone, Permission::Write),
        (Type::CanonicalUser, owner, Permission::FullControl),
    ];
    assert_eq!(grants, expected);
}

#[tokio::test]
async fn only_its_owner_reads_the_acl_of_a_bucket() {
    let server = Server::start();
    let client = server.client();
    client
        .create_bucket()
        .bucket("shared")
        .acl(BucketCannedAcl::PublicReadWrite)
        .send()
        .await
        .expect("a bucket");
    assert_eq!(
        failure(server.client_of(BOB).get_bucket_acl().bucket("shared").send().await),
        is(403, "AccessDenied")
    );
}
