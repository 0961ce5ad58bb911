//! All members of one account.
//!
//! Invariant: what a name stands for is found by its folded form.

use crate::{
    compiled::{Compiled, CompiledGroup, CompiledPolicy, CompiledRole, CompiledRoot, CompiledUser},
    entity::{AccountSettings, Kind, OpenIdProvider, Policies},
    names,
    policy::NamedPolicy,
    provided,
};
use std::{collections::BTreeMap, sync::Arc};

/// Clones share their members.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) users: BTreeMap<String, Arc<CompiledUser>>,
    pub(crate) groups: BTreeMap<String, Arc<CompiledGroup>>,
    pub(crate) roles: BTreeMap<String, Arc<CompiledRole>>,
    pub(crate) policies: BTreeMap<String, Arc<CompiledPolicy>>,
    pub(crate) providers: BTreeMap<String, Arc<OpenIdProvider>>,
    pub(crate) root: Option<Arc<CompiledRoot>>,
    pub(crate) settings: AccountSettings,
}

/// How many members have a managed policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) attached: usize,
    pub(crate) boundaries: usize,
}

impl Account {
    pub(crate) fn put(&mut self, name: String, compiled: Compiled) {
        match compiled {
            Compiled::User(user) => drop(self.users.insert(name, user)),
            Compiled::Group(group) => drop(self.groups.insert(name, group)),
            Compiled::Role(role) => drop(self.roles.insert(name, role)),
            Compiled::Policy(policy) => drop(self.policies.insert(name, policy)),
            Compiled::Provider(provider) => drop(self.providers.insert(name, provider)),
            Compiled::Root(root) => self.root = Some(root),
            Compiled::Settings(settings) => self.settings = settings,
        }
    }

    pub(crate) fn delete(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::User => drop(self.users.remove(name)),
            Kind::Group => drop(self.groups.remove(name)),
            Kind::Role => drop(self.roles.remove(name)),
            Kind::Policy => drop(self.policies.remove(name)),
            Kind::Provider => drop(self.providers.remove(name)),
            Kind::Root => self.root = None,
            Kind::Settings => self.settings = AccountSettings::default(),
        }
    }

    /// A policy of this account by its ARN.
    pub(crate) fn own_policy(&self, arn: &str) -> Option<&Arc<CompiledPolicy>> {
        let (_, name) = names::parse_arn(arn, "policy")?;
        self.policies.get(&names::fold(name)).filter(|policy| *policy.arn == *arn)
    }

    /// A policy that a member of this account may have.
    pub(crate) fn managed(&self, arn: &str) -> Option<NamedPolicy> {
        let own = || {
            let policy = self.own_policy(arn)?;
            Some(NamedPolicy { name: policy.arn.clone(), policy: policy.policy.clone() })
        };
        if provided::is_provided(arn) { provided::compiled(arn) } else { own() }
    }

    /// The OpenID Connect provider with an issuer, letter for letter.
    pub(crate) fn provider_of(&self, issuer: &str) -> Option<&Arc<OpenIdProvider>> {
        let provider = self.providers.get(&names::fold(names::provider_name(issuer)))?;
        (provider.url == issuer).then_some(provider)
    }

    pub(crate) fn uses(&self, arn: &str) -> Uses {
        let has = |policies: &Policies| policies.attached.contains(arn);
        let bounded = |boundary: &Option<String>| boundary.as_deref() == Some(arn);
        let (users, roles) = (self.users.values(), self.roles.values());
        Uses {
            attached: users.clone().filter(|user| has(&user.data.policies)).count()
                + self.groups.values().filter(|group| has(&group.data.policies)).count()
                + roles.clone().filter(|role| has(&role.data.policies)).count(),
            boundaries: users.filter(|user| bounded(&user.data.boundary)).count()
                + roles.filter(|role| bounded(&role.data.boundary)).count(),
        }
    }

    pub(crate) fn members_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Arc<CompiledUser>> {
        self.users.values().filter(move |user| user.data.groups.contains(group))
    }
}
