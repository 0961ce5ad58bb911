//! The query APIs of IAM and STS: forms in, XML out.
//!
//! | file | owns |
//! |---|---|
//! | `form`, `call` | the parameters of a call, and what is known about its sender |
//! | `action`, `actions` | the table of actions |
//! | `authorize` | whether a caller may call an action |
//! | `work` | what a handler works with |
//! | `pages`, `show` | lists in pages, and entities as XML |
//! | `error` | the codes of errors |
//! | `iam`, `sts` | the handlers |
//!
//! Invariant: no handler runs before the caller was found to be allowed.

mod action;
mod actions;
mod authorize;
mod call;
mod error;
mod form;
mod iam;
mod pages;
mod show;
mod sts;
mod work;

#[cfg(test)]
mod tests;

pub use action::Service;
pub use call::{Answer, Call};
pub use error::{Code, QueryError};
pub use form::Form;

use crate::{
    directory::Directory,
    ldap::{self, Login, Person},
    names,
    oidc::{Providers, Vouched},
    xml::Writer,
};
use action::Action;
use actions::Row;
use bytes::Bytes;
use http::StatusCode;
use std::sync::Arc;
use work::{Around, Known, Work};

/// The largest body of a call: a policy of 10,240 characters, each of them encoded.
pub const MAX_BODY: usize = 512 * 1024;

#[derive(Debug)]
pub struct Queries {
    directory: Arc<Directory>,
    providers: Arc<Providers>,
    /// The LDAP directory of the configuration.
    login: Option<Arc<dyn Login>>,
    region: String,
}

impl Queries {
    pub fn new(directory: Arc<Directory>, providers: impl Into<Arc<Providers>>) -> Self {
        Self { directory, providers: providers.into(), login: None, region: "us-east-1".to_owned() }
    }

    /// Users of an LDAP directory may ask for temporary credentials, too.
    #[must_use]
    pub fn with_login(self, login: Option<Arc<dyn Login>>) -> Self {
        Self { login, ..self }
    }

    /// The region that replies name.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    pub async fn answer(&self, call: Call) -> Answer {
        let row = match row_of(&call) {
            Ok(row) => row,
            Err(error) => return refuse(call.service, &call.request_id, error),
        };
        let action = &row.action;
        match self.run(&call, row).await {
            Ok(content) => Answer {
                status: StatusCode::OK,
                body: reply(action, &call.request_id, content),
                action: Some(action.name),
                code: None,
                failure: None,
            },
            Err(error) => {
                let answer = refuse(Some(action.service), &call.request_id, error);
                Answer { action: Some(action.name), ..answer }
            }
        }
    }

    async fn run(&self, call: &Call, row: &'static Row) -> Result<Writer, QueryError> {
        let action = &row.action;
        let known =
            Known { vouched: self.vouched(call, action).await?, person: self.person(call, action).await? };
        // Changes are those of the caller's account. Somebody without one changes nothing.
        let canonical_id = call.caller.as_ref().map_or("", |identity| &identity.owner.id);
        let around = Around { directory: &self.directory, providers: &self.providers, region: &self.region };
        let work = |state: &crate::state::State| {
            let mut work = Work::new(call, action, state, &known, around);
            authorize::check(&work)?;
            (row.handler)(&mut work)?;
            Ok::<_, QueryError>((work.changes, work.out))
        };
        self.directory.change(canonical_id, work).await
    }

    /// Who a web identity token speaks of, where an action takes one.
    async fn vouched(&self, call: &Call, action: &Action) -> Result<Option<Vouched>, QueryError> {
        if !action.knows("WebIdentityToken") {
            return Ok(None);
        }
        if call.form.get("ProviderId").is_some() {
            return Err(QueryError::invalid(
                "ProviderId is for OAuth 2.0 access tokens, which are not accepted",
            ));
        }
        let token = call.form.needed("WebIdentityToken")?;
        // The account of the role may have made the provider.
        let state = self.directory.snapshot().state.clone();
        let role = call.form.get("RoleArn").and_then(|arn| names::parse_arn(arn, "role"));
        let canonical_id = role.and_then(|(account, _)| state.canonical_id(account));
        let account = state.account(canonical_id.map_or("", |id| id));
        self.providers.verify(token, account, &state, call.at).await.map(Some)
    }

    /// The user whose password the LDAP directory verifies, where an action takes one.
    async fn person(&self, call: &Call, action: &Action) -> Result<Option<Person>, QueryError> {
        if !action.knows("LDAPPassword") {
            return Ok(None);
        }
        let (Some(login), Some(groups)) = (&self.login, self.directory.ldap()) else {
            let message = format!("{} needs the section [ldap] of the configuration", action.name);
            return Err(QueryError::new(Code::InvalidAction, message));
        };
        let (user, password) = (call.form.needed("LDAPUsername")?, call.form.needed("LDAPPassword")?);
        ldap::verify(&**login, groups, user, password).await.map(Some)
    }
}

/// The row of a call, if the call is of the right service, version and form.
fn row_of(call: &Call) -> Result<&'static Row, QueryError> {
    let name = call.form.get("Action").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| QueryError::new(Code::MissingAction, "The request has no Action"))?;
    let version = call.form.get("Version").unwrap_or_default();
    let unknown = || {
        let message = format!("Could not find operation {name} for version {version}");
        QueryError::new(Code::InvalidAction, message)
    };
    let row = actions::find(name).ok_or_else(unknown)?;
    let action = &row.action;
    if version != action.service.version() {
        return Err(unknown());
    }
    if call.service.is_some_and(|service| service != action.service) {
        let message =
            format!("Credential should be scoped to correct service: '{}'.", action.service.as_str());
        return Err(QueryError::new(Code::SignatureDoesNotMatch, message));
    }
    if let Some(other) = call.form.names().find(|name| !action.knows(name)) {
        let message = format!("The parameter {other} is not supported for {name}");
        return Err(QueryError::invalid(message));
    }
    Ok(row)
}

fn reply(action: &Action, request_id: &str, content: Writer) -> Bytes {
    let mut document = Writer::document();
    document.root_of(&format!("{}Response", action.name), &action.service.namespace(), |w| {
        // Clients look for it even where it is empty.
        w.element(&format!("{}Result", action.name), |w| w.insert(&content));
        w.element("ResponseMetadata", |w| w.text("RequestId", request_id));
    });
    document.finish()
}

/// The answer to a call that failed, or that was refused before it was one.
pub fn refuse(service: Option<Service>, request_id: &str, error: QueryError) -> Answer {
    let status = error.code.status();
    let blame = if status.is_server_error() { "Receiver" } else { "Sender" };
    let mut document = Writer::document();
    document.root_of("ErrorResponse", &service.unwrap_or(Service::Iam).namespace(), |w| {
        w.element("Error", |w| {
            w.text("Type", blame);
            w.text("Code", error.code.as_str());
            w.text("Message", &error.message);
        });
        w.text("RequestId", request_id);
    });
    Answer {
        status,
        body: document.finish(),
        action: None,
        code: Some(error.code.as_str()),
        failure: error.source,
    }
}
