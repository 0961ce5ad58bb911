//! Decisions about objects of another account than the bucket's: accounts, members, policies and settings.

use super::fixture::*;
use crate::{
    buckets::settings::PublicAccessBlock,
    model::{CannedAcl, Principal, PublicAccess, Role},
    s3::Operation,
};

/// The operations on an object that is there.
const ON_OBJECT: [Operation; 8] = [
    Operation::GetObject,
    Operation::HeadObject,
    Operation::GetObjectAttributes,
    Operation::GetObjectAcl,
    Operation::PutObjectAcl,
    Operation::GetObjectTagging,
    Operation::PutObjectTagging,
    Operation::DeleteObjectTagging,
];

const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";

async fn status(fixture: &Fixture, operation: Operation, who: &Principal) -> u16 {
    let asked = match operation {
        Operation::PutObjectTagging => with_body(ask(operation, who), TAGS),
        Operation::PutObjectAcl => with_header(ask(operation, who), "x-amz-acl", "private"),
        _ => ask(operation, who),
    };
    fixture.status(asked).await
}

/// A bucket of alice with an object of bob at `key`.
async fn with_object_of_bob(acl: CannedAcl) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.put_as(Some("bob"), "bucket", "key", &[], acl).await;
    fixture
}

#[tokio::test]
async fn an_object_is_its_owners_and_neither_the_bucket_owners_nor_the_policys() {
    let everything = statement("Allow", r#""*""#, r#""s3:*""#, EVERYTHING, "");
    for policy in [None, Some(&*everything)] {
        let fixture = with_object_of_bob(CannedAcl::Private).await;
        if let Some(policy) = policy {
            fixture.policy(policy).await;
        }
        for operation in ON_OBJECT {
            for (who, expected) in [
                (account("bob", Role::ReadWrite), true),
                (account("root", Role::Admin), true),
                (account("alice", Role::ReadWrite), false),
                (account("eve", Role::ReadWrite), false),
                (Principal::Anonymous, false),
                (member(user("bob", &allowing(&["s3:*"]))), true),
                (member(user("bob", &allowing(&["s3:ListBucket"]))), false),
                (member(user("alice", &allowing(&["s3:*"]))), false),
            ] {
                let status = status(&fixture, operation, &who).await;
                assert_eq!(status != 403, expected, "{operation:?} {who:?}: {status}");
            }
        }
        let alice = account("alice", Role::ReadWrite);
        assert_eq!(fixture.status(ask(Operation::DeleteObject, &alice)).await, 204);
    }
}

#[tokio::test]
async fn a_read_only_account_only_reads_its_own_objects() {
    let fixture = with_object_of_bob(CannedAcl::Private).await;
    let bob = account("bob", Role::ReadOnly);
    for operation in ON_OBJECT {
        let reads = operation.as_str().starts_with("Get") || operation == Operation::HeadObject;
        let status = status(&fixture, operation, &bob).await;
        assert_eq!(status != 403, reads, "{operation:?}: {status}");
    }
}

#[tokio::test]
async fn a_statement_denies_the_owner_of_an_object_too() {
    let fixture = with_object_of_bob(CannedAcl::PublicRead).await;
    let bob = account("bob", Role::ReadWrite);
    fixture.policy(&statement("Deny", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(status(&fixture, Operation::GetObject, &bob).await, 403);
    assert_eq!(status(&fixture, Operation::GetObjectAcl, &bob).await, 200);
}

#[tokio::test]
async fn an_acl_of_the_object_lets_the_owner_of_the_bucket_do_what_it_grants() {
    let alice = account("alice", Role::ReadWrite);
    for (acl, reads, controls) in [
        (CannedAcl::Private, false, false),
        (CannedAcl::BucketOwnerRead, true, false),
        (CannedAcl::BucketOwnerFullControl, true, true),
        (CannedAcl::PublicRead, true, false),
    ] {
        let fixture = with_object_of_bob(acl).await;
        assert_eq!(status(&fixture, Operation::GetObject, &alice).await == 200, reads, "{acl:?}");
        assert_eq!(status(&fixture, Operation::GetObjectAcl, &alice).await == 200, controls, "{acl:?}");
        let eve = account("eve", Role::ReadWrite);
        assert_eq!(status(&fixture, Operation::GetObject, &eve).await == 200, acl == CannedAcl::PublicRead);
        // What the account may do, its members do by policies of their own.
        let member = member(user("alice", &allowing(&["s3:GetObject"])));
        assert_eq!(status(&fixture, Operation::GetObject, &member).await == 200, reads, "{acl:?}");
        assert_eq!(status(&fixture, Operation::GetObjectAcl, &member).await, 403, "{acl:?}");
        // It becomes private.
        assert_eq!(status(&fixture, Operation::PutObjectAcl, &alice).await == 200, controls, "{acl:?}");
    }
}

#[tokio::test]
async fn a_restricted_public_bucket_shuts_out_the_owners_of_objects() {
    let fixture = with_object_of_bob(CannedAcl::Private).await;
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    let bob = account("bob", Role::ReadWrite);
    assert_eq!(status(&fixture, Operation::GetObject, &bob).await, 200);
    let restricted = PublicAccess { restrict_public_buckets: true, ..Default::default() };
    fixture.set::<PublicAccessBlock>(&Some(restricted)).await;
    assert_eq!(status(&fixture, Operation::GetObject, &bob).await, 403);
}

#[tokio::test]
async fn nobody_copies_an_object_that_belongs_to_somebody_else() {
    let fixture = Fixture::new().await;
    fixture.put_as(Some("bob"), "other", "key", &[], CannedAcl::Private).await;
    let copy = |who: &Principal| on_key(ask(Operation::CopyObject, who), "copy");
    assert_eq!(fixture.status(copy(&account("alice", Role::ReadWrite))).await, 403);
    assert_eq!(fixture.status(copy(&account("root", Role::Admin))).await, 200);
}
