//! Policies of buckets: accounts, anonymous clients, denials, and what the block of public access leaves.

use super::fixture::*;
use crate::{
    buckets::settings::{OwnershipControls, PublicAccessBlock},
    model::{CannedAcl, ObjectOwnership, Principal, PublicAccess, Role, account_id},
    s3::Operation,
};

const NOBODY: Principal = Principal::Anonymous;

#[tokio::test]
async fn a_denial_wins_over_the_role_of_the_owner_except_for_the_policy_itself() {
    let fixture = Fixture::new().await;
    fixture.policy(&statement("Deny", r#""*""#, r#""s3:*""#, EVERYTHING, "")).await;
    for who in [account("alice", Role::ReadWrite), account("root", Role::Admin)] {
        for operation in [Operation::GetObject, Operation::PutObject, Operation::ListObjects] {
            assert_eq!(fixture.status(ask(operation, &who)).await, 403, "{operation:?}");
        }
        assert_eq!(fixture.status(ask(Operation::GetBucketPolicy, &who)).await, 200);
    }
    let user = member(user("alice", &allowing(&["s3:*"])));
    for operation in [Operation::GetObject, Operation::GetBucketPolicy, Operation::DeleteBucketPolicy] {
        assert_eq!(fixture.status(ask(operation, &user)).await, 403, "{operation:?}");
    }
    let alice = account("alice", Role::ReadWrite);
    assert_eq!(fixture.status(ask(Operation::DeleteBucketPolicy, &alice)).await, 204);
    assert_eq!(fixture.status(ask(Operation::GetObject, &alice)).await, 200);
}

#[tokio::test]
async fn anybody_may_do_what_a_policy_for_everybody_allows_and_nothing_else() {
    let fixture = Fixture::new().await;
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(fixture.status(ask(Operation::GetObject, &NOBODY)).await, 200);
    for operation in [Operation::PutObject, Operation::ListObjects, Operation::GetObjectTagging] {
        assert_eq!(fixture.status(ask(operation, &NOBODY)).await, 403, "{operation:?}");
    }
    assert_eq!(fixture.status(on_bucket(ask(Operation::GetObject, &NOBODY), "other")).await, 403);
}

#[tokio::test]
async fn accounts_are_named_by_number_by_their_root_and_by_canonical_id() {
    let bob = account_id("bob");
    for (principal, expected) in [
        (format!(r#"{{"AWS":"{bob}"}}"#), 200),
        (format!(r#"{{"AWS":"arn:aws:iam::{bob}:root"}}"#), 200),
        (r#"{"CanonicalUser":"bob"}"#.to_owned(), 200),
        (format!(r#"{{"AWS":"{}"}}"#, account_id("eve")), 403),
    ] {
        let fixture = Fixture::new().await;
        fixture.policy(&statement("Allow", &principal, r#""s3:*""#, EVERYTHING, "")).await;
        let status = fixture.status(ask(Operation::GetObject, &account("bob", Role::ReadWrite))).await;
        assert_eq!(status, expected, "{principal}");
        assert_eq!(fixture.status(ask(Operation::GetObject, &NOBODY)).await, 403, "{principal}");
    }
}

#[tokio::test]
async fn a_read_only_account_only_reads_whatever_a_policy_allows() {
    let fixture = Fixture::new().await;
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:*""#, EVERYTHING, "")).await;
    for owner in ["bob", "alice"] {
        let reader = account(owner, Role::ReadOnly);
        assert_eq!(fixture.status(ask(Operation::GetObject, &reader)).await, 200, "{owner}");
        assert_eq!(fixture.status(ask(Operation::ListObjectsV2, &reader)).await, 200, "{owner}");
        for operation in [Operation::PutObject, Operation::DeleteObject, Operation::PutBucketAcl] {
            assert_eq!(fixture.status(ask(operation, &reader)).await, 403, "{owner} {operation:?}");
        }
    }
}

#[tokio::test]
async fn a_user_is_named_by_arn_and_a_later_one_with_its_name_is_somebody_else() {
    let fixture = Fixture::new().await;
    let principal = format!(r#"{{"AWS":"{CAROL}"}}"#);
    fixture.policy(&statement("Allow", &principal, r#""s3:GetObject""#, EVERYTHING, "")).await;
    let carol = user("carols", &allowing(&["s3:GetObject"]));
    assert_eq!(fixture.status(ask(Operation::GetObject, &member(carol.clone()))).await, 200);
    let mut later = carol;
    later.id = "AIDALATER".into();
    assert_eq!(fixture.status(ask(Operation::GetObject, &member(later))).await, 403);
}

#[tokio::test]
async fn a_policy_that_names_nobody_is_malformed_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let alice = account("alice", Role::ReadWrite);
    let put = |text: &str| with_body(ask(Operation::PutBucketPolicy, &alice), text);
    let of =
        |arn: &str| statement("Allow", &format!(r#"{{"AWS":"{arn}"}}"#), r#""s3:GetObject""#, EVERYTHING, "");
    let (status, body) = fixture.reply(put(&of("arn:aws:iam::000000000001:user/nobody"))).await;
    assert!(status == 400 && body.contains("<Code>MalformedPolicy</Code>"), "{body}");
    assert_eq!(fixture.status(ask(Operation::GetBucketPolicy, &alice)).await, 404);
    assert_eq!(fixture.status(put(&of(CAROL))).await, 204);
    assert_eq!(fixture.reply(ask(Operation::GetBucketPolicy, &alice)).await, (200, of(CAROL)));
}

#[tokio::test]
async fn only_the_account_of_the_owner_touches_the_policy() {
    let fixture = Fixture::new().await;
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:*""#, EVERYTHING, "")).await;
    let bob = account("bob", Role::ReadWrite);
    for operation in [Operation::GetBucketPolicy, Operation::PutBucketPolicy, Operation::DeleteBucketPolicy] {
        assert_eq!(fixture.status(ask(operation, &bob)).await, 405, "{operation:?}");
    }
    assert_eq!(fixture.status(ask(Operation::GetBucketPolicyStatus, &bob)).await, 200);
}

#[tokio::test]
async fn a_user_does_not_lock_itself_out_without_saying_so() {
    let fixture = Fixture::new().await;
    let dan = member(user("alice", &allowing(&["s3:*"])));
    let text = statement("Deny", r#""*""#, r#""s3:PutBucketPolicy""#, EVERYTHING, "");
    let put = || with_body(ask(Operation::PutBucketPolicy, &dan), &text);
    let confirmed = "x-amz-confirm-remove-self-bucket-access";
    assert_eq!(fixture.status(put()).await, 403);
    assert_eq!(fixture.status(with_header(put(), confirmed, "false")).await, 403);
    assert_eq!(fixture.status(with_header(put(), confirmed, "perhaps")).await, 400);
    assert_eq!(fixture.status(with_header(put(), confirmed, "true")).await, 204);
    assert_eq!(fixture.status(put()).await, 403);
    // The account itself is never locked out, and need not confirm anything.
    let alice = account("alice", Role::ReadWrite);
    assert_eq!(fixture.status(with_body(ask(Operation::PutBucketPolicy, &alice), &text)).await, 204);
}

#[tokio::test]
async fn a_restricted_bucket_with_a_public_policy_is_for_the_account_of_its_owner() {
    let fixture = Fixture::new().await;
    fixture.put("bucket", "key", &[], CannedAcl::PublicRead).await;
    let restrict = PublicAccess { restrict_public_buckets: true, ..PublicAccess::default() };
    fixture.set::<PublicAccessBlock>(&Some(restrict)).await;
    let bob = account("bob", Role::ReadWrite);
    // The policy is not public: it names one account.
    let named = format!(r#"{{"AWS":"{}"}}"#, account_id("bob"));
    fixture.policy(&statement("Allow", &named, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(fixture.status(ask(Operation::GetObject, &bob)).await, 200);
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    for shut_out in [&bob, &NOBODY, &member(user("bob", &allowing(&["s3:*"])))] {
        assert_eq!(fixture.status(ask(Operation::GetObject, shut_out)).await, 403, "{shut_out:?}");
    }
    for welcome in [
        account("alice", Role::ReadWrite),
        account("root", Role::Admin),
        member(user("alice", &allowing(&[]))),
    ] {
        assert_eq!(fixture.status(ask(Operation::GetObject, &welcome)).await, 200, "{welcome:?}");
    }
}

#[tokio::test]
async fn acls_grant_nothing_where_public_ones_are_ignored_or_all_are_off() {
    let ignore = PublicAccess { ignore_public_acls: true, ..PublicAccess::default() };
    for (access, ownership) in [(Some(ignore), None), (None, Some(ObjectOwnership::BucketOwnerEnforced))] {
        let fixture = Fixture::new().await;
        fixture.put("bucket", "key", &[], CannedAcl::PublicRead).await;
        assert_eq!(fixture.status(ask(Operation::GetObject, &NOBODY)).await, 200);
        fixture.set::<PublicAccessBlock>(&access).await;
        fixture.set::<OwnershipControls>(&ownership).await;
        assert_eq!(fixture.status(ask(Operation::GetObject, &NOBODY)).await, 403);
        let bob = account("bob", Role::ReadWrite);
        assert_eq!(fixture.status(ask(Operation::GetObject, &bob)).await, 403);
        let alice = account("alice", Role::ReadWrite);
        assert_eq!(fixture.status(ask(Operation::GetObject, &alice)).await, 200);
    }
}

#[tokio::test]
async fn the_circumstances_of_a_request_are_conditions() {
    for (condition, change, before, after) in [
        (r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, 0, 403, 200),
        (r#""Bool":{"aws:SecureTransport":"true"}"#, 1, 403, 200),
        (r#""StringEquals":{"aws:Referer":"http://page/"}"#, 2, 403, 200),
        (r#""StringLike":{"aws:UserAgent":"browser*"}"#, 3, 403, 200),
        (r#""DateGreaterThan":{"aws:CurrentTime":"1971-01-01T00:00:00Z"}"#, 4, 403, 200),
        (r#""NumericGreaterThan":{"aws:EpochTime":"31536000"}"#, 4, 403, 200),
        (r#""Null":{"s3:authType":"true"}"#, 4, 200, 200),
    ] {
        let fixture = Fixture::new().await;
        let condition = format!(r#","Condition":{{{condition}}}"#);
        fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, &condition)).await;
        assert_eq!(fixture.status(ask(Operation::GetObject, &NOBODY)).await, before, "{condition}");
        let mut request = ask(Operation::GetObject, &NOBODY);
        match change {
            0 => request.context.arrival.peer = "10.1.2.3".parse().expect("an address"),
            1 => request.context.arrival.is_secure = true,
            2 => request = with_header(request, "referer", "http://page/"),
            3 => request = with_header(request, "user-agent", "browser/1"),
            _ => {
                request.context.arrival.at = crate::model::Timestamp::from_millis(1_700_000_000_123);
            }
        }
        assert_eq!(fixture.status(request).await, after, "{condition}");
    }
}

#[tokio::test]
async fn listings_are_limited_by_prefix_delimiter_and_size() {
    let fixture = Fixture::new().await;
    let condition = r#","Condition":{"StringEquals":{"s3:prefix":"home/","s3:delimiter":"/"},"NumericLessThanEquals":{"s3:max-keys":"10"}}"#;
    fixture
        .policy(&statement("Allow", r#""*""#, r#""s3:ListBucket""#, r#""arn:aws:s3:::bucket""#, condition))
        .await;
    let list = |pairs: &[(&str, &str)]| with_query(ask(Operation::ListObjects, &NOBODY), pairs);
    let all = [("prefix", "home/"), ("delimiter", "/"), ("max-keys", "10")];
    assert_eq!(fixture.status(list(&all)).await, 200);
    for at in 0..all.len() {
        let mut some = all.to_vec();
        some.remove(at);
        assert_eq!(fixture.status(list(&some)).await, 403, "{some:?}");
    }
    assert_eq!(fixture.status(list(&[all[0], all[1], ("max-keys", "11")])).await, 403);
    // Versions are another action.
    assert_eq!(fixture.status(with_query(ask(Operation::ListObjectVersions, &NOBODY), &all)).await, 403);
}
