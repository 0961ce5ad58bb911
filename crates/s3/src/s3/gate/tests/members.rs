//! Users and sessions: what their own policies allow, for every action of every operation that is served.

use super::fixture::*;
use crate::{
    model::{CannedAcl, Principal, Role},
    policy::MemberKind,
    s3::{On, Operation},
};

fn served() -> impl Iterator<Item = Operation> {
    Operation::ALL.iter().copied().filter(|operation| operation.facts().is_served())
}

/// The actions of an operation without headers, but for keys that its body names.
fn actions(operation: Operation) -> Vec<&'static str> {
    let needs = operation.facts().needs.iter().filter(|need| need.on != On::EachKey);
    needs.map(|need| need.action.as_str()).collect()
}

#[tokio::test]
async fn an_operation_needs_each_of_its_actions_and_no_other() {
    let mut decided = 0;
    for operation in served() {
        let needed = actions(operation);
        for missing in &needed {
            let fixture = Fixture::new().await;
            let all_others: Vec<&str> = crate::s3::Action::ALL
                .iter()
                .map(|action| action.as_str())
                .filter(|name| name != missing)
                .collect();
            let without = member(user("alice", &allowing(&all_others)));
            assert_eq!(
                fixture.status(ask(operation, &without)).await,
                403,
                "{operation:?} without {missing}"
            );
            decided += 1;
        }
        if !needed.is_empty() {
            let fixture = Fixture::new().await;
            // Tags of a source are a need of their own.
            fixture.put("other", "key", &[], CannedAcl::Private).await;
            let with = member(user("alice", &allowing(&needed)));
            let status = fixture.status(ask(operation, &with)).await;
            assert!(!matches!(status, 403 | 500 | 501), "{operation:?} with {needed:?}: {status}");
        }
    }
    assert!(decided >= 40, "{decided}");
}

#[tokio::test]
async fn a_version_needs_the_action_for_versions() {
    for (operation, plain) in [
        (Operation::GetObject, "s3:GetObject"),
        (Operation::HeadObject, "s3:GetObject"),
        (Operation::GetObjectAcl, "s3:GetObjectAcl"),
        (Operation::GetObjectTagging, "s3:GetObjectTagging"),
        (Operation::PutObjectAcl, "s3:PutObjectAcl"),
        (Operation::PutObjectTagging, "s3:PutObjectTagging"),
        (Operation::DeleteObject, "s3:DeleteObject"),
        (Operation::DeleteObjectTagging, "s3:DeleteObjectTagging"),
    ] {
        let versioned = plain.replace("Object", "ObjectVersion");
        for (allowed, version, expected) in
            [(plain, false, true), (plain, true, false), (&versioned, true, true), (&versioned, false, false)]
        {
            let fixture = Fixture::new().await;
            let who = member(user("alice", &allowing(&[allowed])));
            let request = ask(operation, &who);
            let request = if version { with_query(request, &[("versionId", "null")]) } else { request };
            let status = fixture.status(request).await;
            assert_eq!(status != 403, expected, "{operation:?} by {allowed}, version: {version}: {status}");
        }
    }
    let fixture = Fixture::new().await;
    let both = ["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"];
    let who = member(user("alice", &allowing(&both)));
    let asked = || with_query(ask(Operation::GetObjectAttributes, &who), &[("versionId", "null")]);
    assert_eq!(fixture.status(asked()).await, 200);
}

#[tokio::test]
async fn a_header_that_does_more_needs_the_action_for_it() {
    for operation in [Operation::PutObject, Operation::CopyObject, Operation::CreateMultipartUpload] {
        for (header, value, action) in
            [("x-amz-tagging", "a=b", "s3:PutObjectTagging"), ("x-amz-acl", "private", "s3:PutObjectAcl")]
        {
            let plain = ["s3:PutObject", "s3:GetObject", "s3:GetObjectTagging"];
            for (more, expected) in [(None, false), (Some(action), true)] {
                let fixture = Fixture::new().await;
                fixture.put("other", "key", &[], CannedAcl::Private).await;
                let actions: Vec<&str> = plain.into_iter().chain(more).collect();
                let who = member(user("alice", &allowing(&actions)));
                let status = fixture.status(with_header(ask(operation, &who), header, value)).await;
                assert_eq!(status == 200, expected, "{operation:?} {header} with {more:?}: {status}");
                assert_eq!(fixture.status(ask(operation, &who)).await, 200, "{operation:?} without {header}");
            }
        }
    }
    let fixture = Fixture::new().await;
    let who = member(user("alice", &allowing(&["s3:CreateBucket"])));
    let create = |acl| with_header(on_bucket(ask(Operation::CreateBucket, &who), "made"), "x-amz-acl", acl);
    assert_eq!(fixture.status(create("public-read")).await, 403);
    assert_eq!(fixture.status(create("private")).await, 200);
}

#[tokio::test]
async fn a_member_is_not_what_its_account_is() {
    let fixture = Fixture::new().await;
    let nothing = member(user("alice", &allowing(&[])));
    for operation in [Operation::ListBuckets, Operation::GetObject, Operation::PutObject] {
        assert_eq!(fixture.status(ask(operation, &nothing)).await, 403, "{operation:?}");
    }
    assert_eq!(fixture.status(ask(Operation::GetObject, &account("alice", Role::ReadWrite))).await, 200);
}

#[tokio::test]
async fn a_boundary_and_the_policies_of_a_session_narrow_what_a_member_may() {
    let fixture = Fixture::new().await;
    let mut bounded = user("alice", &allowing(&["s3:*"]));
    bounded.boundary = Some(named("boundary", &allowing(&["s3:GetObject"])));
    let mut session = user("alice", &allowing(&["s3:*"]));
    session.kind = MemberKind::Session;
    session.session = Some(vec![named("session", &allowing(&["s3:GetObject"]))]);
    for narrowed in [member(bounded), member(session)] {
        assert_eq!(fixture.status(ask(Operation::GetObject, &narrowed)).await, 200);
        assert_eq!(fixture.status(ask(Operation::PutObject, &narrowed)).await, 403);
    }
}

#[tokio::test]
async fn a_member_of_another_account_needs_its_own_policy_and_that_of_the_bucket() {
    let fixture = Fixture::new().await;
    let may = member(user("bob", &allowing(&["s3:GetObject"])));
    let may_not = member(user("bob", &allowing(&[])));
    assert_eq!(fixture.status(ask(Operation::GetObject, &may)).await, 403);
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(fixture.status(ask(Operation::GetObject, &may)).await, 200);
    assert_eq!(fixture.status(ask(Operation::GetObject, &may_not)).await, 403);
    assert_eq!(fixture.status(ask(Operation::GetObject, &Principal::Anonymous)).await, 200);
}

#[tokio::test]
async fn an_acl_for_everybody_lets_in_only_members_whose_policies_let_them_ask() {
    let fixture = Fixture::new().await;
    fixture.put("bucket", "key", &[], CannedAcl::PublicRead).await;
    for (actions, expected) in [(&["s3:GetObject"][..], 200), (&[], 403)] {
        let who = member(user("bob", &allowing(actions)));
        assert_eq!(fixture.status(ask(Operation::GetObject, &who)).await, expected, "{actions:?}");
    }
    assert_eq!(fixture.status(ask(Operation::GetObject, &Principal::Anonymous)).await, 200);
}

#[tokio::test]
async fn the_location_of_a_new_bucket_is_a_condition() {
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:CreateBucket","Resource":"*"},
        {"Effect":"Deny","Action":"s3:CreateBucket","Resource":"*",
         "Condition":{"StringNotEquals":{"s3:LocationConstraint":"eu-west-3"}}}]}"#;
    let fixture = Fixture::new().await;
    let who = member(user("alice", policy));
    let create = |name, location: &str| {
        let document = format!(
            "<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint></CreateBucketConfiguration>"
        );
        with_body(on_bucket(ask(Operation::CreateBucket, &who), name), &document)
    };
    assert_eq!(fixture.status(create("made", "eu-west-1")).await, 403);
    assert_eq!(fixture.status(create("made", "eu-west-3")).await, 200);
    assert_eq!(fixture.status(on_bucket(ask(Operation::CreateBucket, &who), "plain")).await, 403);
}

#[tokio::test]
async fn a_member_sees_the_buckets_of_its_account_only_by_a_policy() {
    let fixture = Fixture::new().await;
    let who = member(user("alice", &allowing(&["s3:ListAllMyBuckets"])));
    let (status, listed) = fixture.reply(ask(Operation::ListBuckets, &who)).await;
    assert!(status == 200 && listed.contains("<Name>bucket</Name>"), "{listed}");
}
