//! Users of an LDAP directory: who they are, and what their groups give them here.
//!
//! Owns the port through which a directory is asked (`Login`), and the groups of the configuration
//! (`LdapGroups`). Owns no connection.
//!
//! | file | owns |
//! |---|---|
//! | `dn` | the form in which distinguished names are compared |
//!
//! Invariants:
//! - an empty password is refused before a directory is asked: LDAP takes a bind without a password for an
//!   anonymous one, which succeeds;
//! - an answer does not say whether the user name or the password was wrong;
//! - a group of the directory gives what the configuration and the catalog say when a session is used.

mod dn;

use crate::{
    account::Account,
    compiled::CompiledGroup,
    model::Secret,
    names,
    query::{Code, QueryError},
};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The longest name and the longest password that a directory is asked about, in bytes.
const LONGEST_NAME: usize = 256;
const LONGEST_PASSWORD: usize = 1024;
/// Maximum number of groups that one session holds: its token must fit into a header.
const MOST_GROUPS: usize = 32;

/// A user as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUser {
    /// The distinguished names of its groups.
    pub groups: Vec<String>,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such user, or it has another password.
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("too many logins at once")]
    Busy,
    /// The text is for the log: it says what was tried and why it failed.
    #[error("{0}")]
    Failed(String),
}

/// A directory of users. An implementation bounds the time of a login, and the number of logins at once.
#[async_trait]
pub trait Login: Send + Sync + fmt::Debug {
    /// Verifies a password that is not empty.
    async fn log_in(&self, user: &str, password: &Secret) -> Result<LdapUser, LoginError>;
}

/// The groups of the directory that have an equivalent here.
#[derive(Debug, Clone)]
pub struct LdapGroups {
    /// The canonical id of the account whose groups give policies.
    account: Arc<str>,
    /// Folded names of groups of the account, by the folded names of groups of the directory.
    by_dn: BTreeMap<String, String>,
    /// The longest session, in seconds.
    longest: u32,
}

/// Who a directory vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// The folded names of those of its groups that have an equivalent here.
    pub(crate) groups: Vec<String>,
}

impl LdapGroups {
    /// `groups` has pairs: the distinguished name of a group of the directory, and the name of a group of the
    /// account.
    pub fn new(
        account: impl Into<Arc<str>>,
        groups: impl IntoIterator<Item = (String, String)>,
        longest: u32,
    ) -> Self {
        let by_dn = groups.into_iter().map(|(dn, name)| (dn::fold(&dn), names::fold(&name))).collect();
        Self { account: account.into(), by_dn, longest }
    }

    pub(crate) fn account(&self) -> &Arc<str> {
        &self.account
    }

    pub(crate) fn longest(&self) -> u32 {
        self.longest
    }

    /// The groups of the account that groups of the directory stand for. One that does not exist gives
    /// nothing.
    pub(crate) fn of<'a>(
        &'a self,
        account: &'a Account,
        groups: &'a [String],
    ) -> impl Iterator<Item = &'a Arc<CompiledGroup>> {
        let mut names: Vec<&String> = groups.iter().filter_map(|dn| self.by_dn.get(dn)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| account.groups.get(name))
    }

    fn known(&self, groups: &[String]) -> Vec<String> {
        let mut known: Vec<String> =
            groups.iter().map(|dn| dn::fold(dn)).filter(|dn| self.by_dn.contains_key(dn)).collect();
        known.sort_unstable();
        known.dedup();
        known
    }
}

/// Asks the directory about a user.
pub(crate) async fn verify(
    login: &dyn Login,
    groups: &LdapGroups,
    user: &str,
    password: &str,
) -> Result<Person, QueryError> {
    let is_sound = (1..=LONGEST_NAME).contains(&user.len())
        && (1..=LONGEST_PASSWORD).contains(&password.len())
        && !password.contains('\0');
    let found =
        if is_sound { login.log_in(user, &Secret::new(password)).await } else { Err(LoginError::Wrong) };
    let found = found.map_err(refused)?;
    let groups = groups.known(&found.groups);
    if groups.len() > MOST_GROUPS {
        let message = format!("The user has more than {MOST_GROUPS} groups that give access here");
        return Err(QueryError::new(Code::LimitExceeded, message));
    }
    // LDAP compares names of users without regard to case.
    Ok(Person { name: names::in_arn(&user.to_lowercase()), groups })
}

fn refused(error: LoginError) -> QueryError {
    match error {
        LoginError::Wrong => QueryError::new(Code::AccessDenied, "The user name or the password is wrong"),
        LoginError::Busy => {
            QueryError::new(Code::Throttling, "The LDAP server has too many logins to verify: try again")
        }
        LoginError::Failed(_) => {
            let message = "The LDAP server could not verify the user: try again later";
            QueryError { source: Some(error.into()), ..QueryError::new(Code::ServiceUnavailable, message) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_however_their_names_are_written() {
        let pairs = [("CN=Readers, ou=groups,dc=example", "Team"), ("cn=b,dc=example", "team")];
        let pairs = pairs.map(|(dn, name)| (dn.to_owned(), name.to_owned()));
        let groups = LdapGroups::new("root", pairs, 3600);
        let found = ["cn=readers,OU=groups,dc=example", "cn=other,dc=example"].map(str::to_owned);
        assert_eq!(groups.known(&found), ["cn=readers,ou=groups,dc=example"]);
    }
}
