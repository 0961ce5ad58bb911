//! Grants of ACLs: accounts, their members, and what policies and settings of the bucket leave of them.

use super::fixture::*;
use crate::{
    buckets::settings::{BucketAcl, OwnershipControls, PublicAccessBlock},
    model::{
        Acl, AclGrant, AclGrants, AclPermission, CanonicalId, Grantee, ObjectOwnership, Principal,
        PublicAccess, Role,
    },
    s3::Operation,
};

const NOBODY: Principal = Principal::Anonymous;

fn bob() -> Grantee {
    Grantee::Account(CanonicalId::parse("bob").expect("an id"))
}

fn granted(grantee: Grantee, permission: AclPermission) -> Acl {
    Acl::Granted(AclGrants::new([AclGrant { grantee, permission }]).expect("one grant"))
}

/// The operations that ACLs of the bucket decide about, and the permission that each needs.
const ON_BUCKET: [(Operation, AclPermission); 7] = [
    (Operation::ListObjects, AclPermission::Read),
    (Operation::ListObjectVersions, AclPermission::Read),
    (Operation::PutObject, AclPermission::Write),
    (Operation::DeleteObject, AclPermission::Write),
    (Operation::CreateMultipartUpload, AclPermission::Write),
    (Operation::GetBucketAcl, AclPermission::ReadAcp),
    (Operation::PutBucketAcl, AclPermission::WriteAcp),
];

const ON_OBJECT: [(Operation, AclPermission); 4] = [
    (Operation::GetObject, AclPermission::Read),
    (Operation::HeadObject, AclPermission::Read),
    (Operation::GetObjectAcl, AclPermission::ReadAcp),
    (Operation::PutObjectAcl, AclPermission::WriteAcp),
];

#[tokio::test]
async fn each_permission_allows_its_operations_to_its_grantee_and_to_nobody_else() {
    let (bob_asks, eve) = (account("bob", Role::ReadWrite), account("eve", Role::ReadWrite));
    for permission in AclPermission::ALL {
        let fixture = Fixture::new().await;
        fixture.set::<BucketAcl>(&granted(bob(), permission)).await;
        let operations =
            ON_BUCKET.iter().map(|row| (row, "bucket")).chain(ON_OBJECT.iter().map(|row| (row, "object")));
        for ((operation, needed), of) in operations {
            let acl = granted(bob(), if of == "object" { permission } else { AclPermission::Write });
            fixture.put("bucket", "key", &[], acl).await;
            let may = permission == *needed || permission == AclPermission::FullControl;
            let status = fixture.status(ask(*operation, &bob_asks)).await;
            assert_eq!(status != 403, may, "{permission:?} {operation:?}: {status}");
            for other in [&eve, &NOBODY] {
                assert_eq!(fixture.status(ask(*operation, other)).await, 403, "{permission:?} {operation:?}");
            }
            // What the owner of the bucket decides is decided by no ACL.
            assert_eq!(fixture.status(ask(Operation::GetBucketPolicy, &bob_asks)).await, 403);
            fixture.set::<BucketAcl>(&granted(bob(), permission)).await;
        }
    }
}

#[tokio::test]
async fn a_member_of_the_grantee_needs_its_own_policy_too() {
    let fixture = Fixture::new().await;
    fixture.put("bucket", "key", &[], granted(bob(), AclPermission::FullControl)).await;
    for (operation, action) in
        [(Operation::GetObject, "s3:GetObject"), (Operation::GetObjectAcl, "s3:GetObjectAcl")]
    {
        let with = |name, actions: &[&str]| member(user(name, &allowing(actions)));
        assert_eq!(fixture.status(ask(operation, &with("bob", &[action]))).await, 200, "{operation:?}");
        assert_eq!(fixture.status(ask(operation, &with("bob", &[]))).await, 403, "{operation:?}");
        assert_eq!(fixture.status(ask(operation, &with("eve", &[action]))).await, 403, "{operation:?}");
    }
}

#[tokio::test]
async fn a_denial_of_the_policy_wins_over_every_grant() {
    let fixture = Fixture::new().await;
    fixture.put("bucket", "key", &[], granted(bob(), AclPermission::FullControl)).await;
    let who = account("bob", Role::ReadWrite);
    assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, 200);
    fixture.policy(&statement("Deny", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, 403);
    assert_eq!(fixture.status(ask(Operation::GetObjectAcl, &who)).await, 200);
}

#[tokio::test]
async fn a_read_only_account_only_reads_whatever_it_is_granted() {
    let fixture = Fixture::new().await;
    fixture.put("bucket", "key", &[], granted(bob(), AclPermission::FullControl)).await;
    fixture.set::<BucketAcl>(&granted(bob(), AclPermission::FullControl)).await;
    let who = account("bob", Role::ReadOnly);
    for operation in [Operation::GetObject, Operation::GetObjectAcl, Operation::ListObjects] {
        assert_eq!(fixture.status(ask(operation, &who)).await, 200, "{operation:?}");
    }
    for operation in [Operation::PutObject, Operation::PutObjectAcl, Operation::PutBucketAcl] {
        assert_eq!(fixture.status(ask(operation, &who)).await, 403, "{operation:?}");
    }
}

#[tokio::test]
async fn ignored_public_acls_leave_grants_to_accounts_and_acls_that_are_off_leave_none() {
    let fixture = Fixture::new().await;
    let who = account("bob", Role::ReadWrite);
    for (grantee, ignored) in [(bob(), 200), (Grantee::AuthenticatedUsers, 403), (Grantee::AllUsers, 403)] {
        fixture.set::<PublicAccessBlock>(&None).await;
        fixture.put("bucket", "key", &[], granted(grantee.clone(), AclPermission::Read)).await;
        assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, 200, "{grantee:?}");
        let ignore = PublicAccess { ignore_public_acls: true, ..PublicAccess::default() };
        fixture.set::<PublicAccessBlock>(&Some(ignore)).await;
        assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, ignored, "{grantee:?}");
    }
    fixture.put("bucket", "key", &[], granted(bob(), AclPermission::Read)).await;
    fixture.set::<OwnershipControls>(&Some(ObjectOwnership::BucketOwnerEnforced)).await;
    assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, 403);
}
