//! Temporary credentials: how they are narrowed, and when they end.

use super::*;

#[tokio::test]
async fn a_policy_of_the_session_narrows_it() {
    let gateway = Gateway::new().await;
    gateway.role("admin", &format!(r#"{{"AWS":"{}"}}"#, account("root"))).await;
    let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
    gateway.root(&[("AttachRolePolicy", ""), ("RoleName", "admin"), ("PolicyArn", everything)]).await.ok();
    let role = arn("role", "admin");
    let only = allow("iam:ListUsers", "*");
    let assume = |more: &[(&'static str, String)]| {
        let mut call = vec![
            ("AssumeRole", String::new()),
            ("RoleArn", role.clone()),
            ("RoleSessionName", "work".to_owned()),
        ];
        call.extend(more.iter().cloned());
        call
    };
    let begin = async |more: &[(&'static str, String)]| {
        let call = assume(more);
        let call: Vec<(&str, &str)> = call.iter().map(|(name, value)| (*name, value.as_str())).collect();
        gateway.root(&call).await
    };
    let whole = begin(&[]).await.ok().temporary();
    gateway.by_session(&whole, &[("ListGroups", "")]).await.ok();
    let narrow = begin(&[("Policy", only)]).await.ok();
    assert_ne!(narrow.get("PackedPolicySize"), "0");
    let narrow = narrow.temporary();
    gateway.by_session(&narrow, &[("ListUsers", "")]).await.ok();
    assert_eq!(gateway.by_session(&narrow, &[("ListGroups", "")]).await.code(), is(403, "AccessDenied"));
    let reads = ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess".to_owned());
    let reads = begin(&[reads]).await.ok().temporary();
    gateway.by_session(&reads, &[("ListGroups", "")]).await.ok();
    assert_eq!(
        gateway.by_session(&reads, &[("CreateUser", ""), ("UserName", "x")]).await.code(),
        is(403, "AccessDenied")
    );
    assert_eq!(begin(&[("Policy", "{".to_owned())]).await.code(), is(400, "MalformedPolicyDocument"));
    let long = format!("{ANYTHING}{}", " ".repeat(2048));
    assert_eq!(begin(&[("Policy", long)]).await.code(), is(400, "PackedPolicyTooLarge"));
    let none = ("PolicyArns.member.1.arn", arn("policy", "none"));
    assert_eq!(begin(&[none]).await.code(), is(404, "NoSuchEntity"));
    for seconds in ["899", "3601"] {
        assert_eq!(
            begin(&[("DurationSeconds", seconds.to_owned())]).await.code(),
            is(400, "ValidationError")
        );
    }
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let mut gateway = Gateway::new().await;
    gateway.role("r", &format!(r#"{{"AWS":"{}"}}"#, account("root"))).await;
    let role = arn("role", "r");
    let call =
        [("AssumeRole", ""), ("RoleArn", &*role), ("RoleSessionName", "work"), ("DurationSeconds", "900")];
    let session = gateway.root(&call).await.ok().temporary();
    let found = |gateway: &Gateway| gateway.find(&session.access_key, Some(&session.token)).map(drop);
    gateway.now = NOW + 899_999;
    assert_eq!(found(&gateway), Ok(()));
    gateway.now = NOW + 900_000;
    assert_eq!(found(&gateway), Err(Refused::ExpiredToken));
    gateway.now = NOW;
    assert_eq!(
        gateway.find(&session.access_key, None).map(drop),
        Err(Refused::Unknown),
        "it needs its token"
    );
    assert_eq!(gateway.find(&session.access_key, Some("other")).map(drop), Err(Refused::InvalidToken));
    let other = gateway.root(&call).await.ok().temporary();
    assert_eq!(gateway.find(&session.access_key, Some(&other.token)).map(drop), Err(Refused::InvalidToken));
}

#[tokio::test]
async fn a_session_of_a_user_ends_with_the_access_key_or_the_user() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "s3:*").await;
    let session =
        gateway.by(&key, &[("GetSessionToken", ""), ("DurationSeconds", "900")]).await.ok().temporary();
    let found = || gateway.find(&session.access_key, Some(&session.token)).map(|(identity, _)| identity);
    let identity = found().expect("a session");
    assert_eq!(identity.member.as_ref().map(|member| &*member.name), Some("bob"));
    assert_eq!(gateway.find(&key, Some(&session.token)).map(drop), Err(Refused::InvalidToken));
    // IAM takes no temporary credentials of a user, and neither begin further ones.
    for call in ["ListUsers", "GetSessionToken"] {
        assert_eq!(gateway.by_session(&session, &[(call, "")]).await.status, 403, "{call}");
    }
    let status =
        |status| [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*key), ("Status", status)];
    gateway.root(&status("Inactive")).await.ok();
    assert_eq!(found().map(drop), Err(Refused::Unknown));
    gateway.root(&status("Active")).await.ok();
    assert!(found().is_ok());
    gateway.root(&[("DeleteAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &key)]).await.ok();
    assert_eq!(found().map(drop), Err(Refused::Unknown));
}

#[tokio::test]
async fn a_session_of_an_account_ends_with_the_account() {
    let mut gateway = Gateway::new().await;
    let session = gateway.root(&[("GetSessionToken", "")]).await.ok().temporary();
    let (identity, _) = gateway.find(&session.access_key, Some(&session.token)).expect("a session");
    assert_eq!((identity.member.is_none(), identity.role), (true, Role::Admin));
    gateway.accounts.0.remove(0);
    assert_eq!(gateway.find(&session.access_key, Some(&session.token)).map(drop), Err(Refused::Unknown));
}

#[tokio::test]
async fn a_session_is_found_twice_as_the_same_identity() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "s3:*").await;
    let session = gateway.by(&key, &[("GetSessionToken", "")]).await.ok().temporary();
    for (key, token) in [(&key, None), (&session.access_key, Some(&*session.token))] {
        let (one, other) =
            (gateway.find(key, token).expect("found").0, gateway.find(key, token).expect("found").0);
        assert!(Arc::ptr_eq(&one, &other), "nothing is made anew for each request");
    }
}
