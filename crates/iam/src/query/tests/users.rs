//! Users, their access keys and their tags.

use super::*;

#[tokio::test]
async fn a_user_is_created_found_renamed_and_deleted() {
    let gateway = Gateway::new().await;
    let create = [("CreateUser", ""), ("UserName", "Bob"), ("Path", "/team/")];
    let made = gateway.root(&create).await.ok();
    assert_eq!(made.get("Arn"), format!("arn:aws:iam::{}:user/team/Bob", account("root")));
    assert!(
        made.get("UserId").starts_with("AIDA")
            && made.text.contains("<CreateUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">")
    );
    assert_eq!(made.get("CreateDate"), "2026-01-02T03:04:05Z");
    assert_eq!(gateway.root(&create).await.code(), is(409, "EntityAlreadyExists"));
    let same = [("CreateUser", ""), ("UserName", "bob")];
    assert_eq!(
        gateway.root(&same).await.code(),
        is(409, "EntityAlreadyExists"),
        "names differ in more than case"
    );
    let got = gateway.root(&[("GetUser", ""), ("UserName", "Bob")]).await.ok();
    assert_eq!(got.get("UserId"), made.get("UserId"));
    let rename = [("UpdateUser", ""), ("UserName", "Bob"), ("NewUserName", "Robert"), ("NewPath", "/")];
    gateway.root(&rename).await.ok();
    assert_eq!(gateway.root(&[("GetUser", ""), ("UserName", "Bob")]).await.code(), is(404, "NoSuchEntity"));
    let got = gateway.root(&[("GetUser", ""), ("UserName", "Robert")]).await.ok();
    assert_eq!((got.get("UserId"), got.get("Arn")), (made.get("UserId"), arn("user", "Robert")));
    gateway.root(&[("DeleteUser", ""), ("UserName", "Robert")]).await.ok();
    assert_eq!(
        gateway.root(&[("DeleteUser", ""), ("UserName", "Robert")]).await.code(),
        is(404, "NoSuchEntity")
    );
    for (name, value) in [("UserName", "a b"), ("Path", "team"), ("Colour", "red")] {
        let said = gateway
            .root(&[
                ("CreateUser", ""),
                (
                    if name == "UserName" { "Path" } else { "UserName" },
                    if name == "UserName" { "/" } else { "x" },
                ),
                (name, value),
            ])
            .await;
        assert_eq!(said.code(), is(400, "ValidationError"), "{name}");
    }
}

#[tokio::test]
async fn users_are_listed_in_pages_of_their_own_account() {
    let gateway = Gateway::new().await;
    for name in ["c", "a", "B"] {
        gateway.root(&[("CreateUser", ""), ("UserName", name)]).await.ok();
    }
    gateway.by("other", &[("CreateUser", ""), ("UserName", "theirs")]).await.ok();
    let page = gateway.root(&[("ListUsers", ""), ("MaxItems", "2")]).await.ok();
    assert_eq!((page.count("UserName"), page.get("IsTruncated")), (2, "true".to_owned()));
    assert!(page.text.contains("<UserName>a</UserName>") && page.text.contains("<UserName>B</UserName>"));
    let marker = page.get("Marker");
    let rest = gateway.root(&[("ListUsers", ""), ("MaxItems", "2"), ("Marker", &marker)]).await.ok();
    assert_eq!(
        (rest.count("UserName"), rest.get("IsTruncated"), rest.find("Marker")),
        (1, "false".to_owned(), None)
    );
    for odd in [("MaxItems", "0"), ("MaxItems", "1001"), ("Marker", "?")] {
        assert_eq!(gateway.root(&[("ListUsers", ""), odd]).await.code(), is(400, "ValidationError"));
    }
}

#[tokio::test]
async fn two_access_keys_are_valid_while_one_replaces_the_other() {
    let gateway = Gateway::new().await;
    let first = gateway.user("bob", "").await;
    let create = [("CreateAccessKey", ""), ("UserName", "bob")];
    let made = gateway.root(&create).await.ok();
    let second = made.get("AccessKeyId");
    for key in [&first, &second] {
        let (identity, _) = gateway.find(key, None).expect("in force");
        assert_eq!(identity.member.as_ref().map(|member| &*member.name), Some("bob"));
    }
    assert_eq!(gateway.find(&second, None).expect("in force").1.expose(), made.get("SecretAccessKey"));
    assert_eq!(gateway.root(&create).await.code(), is(409, "LimitExceeded"));
    assert_eq!(
        gateway.root(&[("ListAccessKeys", ""), ("UserName", "bob")]).await.ok().count("AccessKeyId"),
        2
    );
    let status =
        |status| [("UpdateAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &*first), ("Status", status)];
    gateway.root(&status("Inactive")).await.ok();
    assert_eq!(gateway.find(&first, None).map(drop), Err(Refused::Unknown));
    gateway.root(&status("Active")).await.ok();
    assert!(gateway.find(&first, None).is_ok());
    assert_eq!(gateway.root(&status("Off")).await.code(), is(400, "ValidationError"));
    gateway.root(&[("DeleteAccessKey", ""), ("UserName", "bob"), ("AccessKeyId", &first)]).await.ok();
    assert_eq!(gateway.find(&first, None).map(drop), Err(Refused::Unknown));
    assert!(gateway.find(&second, None).is_ok());
    assert_eq!(
        gateway.root(&[("DeleteUser", ""), ("UserName", "bob")]).await.code(),
        is(409, "DeleteConflict")
    );
}

#[tokio::test]
async fn users_and_their_keys_are_in_force_after_a_restart_and_no_secret_is_in_clear_text() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "s3:*").await;
    let secret = gateway.find(&key, None).expect("in force").1;
    let again = Directory::new(gateway.directory.catalog_of_tests(), gateway._dir.path());
    again.refresh().await.expect("read");
    let found = again.find(&key, None, Timestamp::from_millis(NOW), &gateway.accounts).expect("in force");
    assert_eq!((found.secrets.current, found.identity.owner.id.as_ref()), (secret.clone(), "root"));
    let documents = gateway.directory.catalog_of_tests().iam().await.expect("read");
    assert!(documents.all.iter().all(|document| !document.body.contains(secret.expose())));
}

#[tokio::test]
async fn an_account_has_access_keys_of_its_own() {
    let gateway = Gateway::new().await;
    let made = gateway.root(&[("CreateAccessKey", "")]).await.ok();
    let (identity, _) = gateway.find(&made.get("AccessKeyId"), None).expect("in force");
    assert_eq!((identity.member.is_none(), identity.role, &*identity.owner.id), (true, Role::Admin, "root"));
    assert_eq!(gateway.root(&[("ListAccessKeys", "")]).await.ok().count("member"), 1);
    let got = gateway.root(&[("GetUser", "")]).await.ok();
    assert_eq!(got.get("Arn"), format!("arn:aws:iam::{}:root", account("root")));
}

#[tokio::test]
async fn a_user_is_nobody_while_the_account_is_not_in_force() {
    let mut gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let root = gateway.accounts.0.remove(0);
    assert_eq!(gateway.find(&key, None).map(drop), Err(Refused::Unknown));
    gateway.accounts.0.push(Arc::new(Identity { role: Role::ReadWrite, ..(*root).clone() }));
    let (identity, _) = gateway.find(&key, None).expect("in force again");
    assert_eq!(identity.role, Role::ReadWrite, "as the configuration says now");
    gateway.accounts.0.pop();
    gateway.accounts.0.push(Arc::new(Identity { role: Role::ReadOnly, ..(*root).clone() }));
    assert_eq!(gateway.find(&key, None).map(drop), Err(Refused::Unknown), "it might write");
}

#[tokio::test]
async fn tags_are_set_listed_and_removed() {
    let gateway = Gateway::new().await;
    let create = [
        ("CreateUser", ""),
        ("UserName", "bob"),
        ("Tags.member.1.Key", "Team"),
        ("Tags.member.1.Value", "a"),
    ];
    assert_eq!(gateway.root(&create).await.ok().get("Key"), "Team");
    let tag = [
        ("TagUser", ""),
        ("UserName", "bob"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "b"),
        ("Tags.member.2.Key", "x"),
        ("Tags.member.2.Value", ""),
    ];
    gateway.root(&tag).await.ok();
    let listed = gateway.root(&[("ListUserTags", ""), ("UserName", "bob")]).await.ok();
    assert_eq!((listed.count("Key"), listed.text.contains("<Value>b</Value>")), (2, true));
    gateway.root(&[("UntagUser", ""), ("UserName", "bob"), ("TagKeys.member.1", "TEAM")]).await.ok();
    assert_eq!(gateway.root(&[("ListUserTags", ""), ("UserName", "bob")]).await.ok().count("Key"), 1);
    let twice = [
        ("TagUser", ""),
        ("UserName", "bob"),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1"),
        ("Tags.member.2.Key", "A"),
        ("Tags.member.2.Value", "2"),
    ];
    assert_eq!(gateway.root(&twice).await.code(), is(400, "InvalidInput"));
}
