//! The query APIs over a directory of users, without a server.

mod allowed;
mod groups;
mod ldap;
mod policies;
mod providers;
mod roles;
mod service_accounts;
mod sessions;
mod users;
mod web;

use super::*;
use crate::{
    catalog::sqlite::SqliteCatalog,
    directory::{Accounts, Refused},
    ldap::{LdapGroups, Login},
    model::{AccessKey, Identity, Owner, Role, Secret, Timestamp, account_id},
    session::SessionToken,
    store::Durability,
};
use std::net::Ipv4Addr;
use tempfile::TempDir;

/// 2026-01-02T03:04:05Z
const NOW: i64 = 1_767_323_045_000;
const ANYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Three accounts: `root` may do everything, `other` is somebody else, and `reader` only reads.
struct Gateway {
    directory: Arc<Directory>,
    queries: Queries,
    accounts: Known,
    now: i64,
    _dir: TempDir,
}

struct Known(Vec<Arc<Identity>>);

impl Accounts for Known {
    fn account(&self, canonical_id: &str) -> Option<Arc<Identity>> {
        self.0.iter().find(|account| &*account.owner.id == canonical_id).cloned()
    }

    fn account_of_key(&self, access_key: &str, _now: Timestamp) -> Option<Arc<Identity>> {
        self.0.iter().find(|account| account.access_key.as_str() == access_key).cloned()
    }
}

/// The reply to a call.
#[derive(Debug)]
struct Said {
    status: u16,
    text: String,
    /// For the log.
    failure: Option<String>,
}

impl Said {
    /// The text of the first element of this name.
    fn get(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    fn find(&self, name: &str) -> Option<String> {
        let start = self.text.find(&format!("<{name}>"))? + name.len() + 2;
        let end = start + self.text[start..].find(&format!("</{name}>"))?;
        Some(self.text[start..end].to_owned())
    }

    fn count(&self, element: &str) -> usize {
        self.text.matches(&format!("<{element}>")).count()
    }

    fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.find("Code").unwrap_or_default())
    }

    fn temporary(&self) -> Temporary {
        Temporary { access_key: self.get("AccessKeyId"), token: self.get("SessionToken") }
    }
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[derive(Debug, Clone)]
struct Temporary {
    access_key: String,
    token: String,
}

impl Gateway {
    async fn new() -> Self {
        Self::with(Providers::default()).await
    }

    async fn with(providers: Providers) -> Self {
        Self::over(providers, None).await
    }

    async fn over(providers: Providers, people: Option<(LdapGroups, Arc<dyn Login>)>) -> Self {
        let (groups, login) = people.unzip();
        let dir = tempfile::tempdir().expect("a directory");
        let catalog = Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let directory = Arc::new(Directory::new(catalog, dir.path()).with_ldap(groups));
        directory.refresh().await.expect("read");
        let account = |name: &str, role| {
            let owner = Owner { id: name.into(), display_name: name.into() };
            Arc::new(Identity::account(AccessKey(name.into()), role, owner))
        };
        let accounts = vec![
            account("root", Role::Admin),
            account("other", Role::ReadWrite),
            account("reader", Role::ReadOnly),
        ];
        let queries = Queries::new(directory.clone(), providers).with_login(login);
        Self { directory, queries, accounts: Known(accounts), now: NOW, _dir: dir }
    }

    fn find(&self, access_key: &str, token: Option<&str>) -> Result<(Arc<Identity>, Secret), Refused> {
        let now = Timestamp::from_millis(self.now);
        if let Some(account) = self.accounts.account_of_key(access_key, now) {
            return Ok((account, Secret::new("secret")));
        }
        let found = self.directory.find(access_key, token, now, &self.accounts)?;
        Ok((found.identity, found.secrets.current))
    }

    async fn call_as(
        &self,
        caller: Option<Arc<Identity>>,
        token: Option<&str>,
        parameters: &[(&str, &str)],
    ) -> Said {
        let row = actions::find(parameters[0].0);
        let is_sts = row.is_some_and(|row| row.action.service == Service::Sts);
        let version = if is_sts { "2011-06-15" } else { "2010-05-08" };
        let mut pairs = vec![
            ("Action".to_owned(), parameters[0].0.to_owned()),
            ("Version".to_owned(), version.to_owned()),
        ];
        pairs.extend(parameters[1..].iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let call = Call {
            request_id: "id".into(),
            at: Timestamp::from_millis(self.now),
            service: caller.is_some().then_some(if is_sts { Service::Sts } else { Service::Iam }),
            caller,
            token: token.map(SessionToken::new),
            form: Form::new(pairs).expect("a form"),
            peer: Ipv4Addr::LOCALHOST.into(),
            is_secure: false,
            user_agent: None,
        };
        let answer = self.queries.answer(call).await;
        let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
        // Only trouble elsewhere has a cause for the log.
        let failure = answer.failure.map(|failure| failure.to_string());
        assert!(failure.is_none() || answer.code == Some("ServiceUnavailable"), "{text} {failure:?}");
        Said { status: answer.status.as_u16(), text, failure }
    }

    /// A call by an access key. The first parameter is the action.
    async fn by(&self, access_key: &str, parameters: &[(&str, &str)]) -> Said {
        let (caller, _) = self.find(access_key, None).expect("an identity");
        self.call_as(Some(caller), None, parameters).await
    }

    async fn by_session(&self, session: &Temporary, parameters: &[(&str, &str)]) -> Said {
        let (caller, _) = self.find(&session.access_key, Some(&session.token)).expect("a session");
        self.call_as(Some(caller), Some(&session.token), parameters).await
    }

    /// A call by the administrator.
    async fn root(&self, parameters: &[(&str, &str)]) -> Said {
        self.by("root", parameters).await
    }

    /// A user with an access key, whose inline policy allows an action on everything.
    async fn user(&self, name: &str, action: &str) -> String {
        self.root(&[("CreateUser", ""), ("UserName", name)]).await.ok();
        if !action.is_empty() {
            let policy = allow(action, "*");
            let put =
                [("PutUserPolicy", ""), ("UserName", name), ("PolicyName", "p"), ("PolicyDocument", &policy)];
            self.root(&put).await.ok();
        }
        self.root(&[("CreateAccessKey", ""), ("UserName", name)]).await.ok().get("AccessKeyId")
    }

    async fn role(&self, name: &str, principal: &str) {
        let trust = trust(principal, "sts:AssumeRole");
        self.root(&[("CreateRole", ""), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)]).await.ok();
    }
}

fn account(canonical_id: &str) -> String {
    account_id(canonical_id).to_string()
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{}:{kind}/{name}", account("root"))
}

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource)
}

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}]}}"#
    )
}

fn trust(principal: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"{action}"}}]}}"#
    )
}
