//! Users, groups, roles and policies in the form in which they are used: policies compiled, secrets unsealed.
//!
//! Invariants: a document whose policy is not understood is an error, because a policy that is left out might
//! have denied something; a secret that cannot be unsealed is left out, and the log says so.

use crate::{
    data_key::DataKey,
    entity::{
        AccountSettings, Entity, Group, Key, ManagedPolicy, OpenIdProvider, Policies, Role, Root, User,
    },
    model::{ReplacedSecret, Secrets},
    policy::{MalformedPolicy, NamedPolicy, Policy},
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Debug)]
pub(crate) struct CompiledUser {
    pub(crate) data: User,
    pub(crate) inline: Vec<NamedPolicy>,
    /// By access key.
    pub(crate) secrets: BTreeMap<String, Secrets>,
    /// The policies that narrow single access keys.
    pub(crate) narrowing: BTreeMap<String, NamedPolicy>,
}

#[derive(Debug)]
pub(crate) struct CompiledGroup {
    pub(crate) data: Group,
    pub(crate) inline: Vec<NamedPolicy>,
}

#[derive(Debug)]
pub(crate) struct CompiledRole {
    pub(crate) data: Role,
    pub(crate) inline: Vec<NamedPolicy>,
    pub(crate) trust: Policy,
}

#[derive(Debug)]
pub(crate) struct CompiledPolicy {
    pub(crate) data: ManagedPolicy,
    pub(crate) arn: Arc<str>,
    pub(crate) policy: Arc<Policy>,
}

#[derive(Debug)]
pub(crate) struct CompiledRoot {
    pub(crate) data: Root,
    pub(crate) secrets: BTreeMap<String, Secrets>,
}

#[derive(Debug)]
pub(crate) enum Compiled {
    User(Arc<CompiledUser>),
    Group(Arc<CompiledGroup>),
    Role(Arc<CompiledRole>),
    Policy(Arc<CompiledPolicy>),
    Provider(Arc<OpenIdProvider>),
    Root(Arc<CompiledRoot>),
    Settings(AccountSettings),
}

impl Compiled {
    /// `account` is the 12-digit id.
    pub(crate) fn of(account: &str, entity: Entity, key: Option<&DataKey>) -> Result<Self, MalformedPolicy> {
        Ok(match entity {
            Entity::User(data) => {
                let inline = compile(&data.policies, &format!("user {}", data.name))?;
                let (secrets, narrowing) = (unseal(&data.keys, key), narrowing(&data.keys)?);
                Self::User(Arc::new(CompiledUser { inline, secrets, narrowing, data }))
            }
            Entity::Group(data) => {
                let inline = compile(&data.policies, &format!("group {}", data.name))?;
                Self::Group(Arc::new(CompiledGroup { inline, data }))
            }
            Entity::Role(data) => {
                let inline = compile(&data.policies, &format!("role {}", data.name))?;
                let trust = Policy::trust(&data.trust)?.pin(|arn| data.pins.get(arn).cloned());
                Self::Role(Arc::new(CompiledRole { inline, trust, data }))
            }
            Entity::Policy(data) => {
                let text = data.versions.get(&data.default).map_or("", |version| version.text.as_str());
                let policy = Arc::new(Policy::identity(text)?);
                let arn = crate::names::arn(account, "policy", &data.path, &data.name).into();
                Self::Policy(Arc::new(CompiledPolicy { arn, policy, data }))
            }
            Entity::Provider(data) => Self::Provider(Arc::new(data)),
            Entity::Root(data) => {
                let secrets = unseal(&data.keys, key);
                Self::Root(Arc::new(CompiledRoot { secrets, data }))
            }
            Entity::Settings(settings) => Self::Settings(settings),
        })
    }
}

fn compile(policies: &Policies, holder: &str) -> Result<Vec<NamedPolicy>, MalformedPolicy> {
    let compiled = |(name, text): (&String, &String)| {
        let name = format!("{name} of {holder}").into();
        Ok(NamedPolicy { name, policy: Arc::new(Policy::identity(text)?) })
    };
    policies.inline.iter().map(compiled).collect()
}

/// The policies of service accounts.
fn narrowing(keys: &BTreeMap<String, Key>) -> Result<BTreeMap<String, NamedPolicy>, MalformedPolicy> {
    let mut all = BTreeMap::new();
    for (access_key, key) in keys {
        if let Some(service) = &key.service
            && let Some(text) = &service.policy
        {
            let name = format!("policy of service account {}", service.name).into();
            let policy = Arc::new(Policy::identity(text)?);
            all.insert(access_key.clone(), NamedPolicy { name, policy });
        }
    }
    Ok(all)
}

fn unseal(keys: &BTreeMap<String, Key>, key: Option<&DataKey>) -> BTreeMap<String, Secrets> {
    let unsealed = |(access_key, stored): (&String, &Key)| {
        let secret = key.and_then(|key| key.unseal(access_key, &stored.secret));
        if secret.is_none() {
            tracing::error!(
                access_key,
                "the secret of an access key cannot be unsealed: it is left out. Delete it and create another one, or restore the key that seals secrets"
            );
        }
        let previous = stored.previous.as_ref().and_then(|previous| {
            let secret = key?.unseal(access_key, &previous.secret)?;
            Some(ReplacedSecret { secret, until: Some(previous.until) })
        });
        Some((access_key.clone(), Secrets { current: secret?, previous }))
    };
    keys.iter().filter_map(unsealed).collect()
}
