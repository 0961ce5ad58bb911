//! Identities that are added, listed and removed while a server runs.

use crate::{
    access::{AddedIdentities, AddedIdentity, Addition, IdentityError},
    model::{AccessKey, Chain, Role, Secret},
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
    },
    List,
    Remove {
        access_key: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyed {
    Added { access_key: String, secret_key: Hidden, policy: Role },
    Listed(Vec<ListedKey>),
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    pub access_key: String,
    pub policy: Role,
    pub name: Option<String>,
    /// False if the configuration has another identity with this key, or if its secret cannot be unsealed.
    pub in_force: bool,
}

pub(super) async fn answer(identities: &AddedIdentities, key: Key) -> Result<Keyed, String> {
    let failed = |error: IdentityError| Chain(&error).to_string();
    match key {
        Key::Add { access_key, secret_key, policy, name } => {
            let access_key = access_key.map(|key| AccessKey(key.into()));
            let secret_key = secret_key.map(|Hidden(secret)| Secret::new(secret));
            let added = identities
                .add(Addition { access_key, secret_key, role: policy, name })
                .await
                .map_err(failed)?;
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
    }
}

fn listed(AddedIdentity { access_key, role, name, is_in_force }: AddedIdentity) -> ListedKey {
    ListedKey { access_key: access_key.to_string(), policy: role, name, in_force: is_in_force }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_secret_goes_through_the_socket_and_into_no_log() {
        let secret_key = Some(Hidden("hunter2".to_owned()));
        let add =
            Key::Add { access_key: Some("bob".to_owned()), secret_key, policy: Role::ReadOnly, name: None };
        let line = serde_json::to_string(&add).expect("written");
        assert!(line.contains("hunter2"));
        assert_eq!(serde_json::from_str::<Key>(&line).expect("read"), add);
        assert!(!format!("{add:?}").contains("hunter2"));
    }
}
