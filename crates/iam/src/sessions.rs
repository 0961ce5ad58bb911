//! The sessions that were used lately: their tokens opened, and their identities made.
//!
//! Invariants:
//! - only tokens that were sealed here enter, so that strangers cannot evict any;
//! - a session counts for as long as its role or user exists with the id that it had, and a session of a user
//!   or an account only while the access key that it was begun with is in force;
//! - a session of a user of the LDAP directory counts while the configuration has a directory for its
//!   account, and one of its groups gives something;
//! - a policy that was changed counts from the next request on.

use crate::{
    catalog::Revision,
    data_key::DataKey,
    ldap::LdapGroups,
    member::{self, OfSession},
    model::{AccessKey, Identity, Secret, SignatureV2, Timestamp},
    policy::{Member, NamedPolicy, Policy},
    session::{Claims, Holder, SessionPolicies, SessionToken},
    snapshot::{Made, OfKey, Snapshot, identity},
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

/// More than the sessions that are busy at one time. A clash costs the opening of a token, nothing else.
const SLOTS: usize = 1024;

pub(crate) struct Sessions {
    slots: Box<[RwLock<Option<Arc<Session>>>]>,
    hasher: RandomState,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// A token that was opened.
#[derive(Debug)]
pub(crate) struct Session {
    access_key: AccessKey,
    token: SessionToken,
    pub(crate) claims: Claims,
    pub(crate) secret: Secret,
    made: RwLock<Option<Arc<AsOf>>>,
}

/// The member that a session was at a revision.
#[derive(Debug)]
struct AsOf {
    revision: Revision,
    /// `None` of a session that has ended.
    member: Option<Option<Arc<Member>>>,
    signature_v2: Option<SignatureV2>,
    made: Made,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }

    /// `key` is asked for only if the token was not used lately. `None`: the token is not one of ours.
    pub(crate) fn open(
        &self,
        access_key: &str,
        token: &str,
        key: impl FnOnce() -> Option<Arc<DataKey>>,
    ) -> Option<Arc<Session>> {
        let slot = self.slots.get(self.hasher.hash_one(access_key) as usize % SLOTS)?;
        let fits = |session: &&Arc<Session>| {
            session.access_key.as_str() == access_key && session.token.as_str() == token
        };
        let known = slot.read().unwrap_or_else(PoisonError::into_inner).as_ref().filter(fits).cloned();
        if known.is_some() {
            return known;
        }
        let claims = Claims::open(&*key()?, access_key, token)?;
        let session = Arc::new(Session {
            access_key: AccessKey(access_key.into()),
            token: SessionToken::new(token),
            secret: claims.secret(),
            claims,
            made: RwLock::default(),
        });
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Some(session)
    }
}

impl Session {
    /// The identity of the session now. `account` is its account, `begun_with` whether an access key of that
    /// account is in force. `None`: the session has ended.
    pub(crate) fn identity(
        &self,
        snapshot: &Snapshot,
        account: &Arc<Identity>,
        now: Timestamp,
        begun_with: impl Fn(&str) -> bool,
        ldap: Option<&LdapGroups>,
    ) -> Option<Arc<Identity>> {
        if let Holder::Account { key } | Holder::User { key, .. } = &self.claims.holder
            && snapshot.find(key, now).is_none()
            && !begun_with(key)
        {
            return None;
        }
        let as_of = self.as_of(snapshot, &account.owner.id, ldap);
        let member = as_of.member.as_ref()?;
        let own = OfKey { issued: Some(self.claims.issued), signature_v2: as_of.signature_v2 };
        let make = || identity(account, &self.access_key, member.as_ref(), own);
        Some(as_of.made.of(account, make))
    }

    fn as_of(&self, snapshot: &Snapshot, canonical_id: &Arc<str>, ldap: Option<&LdapGroups>) -> Arc<AsOf> {
        let revision = snapshot.state.revision;
        let known = self.made.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.revision == revision) {
            return known;
        }
        let signature_v2 = match &self.claims.holder {
            Holder::User { name, .. } => {
                let user = snapshot.state.account(canonical_id).users.get(name);
                user.and_then(|user| user.data.signature_v2)
            }
            Holder::Account { .. } | Holder::Role(_) | Holder::Person(_) => None,
        };
        let member = self.member(snapshot, canonical_id, ldap);
        let as_of = Arc::new(AsOf { revision, member, signature_v2, made: Made::default() });
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some(as_of.clone());
        as_of
    }

    /// The outer `None`: the session has ended. The inner one: it is of the account itself.
    fn member(
        &self,
        snapshot: &Snapshot,
        canonical_id: &Arc<str>,
        ldap: Option<&LdapGroups>,
    ) -> Option<Option<Arc<Member>>> {
        let account = snapshot.state.account(canonical_id);
        match &self.claims.holder {
            Holder::Account { .. } => Some(None),
            Holder::User { name, id, key } => {
                let user = account.users.get(name).filter(|user| user.data.id == *id)?;
                // What narrows the access key narrows the sessions that it begins.
                let narrowed = user.narrowing.get(key);
                Some(Some(Arc::new(member::user(canonical_id, account, user, narrowed))))
            }
            Holder::Role(session) => {
                let role = account.roles.get(&session.role).filter(|role| role.data.id == session.id)?;
                let policies = narrowed(account, session.policies.as_ref())?;
                let of_session = OfSession {
                    name: &session.name,
                    tags: &session.tags,
                    provider: &session.provider,
                    policies: policies.as_deref(),
                };
                Some(Some(Arc::new(member::session(canonical_id, account, role, of_session))))
            }
            Holder::Person(person) => {
                let ldap = ldap.filter(|ldap| ldap.account() == canonical_id)?;
                let groups: Vec<_> = ldap.of(account, &person.groups).collect();
                let policies = narrowed(account, person.policies.as_ref())?;
                let member = member::person(canonical_id, account, &person.name, &groups, policies);
                (!groups.is_empty()).then(|| Some(Arc::new(member)))
            }
        }
    }
}

/// The policies that narrow a session, if it is narrowed. The outer `None`: one cannot be read, and the session
/// must not go on without it.
fn narrowed(
    account: &crate::account::Account,
    policies: Option<&SessionPolicies>,
) -> Option<Option<Vec<NamedPolicy>>> {
    policies.map_or(Some(None), |policies| narrowing(account, policies).map(Some))
}

fn narrowing(account: &crate::account::Account, policies: &SessionPolicies) -> Option<Vec<NamedPolicy>> {
    let inline = match &policies.inline {
        None => None,
        Some(text) => Some(NamedPolicy {
            name: "policy of the session".into(),
            policy: Arc::new(Policy::identity(text).ok()?),
        }),
    };
    let attached = policies.attached.iter().map(|arn| member::managed(account, arn));
    inline.map(Some).into_iter().chain(attached).collect()
}
