//! Temporary credentials: what a session token holds, and how it is sealed.
//!
//! A token holds everything that a node needs to verify a request, and is sealed with a key of the data
//! directory, for the one access key that it comes with. What it gives is looked up when it is used: the
//! policies of its role or user are those of that moment.
//!
//! Invariants: nobody without the key of the data directory can make, read or change a token; the secret of
//! a session is in no `Debug` form.

use crate::{
    data_key::DataKey,
    model::{Secret, Timestamp},
    names::Tag,
    random::{self, IdOf},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// The first byte of a token. Another form of its content is another version.
const VERSION: u8 = 1;

/// What a token holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    secret: String,
    /// The canonical id of the account.
    pub(crate) account: String,
    pub(crate) issued: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) holder: Holder,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("account", &self.account)
            .field("until", &self.until)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Whose credentials they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Holder {
    /// The account itself. The session ends with the access key that it was begun with.
    Account {
        key: String,
    },
    /// A user, by folded name. The session ends with the access key that it was begun with.
    User {
        name: String,
        id: String,
        key: String,
    },
    Role(RoleSession),
    Person(PersonSession),
}

/// A user of the LDAP directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonSession {
    pub(crate) name: String,
    /// The folded names of groups of the directory.
    pub(crate) groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policies: Option<SessionPolicies>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleSession {
    /// The folded name of the role.
    pub(crate) role: String,
    /// The id of the role, which no later role of that name has.
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policies: Option<SessionPolicies>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// Keys of the tags that later sessions in a chain have, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) transitive: Vec<String>,
    /// The provider that vouched for the session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) provider: String,
}

/// What narrows a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionPolicies {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inline: Option<String>,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attached: Vec<String>,
}

/// A session token as a client sent it. No log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(Box<str>);

impl SessionToken {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<token>")
    }
}

/// Temporary credentials as a client gets them.
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret: Secret,
    pub(crate) token: String,
    pub(crate) until: Timestamp,
}

impl Claims {
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.secret.as_str())
    }

    /// Makes credentials of a holder. `seconds` is how long they last.
    pub(crate) fn begin(
        key: &DataKey,
        account: &str,
        holder: Holder,
        now: Timestamp,
        seconds: u32,
    ) -> io::Result<Credentials> {
        let (access_key, secret) = (IdOf::TemporaryAccessKey.fresh()?, random::secret_key()?);
        // Shown in whole seconds: what is shown must not be later than what holds.
        let until = Timestamp::from_millis((now.seconds() + i64::from(seconds)) * 1000);
        let claims = Self {
            secret: secret.expose().to_owned(),
            account: account.to_owned(),
            issued: now,
            until,
            holder,
        };
        let token = claims.seal(key, &access_key)?;
        Ok(Credentials { access_key, secret, token, until })
    }

    fn seal(&self, key: &DataKey, access_key: &str) -> io::Result<String> {
        let sealed = key.seal_token(access_key, &serde_json::to_vec(self)?)?;
        Ok(URL_SAFE_NO_PAD.encode([&[VERSION][..], &sealed].concat()))
    }

    /// `None`: the token is not one of ours, or belongs to another access key.
    pub(crate) fn open(key: &DataKey, access_key: &str, token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&version, sealed) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        serde_json::from_slice(&key.unseal_token(access_key, sealed)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::User { name: "bob".to_owned(), id: "AIDAX".to_owned(), key: "AKIAX".to_owned() }
    }

    #[test]
    fn a_token_holds_for_its_access_key_and_with_its_key_only() {
        let (dir, other) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        let key = DataKey::find_or_make(dir.path()).expect("a key");
        let now = Timestamp::from_millis(1_700_000_000_999);
        let given = Claims::begin(&key, "owner", holder(), now, 900).expect("begun");
        assert!(given.access_key.starts_with("ASIA"));
        let claims = Claims::open(&key, &given.access_key, &given.token).expect("ours");
        assert_eq!((claims.secret(), claims.until.millis()), (given.secret.clone(), 1_700_000_900_000));
        assert_eq!(claims.holder, holder());
        assert_eq!(Claims::open(&key, "ASIAOTHER", &given.token), None);
        let other = DataKey::find_or_make(other.path()).expect("another key");
        assert_eq!(Claims::open(&other, &given.access_key, &given.token), None);
        let mut changed = given.token.clone().into_bytes();
        let last = changed.len() - 5;
        changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        for token in ["", "AQ", "x y", &given.token[1..], &changed] {
            assert_eq!(Claims::open(&key, &given.access_key, token), None, "{token}");
        }
    }

    #[test]
    fn neither_a_token_nor_a_debug_form_shows_the_secret() {
        let dir = tempfile::tempdir().expect("dir");
        let key = DataKey::find_or_make(dir.path()).expect("a key");
        let given = Claims::begin(&key, "owner", holder(), Timestamp::from_millis(0), 900).expect("begun");
        let claims = Claims::open(&key, &given.access_key, &given.token).expect("ours");
        assert!(!format!("{claims:?}").contains(given.secret.expose()));
        let bytes = URL_SAFE_NO_PAD.decode(&given.token).expect("base64");
        assert!(!bytes.windows(4).any(|window| window == b"AIDA"));
    }
}
