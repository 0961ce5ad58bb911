//! Decisions about objects: tags, missing keys, copies, and lists of keys.

use super::fixture::*;
use crate::{
    model::{CannedAcl, Principal, Role},
    s3::Operation,
};

const NOBODY: Principal = Principal::Anonymous;

#[tokio::test]
async fn a_missing_key_is_shown_only_to_those_who_may_list_it() {
    let fixture = Fixture::new().await;
    let get = |key| on_key(ask(Operation::GetObject, &NOBODY), key);
    fixture.policy(&statement("Allow", r#""*""#, r#""s3:GetObject""#, EVERYTHING, "")).await;
    assert_eq!(fixture.status(get("missing")).await, 403);
    assert_eq!(fixture.status(get("key")).await, 200);
    let both = r#"["s3:GetObject","s3:ListBucket"]"#;
    fixture.policy(&statement("Allow", r#""*""#, both, EVERYTHING, "")).await;
    assert_eq!(fixture.status(get("missing")).await, 404);
    let limited = r#","Condition":{"StringLike":{"s3:prefix":"public/*"}}"#;
    fixture
        .policy(&statement("Allow", r#""*""#, r#""s3:ListBucket""#, r#""arn:aws:s3:::bucket""#, limited))
        .await;
    assert_eq!(fixture.status(get("public/missing")).await, 404);
    assert_eq!(fixture.status(get("private/missing")).await, 403);
    assert_eq!(fixture.status(get("key")).await, 403);
}

#[tokio::test]
async fn the_tags_of_the_object_decide_where_a_policy_asks_for_them() {
    let by_tag = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":"red"}}"#;
    for (operation, action) in [
        (Operation::GetObject, "s3:GetObject"),
        (Operation::HeadObject, "s3:GetObject"),
        (Operation::GetObjectTagging, "s3:GetObjectTagging"),
        (Operation::GetObjectAcl, "s3:GetObjectAcl"),
        (Operation::PutObjectAcl, "s3:PutObjectAcl"),
        (Operation::DeleteObjectTagging, "s3:DeleteObjectTagging"),
    ] {
        let fixture = Fixture::new().await;
        fixture.put("bucket", "blue", &[("team", "blue")], CannedAcl::Private).await;
        fixture.put("bucket", "plain", &[], CannedAcl::Private).await;
        fixture
            .policy(&statement(
                "Allow",
                r#""*""#,
                &format!("\"{action}\""),
                r#""arn:aws:s3:::bucket/*""#,
                by_tag,
            ))
            .await;
        let ask = |key| with_header(on_key(ask(operation, &NOBODY), key), "x-amz-acl", "private");
        assert!(matches!(fixture.status(ask("key")).await, 200 | 204), "{operation:?}");
        for key in ["blue", "plain", "missing"] {
            assert_eq!(fixture.status(ask(key)).await, 403, "{operation:?} {key}");
        }
    }
}

#[tokio::test]
async fn a_denial_by_tag_holds_for_the_owner_too() {
    let fixture = Fixture::new().await;
    let by_tag = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":"red"}}"#;
    fixture.put("bucket", "blue", &[("team", "blue")], CannedAcl::Private).await;
    fixture
        .policy(&statement("Deny", r#""*""#, r#""s3:GetObject""#, r#""arn:aws:s3:::bucket/*""#, by_tag))
        .await;
    let alice = account("alice", Role::ReadWrite);
    assert_eq!(fixture.status(ask(Operation::GetObject, &alice)).await, 403);
    assert_eq!(fixture.status(on_key(ask(Operation::GetObject, &alice), "blue")).await, 200);
    assert_eq!(fixture.status(on_key(ask(Operation::GetObject, &alice), "missing")).await, 404);
}

const TAGS: &str = "<Tagging><TagSet><Tag><Key>team</Key><Value>VALUE</Value></Tag></TagSet></Tagging>";

#[tokio::test]
async fn the_tags_of_the_request_decide_in_a_header_and_in_a_body() {
    let fixture = Fixture::new().await;
    let by_tag = r#","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"green"},"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team"]}}"#;
    let actions = r#"["s3:PutObject","s3:PutObjectTagging"]"#;
    fixture.policy(&statement("Allow", r#""*""#, actions, r#""arn:aws:s3:::bucket/*""#, by_tag)).await;
    let put = |tags| with_header(ask(Operation::PutObject, &NOBODY), "x-amz-tagging", tags);
    for (tags, expected) in [("team=green", 200), ("team=blue", 403), ("team=green&x=y", 403), ("x=y", 403)] {
        assert_eq!(fixture.status(put(tags)).await, expected, "{tags}");
    }
    assert_eq!(fixture.status(ask(Operation::PutObject, &NOBODY)).await, 403);
    let body =
        |value: &str| with_body(ask(Operation::PutObjectTagging, &NOBODY), &TAGS.replace("VALUE", value));
    assert_eq!(fixture.status(body("green")).await, 200);
    assert_eq!(fixture.status(body("blue")).await, 403);
    // Nothing but the body says what tags it sets.
    let lying = with_header(body("blue"), "x-amz-tagging", "team=green");
    assert_eq!(fixture.status(lying).await, 403);
}

#[tokio::test]
async fn new_tags_are_decided_about_together_with_those_that_are_there() {
    let fixture = Fixture::new().await;
    let by_tags = r#","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"green","s3:ExistingObjectTag/team":"red"}}"#;
    fixture
        .policy(&statement(
            "Allow",
            r#""*""#,
            r#""s3:PutObjectTagging""#,
            r#""arn:aws:s3:::bucket/*""#,
            by_tags,
        ))
        .await;
    fixture.put("bucket", "blue", &[("team", "blue")], CannedAcl::Private).await;
    let body = |key, value: &str| {
        with_body(on_key(ask(Operation::PutObjectTagging, &NOBODY), key), &TAGS.replace("VALUE", value))
    };
    assert_eq!(fixture.status(body("key", "blue")).await, 403);
    assert_eq!(fixture.status(body("blue", "green")).await, 403);
    assert_eq!(fixture.status(body("key", "green")).await, 200);
    assert_eq!(fixture.status(body("key", "green")).await, 403, "it is not red any more");
}

#[tokio::test]
async fn a_copy_needs_its_source_with_its_version_and_its_tags() {
    let copy = |who: &Principal, source: &str| {
        with_header(on_key(ask(Operation::CopyObject, who), "copy"), "x-amz-copy-source", source)
    };
    let plain = ["s3:PutObject", "s3:GetObject"];
    let fixture = Fixture::new().await;
    fixture.put("other", "plain", &[], CannedAcl::Private).await;
    let who = member(user("alice", &allowing(&plain)));
    assert_eq!(fixture.status(copy(&who, "/other/plain")).await, 200);
    assert_eq!(fixture.status(copy(&who, "/other/plain?versionId=null")).await, 403);
    // The source has tags, which the copy would have.
    assert_eq!(fixture.status(copy(&who, "/other/key")).await, 403);
    for missing in ["s3:GetObjectTagging", "s3:PutObjectTagging"] {
        let rest = ["s3:GetObjectTagging", "s3:PutObjectTagging"].into_iter().filter(|name| *name != missing);
        let actions: Vec<&str> = plain.into_iter().chain(rest).collect();
        let who = member(user("alice", &allowing(&actions)));
        assert_eq!(fixture.status(copy(&who, "/other/key")).await, 403, "without {missing}");
    }
    let all = ["s3:PutObject", "s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging"];
    let who = member(user("alice", &allowing(&all)));
    assert_eq!(fixture.status(copy(&who, "/other/key")).await, 200);
    assert_eq!(fixture.status(copy(&who, "/other/missing")).await, 403, "it may not list the bucket");
}

#[tokio::test]
async fn a_copy_is_named_by_its_source_however_that_is_written() {
    let fixture = Fixture::new().await;
    for text in ["other/public/*", "/other/public/*"] {
        let condition = format!(r#","Condition":{{"StringNotLike":{{"s3:x-amz-copy-source":"{text}"}}}}"#);
        fixture
            .policy(&statement(
                "Deny",
                r#""*""#,
                r#""s3:PutObject""#,
                r#""arn:aws:s3:::bucket/*""#,
                &condition,
            ))
            .await;
        fixture.put("other", "public/a", &[], CannedAcl::Private).await;
        fixture.put("other", "private", &[], CannedAcl::Private).await;
        let alice = account("alice", Role::ReadWrite);
        let copy =
            |source: &str| with_header(ask(Operation::CopyObject, &alice), "x-amz-copy-source", source);
        for source in
            ["other/public/a", "/other/public/a", "other%2Fpublic%2Fa", "other/public/a?versionId=null"]
        {
            assert_eq!(fixture.status(copy(source)).await, 200, "{source} by {text}");
        }
        for source in ["other/private", "/other/private", "%6fther/private"] {
            assert_eq!(fixture.status(copy(source)).await, 403, "{source} by {text}");
        }
    }
}

#[tokio::test]
async fn each_key_of_a_list_is_decided_about_for_itself() {
    let fixture = Fixture::new().await;
    for key in ["mine/a", "theirs/b"] {
        fixture.put("bucket", key, &[], CannedAcl::Private).await;
    }
    fixture
        .policy(&statement("Allow", r#""*""#, r#""s3:DeleteObject""#, r#""arn:aws:s3:::bucket/mine/*""#, ""))
        .await;
    let document = "<Delete><Object><Key>mine/a</Key></Object><Object><Key>theirs/b</Key></Object>\
                    <Object><Key>mine/a</Key><VersionId>null</VersionId></Object></Delete>";
    let request = with_body(ask(Operation::DeleteObjects, &NOBODY), document);
    let (status, body) = fixture.reply(request).await;
    assert_eq!(status, 200);
    assert_eq!(body.matches("<Deleted>").count(), 1, "{body}");
    assert_eq!(body.matches("<Code>AccessDenied</Code>").count(), 2, "{body}");
    let alice = account("alice", Role::ReadWrite);
    assert_eq!(fixture.status(on_key(ask(Operation::GetObject, &alice), "mine/a")).await, 404);
    assert_eq!(fixture.status(on_key(ask(Operation::GetObject, &alice), "theirs/b")).await, 200);
}
