//! Roles, and who may assume them.

use super::*;

fn assume<'a>(role: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("AssumeRole", ""), ("RoleArn", role), ("RoleSessionName", "work")][..], more].concat()
}

#[tokio::test]
async fn a_role_is_created_found_changed_and_deleted() {
    let gateway = Gateway::new().await;
    let text = trust(&format!(r#"{{"AWS":"{}"}}"#, account("root")), "sts:AssumeRole");
    let create = [
        ("CreateRole", ""),
        ("RoleName", "Reader"),
        ("AssumeRolePolicyDocument", &*text),
        ("MaxSessionDuration", "7200"),
    ];
    let made = gateway.root(&create).await.ok();
    assert_eq!((made.get("Arn"), made.get("MaxSessionDuration")), (arn("role", "Reader"), "7200".to_owned()));
    assert_eq!(made.get("AssumeRolePolicyDocument"), show::document(&text));
    gateway.root(&[("UpdateRole", ""), ("RoleName", "Reader"), ("Description", "reads")]).await.ok();
    let got = gateway.root(&[("GetRole", ""), ("RoleName", "reader")]).await.ok();
    assert_eq!((got.get("Description"), got.get("RoleId")), ("reads".to_owned(), made.get("RoleId")));
    let put =
        [("PutRolePolicy", ""), ("RoleName", "Reader"), ("PolicyName", "p"), ("PolicyDocument", ANYTHING)];
    gateway.root(&put).await.ok();
    assert_eq!(
        gateway.root(&[("DeleteRole", ""), ("RoleName", "Reader")]).await.code(),
        is(409, "DeleteConflict")
    );
    gateway.root(&[("DeleteRolePolicy", ""), ("RoleName", "Reader"), ("PolicyName", "p")]).await.ok();
    gateway.root(&[("DeleteRole", ""), ("RoleName", "Reader")]).await.ok();
    for (text, seconds) in
        [("{}", "3600"), (&*trust(r#"{"AWS":"bob"}"#, "sts:AssumeRole"), "3600"), (&*text, "60")]
    {
        let create = [
            ("CreateRole", ""),
            ("RoleName", "x"),
            ("AssumeRolePolicyDocument", text),
            ("MaxSessionDuration", seconds),
        ];
        assert_eq!(gateway.root(&create).await.status, 400, "{text}");
    }
}

#[tokio::test]
async fn a_session_does_what_the_role_may_and_says_who_it_is() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    gateway.role("Lister", &format!(r#"{{"AWS":"{}"}}"#, arn("user", "bob"))).await;
    let policy = allow("iam:ListUsers", "*");
    let put =
        [("PutRolePolicy", ""), ("RoleName", "Lister"), ("PolicyName", "p"), ("PolicyDocument", &*policy)];
    gateway.root(&put).await.ok();
    let role = arn("role", "Lister");
    let said = gateway.by(&key, &assume(&role, &[])).await.ok();
    assert_eq!(said.get("Expiration"), "2026-01-02T04:04:05Z");
    let session = said.temporary();
    let who = gateway.by_session(&session, &[("GetCallerIdentity", "")]).await.ok();
    let session_arn = format!("arn:aws:sts::{}:assumed-role/Lister/work", account("root"));
    assert_eq!((who.get("Arn"), who.get("UserId")), (session_arn, said.get("AssumedRoleId")));
    gateway.by_session(&session, &[("ListUsers", "")]).await.ok();
    assert_eq!(gateway.by_session(&session, &[("ListGroups", "")]).await.code(), is(403, "AccessDenied"));
    // A deny that is added later acts on the session.
    let policy = statement("Deny", "iam:*", "*");
    let put =
        [("PutRolePolicy", ""), ("RoleName", "Lister"), ("PolicyName", "d"), ("PolicyDocument", &*policy)];
    gateway.root(&put).await.ok();
    assert_eq!(gateway.by_session(&session, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
    // A role that is created anew under the name is another one.
    for name in ["p", "d"] {
        gateway.root(&[("DeleteRolePolicy", ""), ("RoleName", "Lister"), ("PolicyName", name)]).await.ok();
    }
    gateway.root(&[("DeleteRole", ""), ("RoleName", "Lister")]).await.ok();
    assert_eq!(gateway.find(&session.access_key, Some(&session.token)).map(drop), Err(Refused::Unknown));
    gateway.role("Lister", "\"*\"").await;
    assert_eq!(gateway.find(&session.access_key, Some(&session.token)).map(drop), Err(Refused::Unknown));
}

#[tokio::test]
async fn only_whom_the_trust_policy_names_assumes_a_role() {
    let gateway = Gateway::new().await;
    let (bob, eve) = (gateway.user("bob", "").await, gateway.user("eve", "sts:AssumeRole").await);
    gateway.role("bobs", &format!(r#"{{"AWS":"{}"}}"#, arn("user", "bob"))).await;
    let role = arn("role", "bobs");
    gateway.by(&bob, &assume(&role, &[])).await.ok();
    assert_eq!(gateway.by(&eve, &assume(&role, &[])).await.code(), is(403, "AccessDenied"));
    assert_eq!(gateway.by("other", &assume(&role, &[])).await.code(), is(403, "AccessDenied"));
    assert_eq!(gateway.by(&bob, &assume(&arn("role", "none"), &[])).await.code(), is(403, "AccessDenied"));
    // The name alone is not enough: a user who is created later under it is another one.
    for call in [
        vec![("DeleteAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*bob)],
        vec![("DeleteUser", ""), ("UserName", "bob")],
    ] {
        gateway.root(&call).await.ok();
    }
    let bob = gateway.user("bob", "").await;
    assert_eq!(gateway.by(&bob, &assume(&role, &[])).await.code(), is(403, "AccessDenied"));
    let nobody = trust(&format!(r#"{{"AWS":"{}"}}"#, arn("user", "nobody")), "sts:AssumeRole");
    let create = [("CreateRole", ""), ("RoleName", "x"), ("AssumeRolePolicyDocument", &*nobody)];
    assert_eq!(gateway.root(&create).await.code(), is(400, "MalformedPolicyDocument"));
}

#[tokio::test]
async fn a_role_that_trusts_another_account_leaves_it_to_that_account() {
    let gateway = Gateway::new().await;
    gateway.role("shared", &format!(r#"{{"AWS":"{}"}}"#, account("other"))).await;
    let role = arn("role", "shared");
    gateway.by("other", &assume(&role, &[])).await.ok();
    for (name, policy) in [("may", Some(allow("sts:AssumeRole", &role))), ("may-not", None)] {
        gateway.by("other", &[("CreateUser", ""), ("UserName", name)]).await.ok();
        if let Some(policy) = &policy {
            let put = [
                ("PutUserPolicy", ""),
                ("UserName", name),
                ("PolicyName", "p"),
                ("PolicyDocument", &**policy),
            ];
            gateway.by("other", &put).await.ok();
        }
        let key =
            gateway.by("other", &[("CreateAccessKey", ""), ("UserName", name)]).await.ok().get("AccessKeyId");
        let said = gateway.by(&key, &assume(&role, &[])).await;
        assert_eq!(said.status == 200, policy.is_some(), "{name} {said:?}");
    }
}

#[tokio::test]
async fn an_external_id_is_asked_for_where_the_trust_policy_does() {
    let gateway = Gateway::new().await;
    let text = trust(&format!(r#"{{"AWS":"{}"}}"#, account("other")), "sts:AssumeRole")
        .replace("}]}", r#","Condition":{"StringEquals":{"sts:ExternalId":"secret-7"}}}]}"#);
    gateway.root(&[("CreateRole", ""), ("RoleName", "r"), ("AssumeRolePolicyDocument", &text)]).await.ok();
    let role = arn("role", "r");
    gateway.by("other", &assume(&role, &[("ExternalId", "secret-7")])).await.ok();
    for more in [&[][..], &[("ExternalId", "secret-8")]] {
        assert_eq!(gateway.by("other", &assume(&role, more)).await.code(), is(403, "AccessDenied"));
    }
}

#[tokio::test]
async fn tags_of_a_session_need_a_permission_and_go_on_where_they_are_transitive() {
    let gateway = Gateway::new().await;
    let both = trust(&format!(r#"{{"AWS":"{}"}}"#, account("root")), "sts:*");
    for name in ["one", "two"] {
        gateway
            .root(&[("CreateRole", ""), ("RoleName", name), ("AssumeRolePolicyDocument", &both)])
            .await
            .ok();
        let put =
            [("PutRolePolicy", ""), ("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", ANYTHING)];
        gateway.root(&put).await.ok();
    }
    gateway.role("untagged", &format!(r#"{{"AWS":"{}"}}"#, account("root"))).await;
    let tags = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "a"),
        ("Tags.member.2.Key", "x"),
        ("Tags.member.2.Value", "1"),
        ("TransitiveTagKeys.member.1", "team"),
    ];
    let (one, two, untagged) = (arn("role", "one"), arn("role", "two"), arn("role", "untagged"));
    assert_eq!(gateway.root(&assume(&untagged, &tags)).await.code(), is(403, "AccessDenied"));
    let session = gateway.root(&assume(&one, &tags)).await.ok().temporary();
    let tags_of = |session: &Temporary| {
        let (identity, _) = gateway.find(&session.access_key, Some(&session.token)).expect("a session");
        let member = identity.member.clone().expect("a member");
        member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(tags_of(&session), ["team=a", "x=1"]);
    let chained = gateway.by_session(&session, &assume(&two, &[])).await.ok().temporary();
    assert_eq!(tags_of(&chained), ["team=a"]);
    let replaced = [("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "b")];
    assert_eq!(gateway.by_session(&session, &assume(&two, &replaced)).await.code(), is(400, "InvalidInput"));
}
