//! Settings of the LDAP directory whose users may ask for temporary credentials, and what its groups are here.
//!
//! Owns the checks between these settings. Whether a filter has the syntax of LDAP is found out when the
//! server starts.

use super::{
    error::ConfigErrors,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote, refuse, text},
};
use crate::model::AccessKey;
use Fallback::{Required, Text, Unset};
use std::{path::PathBuf, time::Duration};

/// The shortest session that STS gives, and the longest that may be configured.
const SHORTEST: Duration = Duration::from_secs(15 * 60);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

section! {
    /// The LDAP directory (OpenLDAP, Active Directory and others) whose users may ask STS for temporary
    /// credentials with their password (`AssumeRoleWithLDAPIdentity`). They get the policies of the groups
    /// that `[[ldap_group]]` names. Either `user_dn` or `user_base` says where users are. See
    /// [signing in](guide/sign-in.md#ldap).
    Ldap {
        /// The server. `ldaps://` is TLS from the first byte; on `ldap://` TLS begins with StartTLS, before any
        /// password is sent.
        url: LdapUrl = Required,
        /// Whether an `ldap://` address is used without TLS. Passwords of all users are then sent in clear
        /// text.
        plain: bool = Text("false"),
        /// A PEM file with certificates to trust for this server, beside the public ones.
        ca_file: Option<PathBuf> = Unset("the public ones"),
        /// The distinguished name under which users and groups are searched.
        bind_dn: Option<String> = Unset("users are searched anonymously, and groups by the user who logs in"),
        /// The password of `bind_dn`.
        bind_password: Option<SecretSetting> = Unset("none"),
        /// The distinguished name of a user, with `%s` for the user name:
        /// `uid=%s,ou=people,dc=example,dc=com`. Users are then not searched.
        user_dn: Option<String> = Unset("users are searched below `user_base`"),
        /// Where users are searched, with all that is below it.
        user_base: Option<String> = Unset("`user_dn` names them"),
        /// The filter that finds one user, with `%s` for the user name. In Active Directory it is
        /// `(sAMAccountName=%s)`.
        user_filter: String = Text("(uid=%s)"),
        /// Where the groups of a user are searched, with all that is below it.
        group_base: String = Required,
        /// The filter that finds the groups of a user, with `%d` for the distinguished name of the user and
        /// `%s` for the user name.
        group_filter: String = Text("(&(objectClass=groupOfNames)(member=%d))"),
        /// The access key of the account whose groups `[[ldap_group]]` names, and to which sessions belong.
        account: Option<AccessKey> = Unset("the first administrator"),
        /// The longest session that a user may ask for. Without asking, it lasts an hour.
        max_session: Duration = Text("12h"),
        /// Maximum time for one login: connection, searches and passwords together.
        timeout: Duration = Text("5s"),
        /// Maximum number of logins at once. Further ones wait for `timeout` at most, and are then answered 503
        /// Throttling.
        max_connections: usize = Text("4"),
    }
}

section! {
    /// What a group of the LDAP directory is here; the section repeats. A user of several groups has the
    /// policies of all of them.
    LdapGroup {
        /// The distinguished name of the group in the directory. Letters count in any case.
        dn: String = Required,
        /// The name of a group of the account (`causeway group create`), whose policies count. It may be
        /// created later.
        group: String = Required,
    }
}

impl Ldap {
    /// Returns what is wrong between settings: the key and the problem.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut fail = |key: &'static str, problem: &str| wrong.push((key, format!("ldap.{key} {problem}")));
        match (&self.user_dn, &self.user_base) {
            (Some(_), Some(_)) => fail("user_dn", "and ldap.user_base exclude each other: set one of them"),
            (None, None) => fail("user_base", "is missing, and so is ldap.user_dn: where are the users?"),
            _ => {}
        }
        if self.user_dn.as_ref().is_some_and(|dn| !dn.contains("%s")) {
            fail("user_dn", "must contain %s for the user name");
        }
        if !self.user_filter.contains("%s") {
            fail("user_filter", "must contain %s for the user name");
        }
        if !self.group_filter.contains("%d") && !self.group_filter.contains("%s") {
            fail("group_filter", "must contain %d for the user's distinguished name, or %s for the name");
        }
        match (&self.bind_dn, &self.bind_password) {
            (Some(_), None) => fail("bind_dn", "needs ldap.bind_password too"),
            (None, Some(_)) => fail("bind_password", "needs ldap.bind_dn too"),
            _ => {}
        }
        if self.plain && self.url.is_tls() {
            fail("plain", "is for ldap:// addresses: this one uses TLS");
        }
        if !(SHORTEST..=LONGEST).contains(&self.max_session) {
            fail("max_session", "must be between 15m and 365d");
        }
        wrong
    }
}

/// The address of an LDAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUrl(String);

impl LdapUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether TLS begins with the first byte.
    pub fn is_tls(&self) -> bool {
        self.0.starts_with("ldaps://")
    }
}

impl Setting for LdapUrl {
    const KIND: &'static str = "ldaps://HOST, ldap://HOST, or one of them with a port";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let url = text::<Self>(node)?;
        let rest = ["ldaps://", "ldap://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let is_sound = |rest: &str| {
            let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "389"));
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
            !host.is_empty() && host.bytes().all(is_name) && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if rest.is_some_and(is_sound) { Ok(Self(url.to_owned())) } else { refuse::<Self, _>(node) }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0))
    }
}
