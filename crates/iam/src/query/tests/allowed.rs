//! Who may call what.

use super::*;
use crate::query::{
    action::{Access, On},
    actions,
};

#[tokio::test]
async fn no_action_of_iam_is_anybodys_and_each_is_allowed_by_its_own_permission_alone() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let served = actions::ALL.iter().map(|row| row.action);
    for action in served.filter(|action| matches!(action.access, Access::Read | Access::Write)) {
        let mut call = vec![(action.name, "")];
        let (policy, provider) = (arn("policy", "none"), arn("oidc-provider", "none"));
        match action.on {
            On::All => {}
            On::User => call.push(("UserName", "none")),
            On::AccessKey => call.push(("AccessKeyId", "none")),
            On::Group => call.push(("GroupName", "none")),
            On::Role => call.push(("RoleName", "none")),
            On::Policy => call.push(("PolicyArn", &policy)),
            On::NewPolicy => call.push(("PolicyName", "none")),
            On::Provider => call.push(("OpenIDConnectProviderArn", &provider)),
            On::NewProvider => call.push(("Url", "none")),
        }
        let anonymous = gateway.call_as(None, None, &call).await;
        assert_eq!(anonymous.code(), is(403, "MissingAuthenticationToken"), "{}", action.name);
        assert_eq!(gateway.by(&key, &call).await.code(), is(403, "AccessDenied"), "{}", action.name);
        let reads = action.access == Access::Read;
        let by_reader = gateway.by("reader", &call).await;
        assert_eq!(by_reader.code() == is(403, "AccessDenied"), !reads, "{} {by_reader:?}", action.name);
        let own = allow(action.permission, "*");
        let put =
            [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "p"), ("PolicyDocument", &*own)];
        gateway.root(&put).await.ok();
        let said = gateway.by(&key, &call).await;
        assert_ne!(said.code(), is(403, "AccessDenied"), "{} {said:?}", action.name);
        gateway.root(&[("DeleteUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "p")]).await.ok();
    }
}

#[tokio::test]
async fn a_permission_is_for_the_arns_that_its_policy_names() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    let team = allow("iam:*", &format!("arn:aws:iam::{}:user/team/*", account("root")));
    let put = [("PutUserPolicy", ""), ("UserName", "bob"), ("PolicyName", "p"), ("PolicyDocument", &*team)];
    gateway.root(&put).await.ok();
    gateway.by(&key, &[("CreateUser", ""), ("UserName", "eve"), ("Path", "/team/")]).await.ok();
    assert_eq!(
        gateway.by(&key, &[("CreateUser", ""), ("UserName", "eve2")]).await.code(),
        is(403, "AccessDenied")
    );
    // The path is that of the user, not one that the call names.
    gateway.by(&key, &[("DeleteUser", ""), ("UserName", "EVE")]).await.ok();
    assert_eq!(
        gateway.by(&key, &[("DeleteUser", ""), ("UserName", "bob")]).await.code(),
        is(403, "AccessDenied")
    );
}

#[tokio::test]
async fn members_of_one_account_see_nothing_of_another() {
    let gateway = Gateway::new().await;
    gateway.user("bob", "").await;
    gateway.by("other", &[("CreateUser", ""), ("UserName", "eve")]).await.ok();
    assert_eq!(
        gateway.by("other", &[("GetUser", ""), ("UserName", "bob")]).await.code(),
        is(404, "NoSuchEntity")
    );
    assert_eq!(
        gateway.by("other", &[("DeleteUser", ""), ("UserName", "bob")]).await.code(),
        is(404, "NoSuchEntity")
    );
    assert_eq!(gateway.root(&[("ListUsers", "")]).await.ok().count("UserName"), 1);
}

#[tokio::test]
async fn an_unknown_action_version_or_parameter_is_refused_by_name() {
    let gateway = Gateway::new().await;
    let root = gateway.find("root", None).expect("an account").0;
    let call = |pairs: &[(&str, &str)], service| Call {
        request_id: "id".into(),
        at: Timestamp::from_millis(NOW),
        caller: Some(root.clone()),
        token: None,
        service: Some(service),
        form: Form::new(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
        .expect("a form"),
        peer: Ipv4Addr::LOCALHOST.into(),
        is_secure: false,
        user_agent: None,
    };
    for (pairs, service, code) in [
        (vec![], Service::Iam, "MissingAction"),
        (vec![("Action", "CreateLoginProfile"), ("Version", "2010-05-08")], Service::Iam, "InvalidAction"),
        (vec![("Action", "ListUsers"), ("Version", "2011-06-15")], Service::Iam, "InvalidAction"),
        (vec![("Action", "ListUsers"), ("Version", "2010-05-08")], Service::Sts, "SignatureDoesNotMatch"),
        (
            vec![("Action", "ListUsers"), ("Version", "2010-05-08"), ("Colour", "red")],
            Service::Iam,
            "ValidationError",
        ),
    ] {
        let answer = gateway.queries.answer(call(&pairs, service)).await;
        assert_eq!(answer.code, Some(code), "{pairs:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            text.contains(&format!("<Code>{code}</Code>")) && text.contains("<RequestId>id</RequestId>"),
            "{text}"
        );
    }
}
