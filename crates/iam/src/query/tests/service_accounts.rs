//! Service accounts: access keys of a user with a name, a policy that narrows the user, and an end. Also what
//! every access key has: an expiry, a secret that is replaced while both are valid, and a last use.

use super::*;
use crate::{model::SignatureV2, query::Service};

const ALL: &str = "iam:*";

async fn service_account(gateway: &Gateway, user: &str, more: &[(&str, &str)]) -> Said {
    let mut call = vec![("CreateAccessKey", ""), ("UserName", user), ("ServiceAccountName", "backup")];
    call.extend(more);
    gateway.root(&call).await
}

#[tokio::test]
async fn a_service_account_may_do_what_its_policy_and_its_user_allow() {
    let gateway = Gateway::new().await;
    gateway.user("bob", ALL).await;
    let only = allow("iam:ListUsers", "*");
    let more = [("PolicyDocument", &*only), ("Description", "nightly")];
    let made = service_account(&gateway, "bob", &more).await.ok();
    assert_eq!(
        (made.get("ServiceAccountName"), made.get("Description")),
        ("backup".into(), "nightly".into())
    );
    let key = made.get("AccessKeyId");
    let (identity, _) = gateway.find(&key, None).expect("in force");
    assert_eq!(identity.member.as_ref().map(|member| &*member.name), Some("bob"));
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    assert_eq!(gateway.by(&key, &[("ListGroups", "")]).await.code(), is(403, "AccessDenied"));
    // What the policy allows and the user may not do, is denied.
    let none = allow("s3:GetObject", "*");
    let put = [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "p"), ("PolicyDocument", &*none)];
    gateway.root(&put).await.ok();
    assert_eq!(gateway.by(&key, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn a_session_that_a_service_account_begins_is_narrowed_too() {
    let gateway = Gateway::new().await;
    gateway.user("bob", ALL).await;
    let only = allow("iam:ListUsers", "*");
    let key = service_account(&gateway, "bob", &[("PolicyDocument", &only)]).await.ok().get("AccessKeyId");
    let session = gateway.by(&key, &[("GetSessionToken", "")]).await.ok().temporary();
    let (identity, _) = gateway.find(&session.access_key, Some(&session.token)).expect("a session");
    let narrowed = identity.member.as_ref().and_then(|member| member.session.as_ref()).map(Vec::len);
    assert_eq!(narrowed, Some(1));
    // The session of a usual key of the same user is not.
    let usual = gateway.root(&[("CreateAccessKey", ""), ("UserName", "bob")]).await.ok().get("AccessKeyId");
    let session = gateway.by(&usual, &[("GetSessionToken", "")]).await.ok().temporary();
    let (identity, _) = gateway.find(&session.access_key, Some(&session.token)).expect("a session");
    assert!(identity.member.as_ref().is_some_and(|member| member.session.is_none()));
}

#[tokio::test]
async fn a_policy_of_a_service_account_is_replaced_and_removed() {
    let gateway = Gateway::new().await;
    gateway.user("bob", ALL).await;
    let only = allow("iam:ListUsers", "*");
    let key = service_account(&gateway, "bob", &[("PolicyDocument", &only)]).await.ok().get("AccessKeyId");
    let update = async |name: &str, value: &str| {
        let call = [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*key), (name, value)];
        gateway.root(&call).await
    };
    update("PolicyDocument", &allow("iam:ListGroups", "*")).await.ok();
    gateway.by(&key, &[("ListGroups", "")]).await.ok();
    assert_eq!(gateway.by(&key, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
    update("PolicyDocument", "").await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    update("Description", "new").await.ok();
    let listed = gateway.root(&[("ListAccessKeys", ""), ("UserName", "bob")]).await.ok();
    assert!(
        listed.text.contains("<Description>new</Description>") && listed.find("PolicyDocument").is_none()
    );
    assert_eq!(update("PolicyDocument", "{").await.code(), is(400, "MalformedPolicyDocument"));
    assert_eq!(update("Description", "\u{1b}[2J").await.code(), is(400, "ValidationError"));
    let nothing = [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*key)];
    assert_eq!(gateway.root(&nothing).await.code(), is(400, "ValidationError"));
}

#[tokio::test]
async fn service_accounts_belong_to_users_and_are_counted_apart() {
    let gateway = Gateway::new().await;
    let usual = gateway.user("bob", "").await;
    gateway.root(&[("CreateAccessKey", ""), ("UserName", "bob")]).await.ok();
    service_account(&gateway, "bob", &[]).await.ok();
    assert_eq!(service_account(&gateway, "bob", &[]).await.code(), is(409, "EntityAlreadyExists"));
    let full = gateway.root(&[("CreateAccessKey", ""), ("UserName", "bob")]).await;
    assert_eq!(full.code(), is(409, "LimitExceeded"));
    let listed = gateway.root(&[("ListAccessKeys", ""), ("UserName", "bob")]).await.ok();
    assert_eq!(listed.count("AccessKeyId"), 3);
    let of_root = gateway.root(&[("CreateAccessKey", ""), ("ServiceAccountName", "x")]).await;
    assert_eq!(of_root.code(), is(400, "ValidationError"));
    let unnamed = [("CreateAccessKey", ""), ("UserName", "bob"), ("PolicyDocument", ANYTHING)];
    assert_eq!(gateway.root(&unnamed).await.code(), is(400, "ValidationError"));
    let policy = [
        ("UpdateAccessKey", ""),
        ("UserName", "bob"),
        ("AccessKeyId", &*usual),
        ("PolicyDocument", ANYTHING),
    ];
    assert_eq!(gateway.root(&policy).await.code(), is(400, "ValidationError"), "it is a usual key");
}

#[tokio::test]
async fn a_key_that_has_expired_is_unknown_and_so_are_its_sessions() {
    let mut gateway = Gateway::new().await;
    gateway.user("bob", ALL).await;
    let soon = Timestamp::from_millis(NOW + 60_000).iso8601();
    let key = service_account(&gateway, "bob", &[("Expires", &soon)]).await.ok().get("AccessKeyId");
    let session = gateway.by(&key, &[("GetSessionToken", "")]).await.ok().temporary();
    let found = |gateway: &Gateway| {
        let session = gateway.find(&session.access_key, Some(&session.token)).map(drop);
        (gateway.find(&key, None).map(drop), session)
    };
    gateway.now = NOW + 59_999;
    assert_eq!(found(&gateway), (Ok(()), Ok(())));
    gateway.now = NOW + 60_000;
    assert_eq!(found(&gateway), (Err(Refused::Unknown), Err(Refused::Unknown)));
    let update =
        |value| [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*key), ("Expires", value)];
    assert_eq!(gateway.root(&update(&soon)).await.code(), is(400, "ValidationError"), "it is over");
    assert_eq!(gateway.root(&update("soon")).await.code(), is(400, "ValidationError"));
    gateway.root(&update("never")).await.ok();
    assert_eq!(found(&gateway), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_secret_is_replaced_while_both_are_valid() {
    let mut gateway = Gateway::new().await;
    gateway.user("bob", ALL).await;
    let made = service_account(&gateway, "bob", &[]).await.ok();
    let (key, first) = (made.get("AccessKeyId"), made.get("SecretAccessKey"));
    let rotate = |seconds| {
        let key = &*key;
        [("RotateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", key), ("GracePeriodSeconds", seconds)]
    };
    let second = gateway.root(&rotate("3600")).await.ok().get("SecretAccessKey");
    assert_ne!(first, second);
    let valid = |gateway: &Gateway| {
        let now = Timestamp::from_millis(gateway.now);
        let found = gateway.directory.find(&key, None, now, &gateway.accounts).expect("in force");
        found.secrets.valid(now).map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(valid(&gateway), [second.clone(), first]);
    let third = gateway.root(&rotate("3600")).await.ok().get("SecretAccessKey");
    assert_eq!(valid(&gateway), [third.clone(), second], "the first one is over");
    gateway.now = NOW + 3_600_000;
    assert_eq!(valid(&gateway), [third]);
    let last = gateway.root(&rotate("0")).await.ok().get("SecretAccessKey");
    assert_eq!(valid(&gateway), [last]);
    assert_eq!(gateway.root(&rotate("604801")).await.code(), is(400, "ValidationError"));
}

#[tokio::test]
async fn the_last_use_of_a_key_is_shown_and_kept() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let ask = [("GetAccessKeyLastUsed", ""), ("AccessKeyId", &*key)];
    let never = gateway.root(&ask).await.ok();
    assert_eq!((never.get("UserName"), never.get("ServiceName")), ("bob".to_owned(), "N/A".to_owned()));
    assert_eq!(never.find("LastUsedDate"), None);
    let now = Timestamp::from_millis(NOW);
    let found = gateway.directory.find(&key, None, now, &gateway.accounts).expect("in force");
    found.used(now, Service::Sts.as_str());
    let used = gateway.root(&ask).await.ok();
    assert_eq!(used.get("LastUsedDate"), "2026-01-02T03:04:05Z");
    assert_eq!((used.get("ServiceName"), used.get("Region")), ("sts".to_owned(), "us-east-1".to_owned()));
    // It stays while the key is inactive, and after a restart.
    let status = ("Status", "Inactive");
    let disable = [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*key), status];
    gateway.root(&disable).await.ok();
    drop(found);
    gateway.directory.write_uses().await.expect("written");
    assert_eq!(gateway.root(&ask).await.ok().get("ServiceName"), "sts");
    let again = Directory::new(gateway.directory.catalog_of_tests(), gateway._dir.path());
    again.refresh().await.expect("read");
    assert_eq!(again.uses().last(&key).map(|used| used.at), Some(now));
    let unknown = [("GetAccessKeyLastUsed", ""), ("AccessKeyId", "AKIANOBODY")];
    assert_eq!(gateway.root(&unknown).await.code(), is(404, "NoSuchEntity"));
    assert_eq!(gateway.by("other", &ask).await.code(), is(404, "NoSuchEntity"), "it is of another account");
    // A key that is deleted takes its last use with it.
    gateway.root(&[("DeleteAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &key)]).await.ok();
    gateway.directory.write_uses().await.expect("written");
    assert_eq!(gateway.directory.catalog_of_tests().key_uses().await.expect("read"), []);
}

#[tokio::test]
async fn a_user_says_where_version_2_is_accepted_and_its_sessions_follow() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", ALL).await;
    let session = gateway.by(&key, &[("GetSessionToken", "")]).await.ok().temporary();
    let accepted = || {
        let of_key = gateway.find(&key, None).expect("in force").0.signature_v2;
        let of_session = gateway.find(&session.access_key, Some(&session.token)).expect("in force").0;
        (of_key, of_session.signature_v2)
    };
    assert_eq!(accepted(), (None, None));
    let set = |value| [("UpdateUser", ""), ("UserName", "bob"), ("SignatureV2", value)];
    gateway.root(&set("all")).await.ok();
    assert_eq!(accepted(), (Some(SignatureV2::All), Some(SignatureV2::All)));
    let shown = gateway.root(&[("GetUser", ""), ("UserName", "bob")]).await.ok();
    assert_eq!(shown.get("SignatureV2"), "all");
    gateway.root(&set("default")).await.ok();
    assert_eq!(accepted(), (None, None));
    assert_eq!(gateway.root(&set("some")).await.code(), is(400, "ValidationError"));
}
