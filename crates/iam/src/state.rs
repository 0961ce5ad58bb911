//! All accounts that have members, as of one revision of the catalog.
//!
//! Invariant: a state is never changed: a change makes another state, which shares what is the same.

use crate::{
    account::Account,
    catalog::{IamChange, IamDocument, IamDocuments, IamKey, Revision},
    compiled::Compiled,
    data_key::DataKey,
    entity::{Change, Entity, Kind},
    model::{TenantId, account_id},
    names,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) revision: Revision,
    /// By canonical id.
    accounts: BTreeMap<Arc<str>, Arc<Account>>,
    /// Canonical ids by the 12-digit ids of accounts.
    ids: HashMap<Arc<str>, Arc<str>>,
}

/// What is wrong with a stored document, and which one it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {kind} '{name}' of account {account} is not understood: {why}. Use the release that wrote it, or a later one"
)]
pub struct NotUnderstood {
    kind: String,
    name: String,
    account: String,
    why: String,
}

/// An account without members.
static NOBODY: LazyLock<Account> = LazyLock::new(Account::default);

impl State {
    pub(crate) fn of(documents: IamDocuments, key: Option<&DataKey>) -> Result<Self, NotUnderstood> {
        let mut state = Self { revision: documents.revision, ..Self::default() };
        for IamDocument { key: at, body, .. } in documents.all {
            let refused = |why: String| NotUnderstood {
                kind: at.kind.clone(),
                name: at.name.clone(),
                account: at.account.clone(),
                why,
            };
            let kind = Kind::parse(&at.kind).ok_or_else(|| refused("it is of an unknown kind".to_owned()))?;
            let entity = Entity::parse(kind, &body).map_err(|error| refused(error.to_string()))?;
            let compiled = Compiled::of(&account_id(&at.account), entity, key);
            let compiled = compiled.map_err(|error| refused(error.to_string()))?;
            state.account_mut(&at.account).put(at.name, compiled);
        }
        Ok(state)
    }

    /// The state after changes of one account.
    pub(crate) fn after(
        &self,
        canonical_id: &str,
        changes: Vec<Change>,
        revision: Revision,
        key: Option<&DataKey>,
    ) -> Result<Self, crate::policy::MalformedPolicy> {
        let mut state = Self { revision, ..self.clone() };
        let id = account_id(canonical_id);
        let account = state.account_mut(canonical_id);
        for change in changes {
            match change {
                Change::Put(entity) => account.put(entity.key(), Compiled::of(&id, *entity, key)?),
                Change::Delete(kind, name) => account.delete(kind, &name),
            }
        }
        Ok(state)
    }

    fn account_mut(&mut self, canonical_id: &str) -> &mut Account {
        if !self.accounts.contains_key(canonical_id) {
            let canonical: Arc<str> = canonical_id.into();
            self.ids.insert(account_id(canonical_id), canonical.clone());
            self.accounts.insert(canonical, Arc::default());
        }
        let account = self.accounts.entry(canonical_id.into()).or_default();
        Arc::make_mut(account)
    }

    pub(crate) fn account(&self, canonical_id: &str) -> &Account {
        self.accounts.get(canonical_id).map_or(&*NOBODY, |account| account)
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Account>)> {
        self.accounts.iter()
    }

    /// The canonical id of an account that has members.
    pub(crate) fn canonical_id(&self, account_id: &str) -> Option<&Arc<str>> {
        self.ids.get(account_id)
    }

    /// Whether an account has an OpenID Connect provider with this issuer.
    pub(crate) fn has_issuer(&self, issuer: &str) -> bool {
        self.accounts.values().any(|account| account.provider_of(issuer).is_some())
    }

    /// The id of the user or role with an ARN.
    pub(crate) fn id_of(&self, arn: &str) -> Option<String> {
        let found = |kind: &str| {
            let (account, name) = names::parse_arn(arn, kind)?;
            Some((self.account(self.canonical_id(account)?), account, names::fold(name)))
        };
        let user = || {
            let (account, id, name) = found("user")?;
            let user = &account.users.get(&name)?.data;
            (names::arn(id, "user", &user.path, &user.name) == arn).then(|| user.id.clone())
        };
        let role = || {
            let (account, id, name) = found("role")?;
            let role = &account.roles.get(&name)?.data;
            (names::arn(id, "role", &role.path, &role.name) == arn).then(|| role.id.clone())
        };
        user().or_else(role)
    }
}

/// Changes of an account as the catalog takes them.
pub(crate) fn stored(canonical_id: &str, changes: &[Change]) -> serde_json::Result<Vec<IamChange>> {
    let at = |kind: Kind, name: String| IamKey {
        tenant: TenantId::default(),
        account: canonical_id.to_owned(),
        kind: kind.as_str().to_owned(),
        name,
    };
    let stored = |change: &Change| {
        Ok(match change {
            Change::Put(entity) => IamChange::Put(at(entity.kind(), entity.key()), entity.body()?),
            Change::Delete(kind, name) => IamChange::Delete(at(*kind, name.clone())),
        })
    };
    changes.iter().map(stored).collect()
}
