//! AssumeRoleWithLDAPIdentity, with a directory that the test plays.

use super::*;
use crate::ldap::{LdapUser, LoginError};
use async_trait::async_trait;
use std::sync::Mutex;

const READERS: &str = "cn=readers,ou=groups,dc=example";
const WRITERS: &str = "cn=writers,ou=groups,dc=example";

/// A directory whose only user is bob.
#[derive(Debug, Default)]
struct Played {
    asked: Mutex<Vec<String>>,
    groups: Mutex<Vec<String>>,
    is_down: Mutex<bool>,
}

#[async_trait]
impl Login for Played {
    async fn log_in(&self, user: &str, password: &Secret) -> Result<LdapUser, LoginError> {
        self.asked.lock().expect("asked").push(user.to_owned());
        if *self.is_down.lock().expect("state") {
            return Err(LoginError::Failed("ldap://far: no route".to_owned()));
        }
        if !user.eq_ignore_ascii_case("bob") || password.expose() != "bob-secret" {
            return Err(LoginError::Wrong);
        }
        Ok(LdapUser { groups: self.groups.lock().expect("groups").clone() })
    }
}

struct Scene {
    gateway: Gateway,
    directory: Arc<Played>,
}

impl Scene {
    /// Readers of the directory are `team` here, and writers are `hands`. Both exist.
    async fn new() -> Self {
        let directory = Arc::new(Played::default());
        *directory.groups.lock().expect("groups") = vec!["CN=Readers, OU=groups, DC=example".to_owned()];
        let pairs = [(READERS, "Team"), (WRITERS, "hands")];
        let pairs = pairs.map(|(dn, name)| (dn.to_owned(), name.to_owned()));
        let groups = LdapGroups::new("root", pairs, 43_200);
        let login: Arc<dyn Login> = directory.clone();
        let gateway = Gateway::over(Providers::default(), Some((groups, login))).await;
        for (group, policy) in [("team", allow("iam:ListUsers", "*")), ("hands", allow("iam:ListRoles", "*"))]
        {
            gateway.root(&[("CreateGroup", ""), ("GroupName", group)]).await.ok();
            let put = [
                ("PutGroupPolicy", ""),
                ("GroupName", group),
                ("PolicyName", "p"),
                ("PolicyDocument", &*policy),
            ];
            gateway.root(&put).await.ok();
        }
        Self { gateway, directory }
    }

    async fn assume(&self, more: &[(&str, &str)]) -> Said {
        let mut call =
            vec![("AssumeRoleWithLDAPIdentity", ""), ("LDAPUsername", "Bob"), ("LDAPPassword", "bob-secret")];
        call.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        call.extend(more);
        self.gateway.call_as(None, None, &call).await
    }

    async fn may(&self, session: &Temporary, action: &str) -> bool {
        self.gateway.by_session(session, &[(action, "")]).await.status == 200
    }
}

#[tokio::test]
async fn a_user_of_the_directory_has_the_policies_of_its_groups() {
    let scene = Scene::new().await;
    let session = scene.assume(&[]).await.ok().temporary();
    assert!(scene.may(&session, "ListUsers").await && !scene.may(&session, "ListRoles").await);
    let said = scene.gateway.by_session(&session, &[("GetCallerIdentity", "")]).await.ok();
    let account = account("root");
    assert_eq!(said.get("Arn"), format!("arn:aws:sts::{account}:federated-user/bob"));
    assert_eq!(said.get("UserId"), format!("{account}:bob"));
    scene.directory.groups.lock().expect("groups").push(WRITERS.to_owned());
    assert!(!scene.may(&session, "ListRoles").await, "a session keeps the groups that it began with");
    let both = scene.assume(&[]).await.ok().temporary();
    assert!(scene.may(&both, "ListUsers").await && scene.may(&both, "ListRoles").await);
}

#[tokio::test]
async fn what_a_group_loses_its_sessions_lose_with_their_next_request() {
    let scene = Scene::new().await;
    let session = scene.assume(&[]).await.ok().temporary();
    assert!(scene.may(&session, "ListUsers").await);
    let delete = [("DeleteGroupPolicy", ""), ("GroupName", "team"), ("PolicyName", "p")];
    scene.gateway.root(&delete).await.ok();
    assert_eq!(
        scene.gateway.by_session(&session, &[("ListUsers", "")]).await.code(),
        is(403, "AccessDenied")
    );
    scene.gateway.root(&[("DeleteGroup", ""), ("GroupName", "team")]).await.ok();
    let found = scene.gateway.find(&session.access_key, Some(&session.token));
    assert_eq!(found.map(drop), Err(Refused::Unknown));
    assert_eq!(scene.assume(&[]).await.code(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn a_session_ends_where_the_configuration_has_no_directory_any_more() {
    let scene = Scene::new().await;
    let session = scene.assume(&[]).await.ok().temporary();
    let moved = LdapGroups::new("other", [(READERS.to_owned(), "team".to_owned())], 3600);
    for groups in [None, Some(moved)] {
        let catalog = scene.gateway.directory.catalog_of_tests();
        let directory = Directory::new(catalog, scene.gateway._dir.path()).with_ldap(groups);
        directory.refresh().await.expect("read");
        let at = Timestamp::from_millis(NOW);
        let found = directory.find(&session.access_key, Some(&session.token), at, &scene.gateway.accounts);
        assert_eq!(found.map(drop), Err(Refused::Unknown));
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_or_empty_password_have_one_answer() {
    let scene = Scene::new().await;
    let mut answers = Vec::new();
    for more in [
        [("LDAPUsername", "eve"), ("LDAPPassword", "bob-secret")],
        [("LDAPUsername", "bob"), ("LDAPPassword", "wrong")],
        [("LDAPUsername", "bob"), ("LDAPPassword", "")],
        [("LDAPUsername", ""), ("LDAPPassword", "bob-secret")],
    ] {
        let said = scene.assume(&more).await;
        assert_eq!(said.code(), is(403, "AccessDenied"));
        answers.push(said.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(
        *scene.directory.asked.lock().expect("asked"),
        ["eve", "bob"],
        "the empty ones were not asked about"
    );
    let long = "x".repeat(2000);
    assert_eq!(scene.assume(&[("LDAPPassword", &long)]).await.code(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn a_directory_that_is_down_is_no_wrong_password_and_its_trouble_is_for_the_log() {
    let scene = Scene::new().await;
    *scene.directory.is_down.lock().expect("state") = true;
    let said = scene.assume(&[]).await;
    assert_eq!(said.code(), is(503, "ServiceUnavailable"));
    assert!(!said.text.contains("no route"), "{}", said.text);
    assert_eq!(said.failure.as_deref(), Some("ldap://far: no route"));
}

#[tokio::test]
async fn a_session_can_be_narrowed_and_is_no_longer_than_configured() {
    let scene = Scene::new().await;
    let narrow = allow("iam:ListGroups", "*");
    let session = scene.assume(&[("Policy", &narrow)]).await.ok().temporary();
    assert!(!scene.may(&session, "ListUsers").await && !scene.may(&session, "ListGroups").await);
    scene.assume(&[("DurationSeconds", "43200")]).await.ok();
    for seconds in ["43201", "899"] {
        let said = scene.assume(&[("DurationSeconds", seconds)]).await;
        assert_eq!(said.code(), is(400, "ValidationError"), "{seconds}");
    }
}

#[tokio::test]
async fn without_a_directory_there_is_no_such_action() {
    let gateway = Gateway::new().await;
    let call = [("AssumeRoleWithLDAPIdentity", ""), ("LDAPUsername", "bob"), ("LDAPPassword", "x")];
    assert_eq!(gateway.call_as(None, None, &call).await.code(), is(400, "InvalidAction"));
}
