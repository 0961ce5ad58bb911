//! Users, groups, roles, managed policies and OpenID Connect providers, as the catalog stores them: one JSON
//! document each.
//!
//! Invariants: stored formats only gain fields, and a field that is not known is an error, because an older
//! release that ignored a permission boundary would give more than was meant; secrets are sealed.

use crate::{
    model::{PublicAccess, SignatureV2, Timestamp},
    names::{Tag, fold, provider_name},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The policies that a user, a group or a role has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policies {
    /// Texts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) attached: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// The ARN of a managed policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boundary: Option<String>,
    #[serde(default)]
    pub(crate) policies: Policies,
    /// Folded names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) groups: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) keys: BTreeMap<String, Key>,
    /// Where signature version 2 is accepted from the user. `None`: where the server accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signature_v2: Option<SignatureV2>,
}

/// An access key of a user, or of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    /// Sealed for its access key.
    pub(crate) secret: String,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// The secret that `secret` replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<PreviousSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<ServiceAccount>,
}

/// A secret that was replaced and is valid for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviousSecret {
    /// Sealed for its access key.
    pub(crate) secret: String,
    pub(crate) until: Timestamp,
}

/// What an access key has that a program uses on behalf of its user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccount {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The text of a policy that narrows what the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) policies: Policies,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boundary: Option<String>,
    #[serde(default)]
    pub(crate) policies: Policies,
    pub(crate) trust: String,
    /// The ids of the users and roles that the trust policy names, by ARN, when it was written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) pins: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The longest session, in seconds.
    pub(crate) longest: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManagedPolicy {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// By number. The default one is among them.
    pub(crate) versions: BTreeMap<u32, Version>,
    pub(crate) default: u32,
    /// The number of the next version.
    pub(crate) next: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) text: String,
    pub(crate) created: Timestamp,
}

/// An OpenID Connect provider that an account has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenIdProvider {
    /// The issuer, letter for letter as tokens name it.
    pub(crate) url: String,
    pub(crate) created: Timestamp,
    /// Whom tokens must be for, in the order in which they were added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) client_ids: Vec<String>,
    /// Kept and shown: certificates are verified by authorities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) thumbprints: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
}

/// What an account has beside the one access key by which the configuration knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) keys: BTreeMap<String, Key>,
}

/// What an account has set for all of its buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_access: Option<PublicAccess>,
}

/// The kinds of documents. Their names are stored: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Group,
    Role,
    Policy,
    Provider,
    Root,
    Settings,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::User, Self::Group, Self::Role, Self::Policy, Self::Provider, Self::Root, Self::Settings];

    /// Also how ARNs name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::Provider => "oidc-provider",
            Self::Root => "root",
            Self::Settings => "settings",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entity {
    User(User),
    Group(Group),
    Role(Role),
    Policy(ManagedPolicy),
    Provider(OpenIdProvider),
    Root(Root),
    Settings(AccountSettings),
}

impl Entity {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Group(_) => Kind::Group,
            Self::Role(_) => Kind::Role,
            Self::Policy(_) => Kind::Policy,
            Self::Provider(_) => Kind::Provider,
            Self::Root(_) => Kind::Root,
            Self::Settings(_) => Kind::Settings,
        }
    }

    /// The folded name, under which it is stored. An account has one [`Root`], and one
    /// [`AccountSettings`].
    pub(crate) fn key(&self) -> String {
        match self {
            Self::User(user) => fold(&user.name),
            Self::Group(group) => fold(&group.name),
            Self::Role(role) => fold(&role.name),
            Self::Policy(policy) => fold(&policy.name),
            Self::Provider(provider) => fold(provider_name(&provider.url)),
            Self::Root(_) | Self::Settings(_) => String::new(),
        }
    }

    pub(crate) fn body(&self) -> serde_json::Result<String> {
        match self {
            Self::User(user) => serde_json::to_string(user),
            Self::Group(group) => serde_json::to_string(group),
            Self::Role(role) => serde_json::to_string(role),
            Self::Policy(policy) => serde_json::to_string(policy),
            Self::Provider(provider) => serde_json::to_string(provider),
            Self::Root(root) => serde_json::to_string(root),
            Self::Settings(settings) => serde_json::to_string(settings),
        }
    }

    pub(crate) fn parse(kind: Kind, body: &str) -> serde_json::Result<Self> {
        Ok(match kind {
            Kind::User => Self::User(serde_json::from_str(body)?),
            Kind::Group => Self::Group(serde_json::from_str(body)?),
            Kind::Role => Self::Role(serde_json::from_str(body)?),
            Kind::Policy => Self::Policy(serde_json::from_str(body)?),
            Kind::Provider => Self::Provider(serde_json::from_str(body)?),
            Kind::Root => Self::Root(serde_json::from_str(body)?),
            Kind::Settings => Self::Settings(serde_json::from_str(body)?),
        })
    }
}

/// The sealed secrets in a stored document, each with its access key. The error says why the document is not
/// understood.
pub fn sealed_secrets(kind: &str, body: &str) -> Result<Vec<(String, String)>, String> {
    let kind = Kind::parse(kind).ok_or("it is of an unknown kind")?;
    let keys = match Entity::parse(kind, body).map_err(|error| error.to_string())? {
        Entity::User(user) => user.keys,
        Entity::Root(root) => root.keys,
        Entity::Group(_)
        | Entity::Role(_)
        | Entity::Policy(_)
        | Entity::Provider(_)
        | Entity::Settings(_) => BTreeMap::new(),
    };
    Ok(keys.into_iter().map(|(access_key, key)| (access_key, key.secret)).collect())
}

/// One change of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Box<Entity>),
    /// By kind and folded name.
    Delete(Kind, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These texts are stored: they are only added to.
    #[test]
    fn stored_documents_are_read_as_they_were_written() {
        for (kind, body) in [
            (
                Kind::User,
                r#"{"name":"Bob","id":"AIDAX","path":"/","created":5,"tags":[{"key":"a","value":"b"}],"boundary":"arn","policies":{"inline":{"p":"{}"},"attached":["arn"]},"groups":["g"],"keys":{"AKIAX":{"secret":"v1:x","active":true,"created":6,"expires":7}}}"#,
            ),
            (Kind::User, r#"{"name":"Bob","id":"AIDAX","path":"/","created":5,"policies":{}}"#),
            (
                Kind::User,
                r#"{"name":"Bob","id":"AIDAX","path":"/","created":5,"policies":{},"keys":{"AKIAX":{"secret":"v1:x","active":true,"created":6,"previous":{"secret":"v1:y","until":8},"service":{"name":"backup","description":"d","policy":"{}"}}},"signature_v2":"presigned"}"#,
            ),
            (Kind::Group, r#"{"name":"G","id":"AGPAX","path":"/","created":5,"policies":{}}"#),
            (
                Kind::Role,
                r#"{"name":"R","id":"AROAX","path":"/","created":5,"policies":{},"trust":"{}","pins":{"arn":"AIDAX"},"description":"d","longest":3600}"#,
            ),
            (
                Kind::Policy,
                r#"{"name":"P","id":"ANPAX","path":"/","created":5,"updated":6,"versions":{"1":{"text":"{}","created":5}},"default":1,"next":2}"#,
            ),
            (Kind::Provider, r#"{"url":"https://id.example/realm","created":5}"#),
            (
                Kind::Provider,
                r#"{"url":"http://id.example","created":5,"client_ids":["a","b"],"thumbprints":["0f"],"tags":[{"key":"a","value":"b"}]}"#,
            ),
            (Kind::Root, r#"{"keys":{"AKIAX":{"secret":"v1:x","active":false,"created":6}}}"#),
            (Kind::Settings, r#"{"public_access":"BlockPublicAcls RestrictPublicBuckets"}"#),
        ] {
            let entity = Entity::parse(kind, body).expect(body);
            assert_eq!((entity.kind(), entity.body().expect("written").as_str()), (kind, body));
            assert!(Entity::parse(kind, &body.replacen('{', r#"{"later":1,"#, 1)).is_err(), "{body}");
        }
    }

    #[test]
    fn names_of_kinds_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("server-certificate"), None);
    }
}
