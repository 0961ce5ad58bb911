//! Sign-in for people: OpenID Connect's authorization code flow with PKCE, and the session that it begins.
//!
//! Owns what a browser is sent to and what it comes back with, the two sealed values that it keeps meanwhile
//! and afterwards, and which role a person gets. Owns no HTTP: `admin` serves the addresses and sets the
//! cookies.
//!
//! | file | owns |
//! |---|---|
//! | `pending` | what is kept between the way to the provider and the way back |
//! | `exchange` | the code of a provider for a verified ID token |
//! | `session` | the sealed session of a person |
//! | `settings`, `error` | who may sign in, and why somebody could not |
//!
//! Invariants:
//! - nothing is stored here for a browser: what is pending, and a session, are sealed values that it keeps, so
//!   that no number of browsers takes memory, and any node with the data directory goes on with them;
//! - a code counts only in the browser that asked for it, within [`PENDING`] seconds;
//! - a browser is sent to addresses of the configuration and of the provider, never to one of a request;
//! - a role is given only if its trust policy lets the provider give it to this person;
//! - what a session may do is looked up when it is used.

mod error;
mod exchange;
mod pending;
mod session;
mod settings;

pub use error::SignInError;
pub use pending::PENDING;
pub use settings::SignInSettings;

use crate::{
    directory::{Accounts, Directory},
    member::{self, OfSession},
    model::{Role, Secret, Timestamp, account_id},
    names,
    oidc::{Provider, Providers},
    policy::{Action, Attached, Context, Member, Principal, PrincipalKind, Request, decide_federated},
};
use pending::Pending;
use session::Session;
use std::{fmt, sync::Arc};

const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

/// Where a browser goes, and what it keeps meanwhile.
#[derive(Debug)]
pub struct Begun {
    pub location: String,
    pub pending: Secret,
}

/// A session that begins.
#[derive(Debug)]
pub struct Completed {
    pub session: Secret,
    pub until: Timestamp,
}

/// Whose session it is.
#[derive(Debug)]
pub struct Person {
    pub subject: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub issuer: String,
    pub until: Timestamp,
    /// The session of the role, with the policies of this moment.
    pub member: Arc<Member>,
}

pub struct SignIn {
    settings: SignInSettings,
    providers: Arc<Providers>,
    directory: Arc<Directory>,
    accounts: Arc<dyn Accounts + Send + Sync>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl SignIn {
    pub fn new(
        settings: SignInSettings,
        providers: Arc<Providers>,
        directory: Arc<Directory>,
        accounts: Arc<dyn Accounts + Send + Sync>,
    ) -> Self {
        Self { settings, providers, directory, accounts }
    }

    fn provider(&self) -> Result<&Provider, SignInError> {
        self.providers.of(&self.settings.issuer).ok_or_else(|| {
            SignInError::failed(format!("{} is not among the providers", self.settings.issuer))
        })
    }

    /// The way to the provider.
    pub async fn begin(&self, now: Timestamp) -> Result<Begun, SignInError> {
        let endpoints = self.provider()?.endpoints().await.map_err(SignInError::failed)?;
        let pending = Pending::new(now).map_err(SignInError::failed)?;
        let key = self.directory.key().map_err(SignInError::failed)?;
        let location = exchange::authorization(&endpoints.authorization, &self.settings, &pending);
        let pending = Secret::new(pending.seal(&key).map_err(SignInError::failed)?);
        Ok(Begun { location, pending })
    }

    /// The way back. `query` has the parameters that the provider has given the browser, and `pending` is
    /// what the browser kept.
    pub async fn complete(
        &self,
        query: &str,
        pending: Option<&str>,
        now: Timestamp,
    ) -> Result<Completed, SignInError> {
        let mut parameters = exchange::Returned::of(query).ok_or(SignInError::NotBegun)?;
        let key = self.directory.key().map_err(SignInError::failed)?;
        let pending = pending.and_then(|sealed| Pending::open(&key, sealed, now));
        let pending =
            pending.filter(|pending| pending.is_of(&parameters.state)).ok_or(SignInError::NotBegun)?;
        // A provider that names itself must be the one that was asked (RFC 9207).
        if parameters.issuer.take().is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(SignInError::NotBegun);
        }
        let Some(code) = parameters.code.take() else {
            tracing::info!(error = parameters.error, "an identity provider refused a sign-in");
            return Err(SignInError::Refused);
        };
        let known = exchange::redeem(self.provider()?, &self.settings, &pending, &code, now).await?;
        let role = self.role_of(&known).ok_or(SignInError::NoRole)?;
        let session = self.session(known, role, now)?;
        let until = session.until;
        Ok(Completed { session: Secret::new(session.seal(&key).map_err(SignInError::failed)?), until })
    }

    /// Whose session a sealed value is. `None`: it is none of ours, or it has ended.
    pub fn person(&self, session: &str, now: Timestamp) -> Option<Person> {
        let key = self.directory.key_if_any().ok().flatten()?;
        let session = Session::open(&key, session, now)?;
        let account = self.accounts.account(&session.account)?;
        // An account that only reads has no members.
        if account.role == Role::ReadOnly || *session.account != *self.settings.account {
            return None;
        }
        let snapshot = self.directory.snapshot();
        let members = snapshot.state.account(&session.account);
        let role = members.roles.get(&session.role).filter(|role| role.data.id == session.role_id)?;
        let of_session =
            OfSession { name: &session.session_name, tags: &[], provider: &session.provider, policies: None };
        let member = member::session(&account.owner.id, members, role, of_session);
        Some(Person {
            subject: session.subject,
            name: session.name,
            email: session.email,
            issuer: session.issuer,
            until: session.until,
            member: Arc::new(member),
        })
    }

    /// The name of the role that the claims of a person choose.
    fn role_of(&self, known: &exchange::Known) -> Option<&str> {
        let values = self.settings.claim.as_deref().map(|claim| known.values(claim)).unwrap_or_default();
        let by_claim = self.settings.roles.iter().find(|(value, _)| values.contains(&value.as_str()));
        by_claim.map(|(_, role)| role).or(self.settings.role.as_ref()).map(String::as_str)
    }

    fn session(&self, known: exchange::Known, role: &str, now: Timestamp) -> Result<Session, SignInError> {
        let snapshot = self.directory.snapshot();
        let account = &self.settings.account;
        let id = account_id(account);
        let found = snapshot.state.account(account).roles.get(&names::fold(role));
        let role = found.ok_or_else(|| {
            tracing::warn!(role, "a role of [sign_in] does not exist: nobody can sign in to it");
            SignInError::NoRole
        })?;
        let provider = known.vouched.arn(&id);
        let session_name = session_name(&known.vouched.subject);
        let principal =
            Principal { kind: PrincipalKind::Session, provider: &provider, ..Principal::ANONYMOUS };
        let mut context = Context::new();
        context.add("aws:currenttime", now.iso8601());
        context.add("aws:epochtime", now.seconds().to_string());
        context.add("sts:rolesessionname", session_name.as_str());
        for (claim, value) in known.vouched.condition_keys() {
            context.add(claim, value);
        }
        let arn = names::arn(&id, "role", &role.data.path, &role.data.name);
        let action = Action::new(ASSUME);
        let request = Request::new(principal, &action, &arn, context);
        let trust = Attached { name: "the trust policy of the role", policy: &role.trust };
        let decision = decide_federated(&trust, &request);
        if !decision.is_allowed() {
            tracing::info!(subject = known.vouched.subject, role = arn, %decision, "a sign-in was denied by the trust policy of its role");
            return Err(SignInError::NoRole);
        }
        let (name, email) = (known.text("name"), known.text("email"));
        Ok(Session {
            account: account.to_string(),
            role: names::fold(&role.data.name),
            role_id: role.data.id.clone(),
            session_name,
            provider,
            issuer: self.settings.issuer.clone(),
            subject: known.vouched.subject.clone(),
            name,
            email,
            issued: now,
            until: Timestamp::from_millis((now.seconds() + i64::from(self.settings.session)) * 1000),
        })
    }
}

/// The name of a session, as the names of sessions of roles are: one of its own for each subject, of 64
/// characters at most.
fn session_name(subject: &str) -> String {
    let name = names::in_arn(subject);
    if name.len() <= names::USER_NAME {
        return name;
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, subject.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
