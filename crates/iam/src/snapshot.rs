//! Which identity an access key of a user or an account belongs to, as of one state.
//!
//! Invariants:
//! - finding an identity is one look into a hash table, and allocates nothing once it was found before;
//! - an identity is of the account that is in force now: its role and name follow the configuration.

use crate::{
    compiled::CompiledUser,
    entity::Key,
    member,
    model::{AccessKey, Identity, Secrets, SignatureV2, Timestamp},
    policy::Member,
    state::State,
    uses::{KeyUses, LastUse},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) state: Arc<State>,
    keys: HashMap<Box<str>, Entry>,
    /// Those of keys that are not active: held, so that their last use is not forgotten.
    inactive: Vec<Arc<LastUse>>,
}

/// An active access key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: Arc<str>,
    pub(crate) secrets: Secrets,
    pub(crate) last_use: Arc<LastUse>,
    expires: Option<Timestamp>,
    access_key: AccessKey,
    signature_v2: Option<SignatureV2>,
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

/// What an access key, or its holder, has of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfKey {
    /// When temporary credentials were issued.
    pub(crate) issued: Option<Timestamp>,
    pub(crate) signature_v2: Option<SignatureV2>,
}

/// The identity of a member of an account, or of the account itself under another key. `own` is what the
/// member has of its own.
pub(crate) fn identity(
    account: &Identity,
    access_key: &AccessKey,
    member: Option<&Arc<Member>>,
    own: OfKey,
) -> Identity {
    Identity {
        access_key: access_key.clone(),
        role: account.role,
        owner: account.owner.clone(),
        member: member.cloned(),
        issued: own.issued,
        signature_v2: if member.is_some() { own.signature_v2 } else { account.signature_v2 },
    }
}

/// Whose keys are added to a snapshot.
struct Holder<'a> {
    account: &'a Arc<str>,
    keys: &'a BTreeMap<String, Key>,
    secrets: &'a BTreeMap<String, Secrets>,
    signature_v2: Option<SignatureV2>,
}

impl Snapshot {
    pub(crate) fn of(state: Arc<State>, uses: &KeyUses) -> Self {
        let mut snapshot = Self::default();
        for (canonical_id, account) in state.accounts() {
            for user in account.users.values().filter(|user| !user.data.keys.is_empty()) {
                let CompiledUser { data, secrets, narrowing, .. } = &**user;
                let holder = Holder {
                    account: canonical_id,
                    keys: &data.keys,
                    secrets,
                    signature_v2: data.signature_v2,
                };
                let whole = Arc::new(member::user(canonical_id, account, user, None));
                snapshot.add(&holder, uses, |access_key| {
                    let narrowed = narrowing.get(access_key);
                    let narrow = |policy| Arc::new(member::user(canonical_id, account, user, Some(policy)));
                    Some(narrowed.map_or_else(|| whole.clone(), narrow))
                });
            }
            if let Some(root) = &account.root {
                let (keys, secrets) = (&root.data.keys, &root.secrets);
                let holder = Holder { account: canonical_id, keys, secrets, signature_v2: None };
                snapshot.add(&holder, uses, |_| None);
            }
        }
        snapshot.state = state;
        snapshot
    }

    fn add(&mut self, holder: &Holder<'_>, uses: &KeyUses, member: impl Fn(&str) -> Option<Arc<Member>>) {
        for (access_key, key) in holder.keys {
            let last_use = uses.of(access_key);
            let secrets = holder.secrets.get(access_key).filter(|_| key.active);
            let Some(secrets) = secrets else {
                self.inactive.push(last_use);
                continue;
            };
            let entry = Entry {
                account: holder.account.clone(),
                secrets: secrets.clone(),
                last_use,
                expires: key.expires,
                access_key: AccessKey(access_key.as_str().into()),
                signature_v2: holder.signature_v2,
                member: member(access_key),
                made: Made::default(),
            };
            self.keys.insert(access_key.as_str().into(), entry);
        }
    }

    /// An access key that is active and has not expired.
    pub(crate) fn find(&self, access_key: &str, now: Timestamp) -> Option<&Entry> {
        self.keys.get(access_key).filter(|entry| entry.expires.is_none_or(|expires| now < expires))
    }
}

impl Entry {
    /// `account` is the account in force.
    pub(crate) fn identity(&self, account: &Arc<Identity>) -> Arc<Identity> {
        let own = OfKey { issued: None, signature_v2: self.signature_v2 };
        let make = || identity(account, &self.access_key, self.member.as_ref(), own);
        self.made.of(account, make)
    }
}
