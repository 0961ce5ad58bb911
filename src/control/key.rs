//! Identities that are added, listed and removed while a server runs.

use crate::{
    access::{AddedIdentities, AddedIdentity, Addition, IdentityError, KeyChange},
    iam::Used,
    model::{AccessKey, Chain, Role, Secret, SignatureV2, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A secret on its way through the socket. No log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Key {
    /// Fields that are not given are generated.
    Add {
        access_key: Option<String>,
        secret_key: Option<Hidden>,
        policy: Role,
        name: Option<String>,
        #[serde(default)]
        expires: Option<Timestamp>,
        #[serde(default)]
        signature_v2: Option<SignatureV2>,
    },
    List,
    Remove {
        access_key: String,
    },
    Change {
        access_key: String,
        change: Change,
    },
}

/// A change of an added identity. See [`KeyChange`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    Enable,
    Disable,
    Expire(Option<Timestamp>),
    SignatureV2(Option<SignatureV2>),
    Rotate { secret_key: Option<Hidden>, until: Timestamp },
}

impl From<Change> for KeyChange {
    fn from(change: Change) -> Self {
        match change {
            Change::Enable => Self::Enable,
            Change::Disable => Self::Disable,
            Change::Expire(expires) => Self::Expire(expires),
            Change::SignatureV2(accepted) => Self::SignatureV2(accepted),
            Change::Rotate { secret_key, until } => {
                Self::Rotate { secret_key: secret_key.map(|Hidden(secret)| Secret::new(secret)), until }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyed {
    Added { access_key: String, secret_key: Hidden, policy: Role },
    Listed(Vec<ListedKey>),
    Removed,
    Changed,
    Rotated { access_key: String, secret_key: Hidden, until: Timestamp },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    pub access_key: String,
    pub policy: Role,
    pub name: Option<String>,
    /// The 12 digits by which policies name the account.
    pub account: String,
    /// Times are as in RFC 3339.
    pub expires: Option<String>,
    pub disabled: bool,
    /// How long the secret is valid that was replaced.
    pub previous_secret_until: Option<String>,
    pub signature_v2: Option<SignatureV2>,
    pub last_used: Option<LastUsed>,
    /// False if it is disabled or has expired, if the configuration has another identity with this key, or if
    /// its secret cannot be unsealed.
    pub in_force: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUsed {
    pub at: String,
    pub service: String,
}

pub(super) async fn answer(identities: &AddedIdentities, key: Key) -> Result<Keyed, String> {
    let failed = |error: IdentityError| Chain(&error).to_string();
    match key {
        Key::Add { access_key, secret_key, policy, name, expires, signature_v2 } => {
            let access_key = access_key.map(|key| AccessKey(key.into()));
            let secret_key = secret_key.map(|Hidden(secret)| Secret::new(secret));
            let addition = Addition { access_key, secret_key, role: policy, name, expires, signature_v2 };
            let added = identities.add(addition).await.map_err(failed)?;
            tracing::info!(access_key = %added.access_key, policy = added.role.as_str(), "an identity was added");
            let secret_key = Hidden(added.secret_key.expose().to_owned());
            Ok(Keyed::Added { access_key: added.access_key.to_string(), secret_key, policy: added.role })
        }
        Key::List => {
            Ok(Keyed::Listed(identities.list().await.map_err(failed)?.into_iter().map(listed).collect()))
        }
        Key::Remove { access_key } => {
            identities.remove(&AccessKey(access_key.as_str().into())).await.map_err(failed)?;
            tracing::info!(access_key, "an identity was removed");
            Ok(Keyed::Removed)
        }
        Key::Change { access_key, change } => {
            let until = if let Change::Rotate { until, .. } = &change { Some(*until) } else { None };
            let key = AccessKey(access_key.as_str().into());
            let made = identities.change(&key, change.into()).await.map_err(failed)?;
            tracing::info!(access_key, "an identity was changed");
            Ok(match (made, until) {
                (Some(secret), Some(until)) => {
                    Keyed::Rotated { access_key, secret_key: Hidden(secret.expose().to_owned()), until }
                }
                _ => Keyed::Changed,
            })
        }
    }
}

fn listed(identity: AddedIdentity) -> ListedKey {
    let shown = |at: Option<Timestamp>| at.map(Timestamp::iso8601);
    let last_used = |used: Used| LastUsed { at: used.at.iso8601(), service: used.service.to_owned() };
    ListedKey {
        access_key: identity.access_key.to_string(),
        policy: identity.role,
        name: identity.name,
        account: identity.account.to_string(),
        expires: shown(identity.expires),
        disabled: identity.is_disabled,
        previous_secret_until: shown(identity.previous_until),
        signature_v2: identity.signature_v2,
        last_used: identity.last_use.map(last_used),
        in_force: identity.is_in_force,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_secret_goes_through_the_socket_and_into_no_log() {
        let secret_key = Some(Hidden("hunter2".to_owned()));
        let add = Key::Add {
            access_key: Some("bob".to_owned()),
            secret_key,
            policy: Role::ReadOnly,
            name: None,
            expires: None,
            signature_v2: None,
        };
        let line = serde_json::to_string(&add).expect("written");
        assert!(line.contains("hunter2"));
        assert_eq!(serde_json::from_str::<Key>(&line).expect("read"), add);
        assert!(!format!("{add:?}").contains("hunter2"));
    }
}
