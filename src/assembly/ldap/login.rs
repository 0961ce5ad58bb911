//! One login: a connection of its own, the search for the user, the bind with its password, and its groups.
//!
//! Invariants:
//! - a user is logged in only by a bind with its own name and password, neither of which is empty;
//! - a name that finds no user, or several, is answered like a wrong password;
//! - what a search returns is bounded, whatever the server sends.

use super::template::Template;
use crate::{
    iam::ldap::{LdapUser, LoginError},
    model::{Chain, Secret},
};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions};
use rustls::ClientConfig;
use std::sync::Arc;

/// Maximum number of groups that are read for a user.
const MAX_GROUPS: usize = 1000;
/// No attributes (RFC 4511, section 4.5.1.8): the name of an entry is enough.
const NO_ATTRIBUTES: &[&str] = &["1.1"];
/// The results of a bind that mean a wrong name or password: no such object, inappropriate authentication,
/// invalid credentials, insufficient access rights, and unwilling to perform (a locked user).
const WRONG: &[u32] = &[32, 34, 48, 49, 50, 53];
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;

/// How users are found.
#[derive(Debug)]
pub(super) enum Users {
    Named(Template),
    Searched { base: String, filter: Template },
}

/// What every login does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) url: String,
    /// Whether TLS begins with the first byte, and not with StartTLS.
    pub(super) is_tls: bool,
    /// `None`: no TLS at all.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// Who searches, with its password.
    pub(super) bind: Option<(String, Secret)>,
    pub(super) users: Users,
    pub(super) group_base: String,
    pub(super) group_filter: Template,
}

impl Plan {
    pub(super) async fn log_in(&self, user: &str, password: &Secret) -> Result<LdapUser, LoginError> {
        let mut ldap = self.connect().await?;
        let found = self.log_in_over(&mut ldap, user, password).await;
        // The server may have closed the connection already.
        let _ = ldap.unbind().await;
        found
    }

    async fn log_in_over(
        &self,
        ldap: &mut Ldap,
        user: &str,
        password: &Secret,
    ) -> Result<LdapUser, LoginError> {
        let dn = match &self.users {
            Users::Named(template) => template.name_of(user),
            Users::Searched { base, filter } => {
                self.bind_to_search(ldap).await?;
                let found = self.search(ldap, base, &filter.filter_for(user, ""), 1).await?;
                let [dn] = <[String; 1]>::try_from(found).map_err(|_| LoginError::Wrong)?;
                dn
            }
        };
        if dn.is_empty() || password.expose().is_empty() {
            return Err(LoginError::Wrong);
        }
        let bound = ldap.simple_bind(&dn, password.expose()).await;
        let bound = bound.map_err(|error| self.failed("the login of a user", &error))?;
        if WRONG.contains(&bound.rc) {
            return Err(LoginError::Wrong);
        }
        bound.success().map_err(|error| self.failed("the login of a user", &error))?;
        self.bind_to_search(ldap).await?;
        let filter = self.group_filter.filter_for(user, &dn);
        let groups = self.search(ldap, &self.group_base, &filter, MAX_GROUPS).await?;
        Ok(LdapUser { groups })
    }

    async fn connect(&self) -> Result<Ldap, LoginError> {
        let mut settings = LdapConnSettings::new();
        if let Some(tls) = &self.tls {
            settings = settings.set_config(tls.clone()).set_starttls(!self.is_tls);
        }
        let connected = LdapConnAsync::with_settings(settings, &self.url).await;
        let (connection, ldap) = connected.map_err(|error| self.failed("connecting", &error))?;
        tokio::spawn(async move {
            // A connection that fails is an error of the operation that waits for it.
            let _ = connection.drive().await;
        });
        Ok(ldap)
    }

    /// Becomes the one who searches, if the settings name one.
    async fn bind_to_search(&self, ldap: &mut Ldap) -> Result<(), LoginError> {
        let Some((dn, password)) = &self.bind else { return Ok(()) };
        let bound = ldap.simple_bind(dn, password.expose()).await.and_then(ldap3::LdapResult::success);
        bound.map(drop).map_err(|error| self.failed("the login of ldap.bind_dn", &error))
    }

    /// The names of at most `most` entries. With more than that, a search for one has no result.
    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        filter: &str,
        most: usize,
    ) -> Result<Vec<String>, LoginError> {
        let failed = |error: LdapError| self.failed(&format!("the search below {base}"), &error);
        let limit = i32::try_from(most + 1).unwrap_or(i32::MAX);
        ldap.with_search_options(SearchOptions::new().sizelimit(limit));
        let searched = ldap.streaming_search(base, Scope::Subtree, filter, NO_ATTRIBUTES).await;
        let mut stream = searched.map_err(failed)?;
        let mut found = Vec::new();
        while let Some(entry) = stream.next().await.map_err(failed)? {
            if entry.is_ref() || entry.is_intermediate() {
                continue;
            }
            found.push(SearchEntry::construct(entry).dn);
            if found.len() > most {
                break;
            }
        }
        let result = stream.finish().await;
        let is_cut = found.len() > most || result.rc == SIZE_LIMIT_EXCEEDED;
        if is_cut && most == 1 {
            tracing::warn!(
                url = self.url,
                base,
                "several users of the LDAP directory have one name: none of them is logged in"
            );
            return Ok(Vec::new());
        }
        if is_cut {
            return Err(LoginError::Failed(format!(
                "{}: the search below {base} finds more than {most} groups of one user",
                self.url
            )));
        }
        match result.rc {
            0 | NO_SUCH_OBJECT => Ok(found),
            _ => Err(failed(LdapError::from(result))),
        }
    }

    fn failed(&self, what: &str, error: &LdapError) -> LoginError {
        LoginError::Failed(format!("{}: {what} failed: {}", self.url, Chain(error)))
    }
}
