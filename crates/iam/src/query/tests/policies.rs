//! Inline and managed policies, their versions, attachments and boundaries.

use super::*;

#[tokio::test]
async fn an_inline_policy_comes_back_as_it_was_put_and_acts_at_once() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let policy = allow("iam:GetUser", "*");
    let put =
        [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine"), ("PolicyDocument", &*policy)];
    assert_eq!(gateway.by(&key, &[("GetUser", "")]).await.code(), is(403, "AccessDenied"));
    gateway.root(&put).await.ok();
    assert_eq!(gateway.by(&key, &[("GetUser", "")]).await.ok().get("UserName"), "bob");
    let get = [("GetUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine")];
    assert_eq!(gateway.root(&get).await.ok().get("PolicyDocument"), show::document(&policy));
    assert!(
        gateway
            .root(&[("ListUserPolicies", ""), ("UserName", "bob")])
            .await
            .ok()
            .text
            .contains("<member>mine</member>")
    );
    assert_eq!(
        gateway.root(&[("DeleteUser", ""), ("UserName", "bob")]).await.code(),
        is(409, "DeleteConflict")
    );
    gateway.root(&[("DeleteUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine")]).await.ok();
    assert_eq!(gateway.root(&get).await.code(), is(404, "NoSuchEntity"));
    assert_eq!(gateway.by(&key, &[("GetUser", "")]).await.code(), is(403, "AccessDenied"));
    let long = format!("{}{}", allow("iam:GetUser", "*"), " ".repeat(3000));
    let put =
        [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine"), ("PolicyDocument", &*long)];
    gateway.root(&put).await.ok();
    let long = allow(&"x".repeat(3000), "*").replace("\"xxx", "\"iam:xxx");
    let put =
        [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine"), ("PolicyDocument", &*long)];
    assert_eq!(gateway.root(&put).await.code(), is(409, "LimitExceeded"));
    let put = [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "mine"), ("PolicyDocument", "{}")];
    assert_eq!(gateway.root(&put).await.code(), is(400, "MalformedPolicyDocument"));
}

#[tokio::test]
async fn a_managed_policy_acts_where_it_is_attached_and_its_default_version_counts() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let first = allow("iam:ListUsers", "*");
    let create = [
        ("CreatePolicy", ""),
        ("PolicyName", "Lists"),
        ("Path", "/p/"),
        ("PolicyDocument", &*first),
        ("Description", "d"),
    ];
    let made = gateway.root(&create).await.ok();
    let policy = made.get("Arn");
    assert_eq!((policy.clone(), made.get("DefaultVersionId")), (arn("policy", "p/Lists"), "v1".to_owned()));
    assert_eq!(gateway.root(&create).await.code(), is(409, "EntityAlreadyExists"));
    gateway.root(&[("AttachUserPolicy", ""), ("UserName", "bob"), ("PolicyArn", &policy)]).await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    let attached = gateway.root(&[("ListAttachedUserPolicies", ""), ("UserName", "bob")]).await.ok();
    assert_eq!(attached.get("PolicyName"), "Lists");
    assert_eq!(
        gateway.root(&[("ListEntitiesForPolicy", ""), ("PolicyArn", &policy)]).await.ok().get("UserName"),
        "bob"
    );
    assert_eq!(
        gateway.root(&[("GetPolicy", ""), ("PolicyArn", &policy)]).await.ok().get("AttachmentCount"),
        "1"
    );

    let second = allow("iam:ListGroups", "*");
    let version = [("CreatePolicyVersion", ""), ("PolicyArn", &*policy), ("PolicyDocument", &*second)];
    assert_eq!(gateway.root(&version).await.ok().get("VersionId"), "v2");
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    gateway.root(&[("SetDefaultPolicyVersion", ""), ("PolicyArn", &policy), ("VersionId", "v2")]).await.ok();
    assert_eq!(gateway.by(&key, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
    gateway.by(&key, &[("ListGroups", "")]).await.ok();
    let get = [("GetPolicyVersion", ""), ("PolicyArn", &*policy), ("VersionId", "v1")];
    let got = gateway.root(&get).await.ok();
    assert_eq!(
        (got.get("Document"), got.get("IsDefaultVersion")),
        (show::document(&first), "false".to_owned())
    );
    assert_eq!(
        gateway.root(&[("ListPolicyVersions", ""), ("PolicyArn", &policy)]).await.ok().count("VersionId"),
        2
    );
    let delete = [("DeletePolicy", ""), ("PolicyArn", &*policy)];
    assert_eq!(gateway.root(&delete).await.code(), is(409, "DeleteConflict"), "it is attached");
    gateway.root(&[("DetachUserPolicy", ""), ("UserName", "bob"), ("PolicyArn", &policy)]).await.ok();
    assert_eq!(gateway.root(&delete).await.code(), is(409, "DeleteConflict"), "it has two versions");
    let of_default = [("DeletePolicyVersion", ""), ("PolicyArn", &*policy), ("VersionId", "v2")];
    assert_eq!(gateway.root(&of_default).await.code(), is(409, "DeleteConflict"));
    gateway.root(&[("DeletePolicyVersion", ""), ("PolicyArn", &policy), ("VersionId", "v1")]).await.ok();
    gateway.root(&delete).await.ok();
    assert_eq!(
        gateway.root(&[("GetPolicy", ""), ("PolicyArn", &policy)]).await.code(),
        is(404, "NoSuchEntity")
    );
}

#[tokio::test]
async fn provided_policies_are_attached_by_their_arns_and_never_changed() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let provided = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    gateway.root(&[("AttachUserPolicy", ""), ("UserName", "bob"), ("PolicyArn", provided)]).await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    assert_eq!(
        gateway.by(&key, &[("CreateUser", ""), ("UserName", "x")]).await.code(),
        is(403, "AccessDenied")
    );
    assert_eq!(
        gateway.root(&[("DeletePolicy", ""), ("PolicyArn", provided)]).await.code(),
        is(403, "AccessDenied")
    );
    let unknown =
        [("AttachUserPolicy", ""), ("UserName", "bob"), ("PolicyArn", "arn:aws:iam::aws:policy/None")];
    assert_eq!(gateway.root(&unknown).await.code(), is(404, "NoSuchEntity"));
    let all = gateway.root(&[("ListPolicies", ""), ("Scope", "AWS")]).await.ok();
    assert_eq!(all.count("PolicyName"), crate::provided::ALL.len());
    let used = gateway.root(&[("ListPolicies", ""), ("OnlyAttached", "true")]).await.ok();
    assert_eq!(used.get("PolicyName"), "IAMReadOnlyAccess");
    let text =
        gateway.root(&[("GetPolicyVersion", ""), ("PolicyArn", provided), ("VersionId", "v1")]).await.ok();
    assert!(text.get("Document").contains("iam%3AGet%2A"));
}

#[tokio::test]
async fn policies_of_another_account_cannot_be_had() {
    let gateway = Gateway::new().await;
    gateway.user("bob", "").await;
    let create = [("CreatePolicy", ""), ("PolicyName", "theirs"), ("PolicyDocument", ANYTHING)];
    let theirs = gateway.by("other", &create).await.ok().get("Arn");
    for action in ["AttachUserPolicy", "GetPolicy"] {
        let mut call = vec![(action, ""), ("PolicyArn", &*theirs)];
        if action == "AttachUserPolicy" {
            call.push(("UserName", "bob"));
        }
        assert_eq!(gateway.root(&call).await.code(), is(404, "NoSuchEntity"), "{action}");
    }
}

#[tokio::test]
async fn a_boundary_narrows_what_policies_allow() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "iam:*").await;
    let bound = allow("iam:ListUsers", "*");
    let create = [("CreatePolicy", ""), ("PolicyName", "bound"), ("PolicyDocument", &*bound)];
    let policy = gateway.root(&create).await.ok().get("Arn");
    gateway.by(&key, &[("ListGroups", "")]).await.ok();
    let put = [("PutUserPermissionsBoundary", ""), ("UserName", "bob"), ("PermissionsBoundary", &*policy)];
    gateway.root(&put).await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    assert_eq!(gateway.by(&key, &[("ListGroups", "")]).await.code(), is(403, "AccessDenied"));
    let got = gateway.root(&[("GetUser", ""), ("UserName", "bob")]).await.ok();
    assert_eq!(got.get("PermissionsBoundaryArn"), policy);
    let delete = [("DeletePolicy", ""), ("PolicyArn", &*policy)];
    assert_eq!(gateway.root(&delete).await.code(), is(409, "DeleteConflict"));
    gateway.root(&[("DeleteUserPermissionsBoundary", ""), ("UserName", "bob")]).await.ok();
    gateway.by(&key, &[("ListGroups", "")]).await.ok();
}
