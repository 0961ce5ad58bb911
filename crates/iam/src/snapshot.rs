//! Which identity an access key of a user or an account belongs to, as of one state.
//!
//! Invariants:
//! - finding an identity is one look into a hash table, and allocates nothing once it was found before;
//! - an identity is of the account that is in force now: its role and name follow the configuration.

use crate::{
    entity::Key,
    member,
    model::{AccessKey, Identity, Secret, Timestamp},
    policy::Member,
    state::State,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) state: Arc<State>,
    keys: HashMap<Box<str>, Entry>,
}

/// An active access key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: Arc<str>,
    pub(crate) secret: Secret,
    expires: Option<Timestamp>,
    access_key: AccessKey,
    /// `None`: the key is the account's own.
    member: Option<Arc<Member>>,
    made: Made,
}

/// The identity of a member, as it was made for an account that was in force.
#[derive(Debug, Default)]
pub(crate) struct Made(RwLock<Option<(Arc<Identity>, Arc<Identity>)>>);

impl Made {
    pub(crate) fn of(&self, account: &Arc<Identity>, make: impl FnOnce() -> Identity) -> Arc<Identity> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, identity)) = &*known
            && Arc::ptr_eq(of, account)
        {
            return identity.clone();
        }
        drop(known);
        let identity = Arc::new(make());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((account.clone(), identity.clone()));
        identity
    }
}

/// The identity of a member of an account, or of the account itself under another key. `issued` is the time
/// of temporary credentials.
pub(crate) fn identity(
    account: &Identity,
    access_key: &AccessKey,
    member: Option<&Arc<Member>>,
    issued: Option<Timestamp>,
) -> Identity {
    Identity {
        access_key: access_key.clone(),
        role: account.role,
        owner: account.owner.clone(),
        member: member.cloned(),
        issued,
    }
}

impl Snapshot {
    pub(crate) fn of(state: Arc<State>) -> Self {
        let mut keys = HashMap::new();
        for (canonical_id, account) in state.accounts() {
            let mut add = |stored: &BTreeMap<String, Key>,
                           secrets: &BTreeMap<String, Secret>,
                           member: Option<&Arc<Member>>| {
                for (access_key, key) in stored.iter().filter(|(_, key)| key.active) {
                    let Some(secret) = secrets.get(access_key) else { continue };
                    let entry = Entry {
                        account: canonical_id.clone(),
                        secret: secret.clone(),
                        expires: key.expires,
                        access_key: AccessKey(access_key.as_str().into()),
                        member: member.cloned(),
                        made: Made::default(),
                    };
                    keys.insert(access_key.as_str().into(), entry);
                }
            };
            for user in account.users.values().filter(|user| !user.data.keys.is_empty()) {
                let member = Arc::new(member::user(canonical_id, account, user));
                add(&user.data.keys, &user.secrets, Some(&member));
            }
            if let Some(root) = &account.root {
                add(&root.data.keys, &root.secrets, None);
            }
        }
        Self { state, keys }
    }

    /// An access key that is active and has not expired.
    pub(crate) fn find(&self, access_key: &str, now: Timestamp) -> Option<&Entry> {
        self.keys.get(access_key).filter(|entry| entry.expires.is_none_or(|expires| now < expires))
    }
}

impl Entry {
    /// `account` is the account in force.
    pub(crate) fn identity(&self, account: &Arc<Identity>) -> Arc<Identity> {
        self.made.of(account, || identity(account, &self.access_key, self.member.as_ref(), None))
    }
}
