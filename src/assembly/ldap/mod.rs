//! The LDAP directory: from settings to a port that verifies passwords, and the groups that give policies.
//!
//! | file | owns |
//! |---|---|
//! | `login` | one login: connection, searches, and the bind with the password of the user |
//! | `template` | user names and distinguished names in filters and names, escaped |
//!
//! Invariants:
//! - without TLS, a password is sent only if the settings say so;
//! - the number of logins at once and the time of each are bounded, also if their callers are gone.

mod login;
mod template;

use super::{account, error::StartError};
use crate::{
    access::CredentialsInForce,
    backend::wire::tls,
    config::{self, Settings},
    iam::ldap::{LdapGroups, LdapUser, Login, LoginError},
    model::Secret,
};
use async_trait::async_trait;
use login::{Plan, Users};
use std::{sync::Arc, time::Duration};
use template::Template;
use tokio::sync::Semaphore;

/// The groups that give policies, if there is a directory.
pub(crate) fn groups(
    settings: &Settings,
    credentials: &CredentialsInForce,
) -> Result<Option<LdapGroups>, StartError> {
    let Some(ldap) = &settings.ldap else { return Ok(None) };
    let account = account::of_members(credentials, ldap.account.as_ref(), "ldap")?;
    let pairs = settings.ldap_groups.iter().map(|group| (group.dn.clone(), group.group.clone()));
    let longest = u32::try_from(ldap.max_session.as_secs()).unwrap_or(u32::MAX);
    Ok(Some(LdapGroups::new(account.owner.id.clone(), pairs, longest)))
}

/// The port to the directory, if there is one. Nothing is connected yet.
pub(crate) fn login(settings: &Settings) -> Result<Option<Arc<dyn Login>>, StartError> {
    let directory = settings.ldap.as_ref().map(Directory::new).transpose()?;
    Ok(directory.map(|directory| Arc::new(directory) as Arc<dyn Login>))
}

#[derive(Debug)]
struct Directory {
    plan: Arc<Plan>,
    timeout: Duration,
    permits: Arc<Semaphore>,
}

impl Directory {
    fn new(ldap: &config::Ldap) -> Result<Self, StartError> {
        let filter = |key: &str, text: &str| {
            Template::filter(text).ok_or_else(|| {
                StartError::new(format!("ldap.{key} is no filter of LDAP (RFC 4515): '{text}'"))
            })
        };
        let users = match (&ldap.user_dn, &ldap.user_base) {
            (Some(dn), _) => Users::Named(Template::name(dn)),
            (None, base) => Users::Searched {
                base: base.clone().unwrap_or_default(),
                filter: filter("user_filter", &ldap.user_filter)?,
            },
        };
        let tls = if ldap.plain {
            tracing::warn!(
                url = ldap.url.as_str(),
                "passwords of LDAP users are sent in clear text (ldap.plain)"
            );
            None
        } else {
            let configuration = tls::configuration(ldap.ca_file.as_deref());
            Some(Arc::new(configuration.map_err(|error| StartError::because("[ldap]", error))?))
        };
        let bind = ldap.bind_dn.clone().zip(ldap.bind_password.as_ref().map(|given| given.secret.clone()));
        let plan = Plan {
            url: ldap.url.as_str().to_owned(),
            is_tls: ldap.url.is_tls(),
            tls,
            bind,
            users,
            group_base: ldap.group_base.clone(),
            group_filter: filter("group_filter", &ldap.group_filter)?,
        };
        let permits = Arc::new(Semaphore::new(ldap.max_connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self { plan: Arc::new(plan), timeout: ldap.timeout, permits })
    }
}

#[async_trait]
impl Login for Directory {
    async fn log_in(&self, user: &str, password: &Secret) -> Result<LdapUser, LoginError> {
        let waiting = tokio::time::timeout(self.timeout, self.permits.clone().acquire_owned());
        let permit = waiting.await.map_err(|_| LoginError::Busy)?.map_err(|_| LoginError::Busy)?;
        let (plan, timeout) = (self.plan.clone(), self.timeout);
        let (user, password) = (user.to_owned(), password.clone());
        // A task of its own: a reply that is no LDAP may make the client library panic, and a caller that is
        // gone must not free a permit whose connection is still open.
        let task = tokio::spawn(async move {
            let _permit = permit;
            tokio::time::timeout(timeout, plan.log_in(&user, &password)).await
        });
        let url = &self.plan.url;
        match task.await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => {
                Err(LoginError::Failed(format!("{url} did not complete a login within {timeout:?}")))
            }
            Err(_) => Err(LoginError::Failed(format!("{url} sent a reply that is no LDAP"))),
        }
    }
}
