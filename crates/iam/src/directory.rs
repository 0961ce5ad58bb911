//! The members of all accounts: what is in the catalog, what is in force, and changes.
//!
//! Invariants:
//! - a change is in force before its caller gets the result, also if the caller is dropped meanwhile;
//! - a change rests on the state that its caller saw: if another one came first, it is made anew;
//! - states come into force in their order.

use crate::{
    catalog::{Catalog, CatalogError, CatalogErrorKind, Expected},
    data_key::DataKey,
    entity::{AccountSettings, Change, Entity, Kind},
    key_in_force::KeyInForce,
    ldap::LdapGroups,
    model::{Identity, PublicAccess, Role, Timestamp},
    policy::MalformedPolicy,
    random::TEMPORARY,
    session::Claims,
    sessions::Sessions,
    snapshot::Snapshot,
    state::{NotUnderstood, State, stored},
    uses::KeyUses,
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often a change is made anew because another process was faster.
const TRIES: usize = 8;
/// How often the last uses of access keys are written.
const WRITE_USES: Duration = Duration::from_secs(5 * 60);

/// The accounts that are in force: those of the configuration and those that were added.
pub trait Accounts {
    /// The account with a canonical id.
    fn account(&self, canonical_id: &str) -> Option<Arc<Identity>>;

    /// The account that an access key of its own belongs to, if the key is in force.
    fn account_of_key(&self, access_key: &str, now: Timestamp) -> Option<Arc<Identity>>;
}

/// Why an access key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such access key, it is inactive or has expired, or its session has ended.
    Unknown,
    /// The session token is missing, or not one of ours.
    InvalidToken,
    /// The session token was valid until some time ago.
    ExpiredToken,
}

#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
    #[error("a policy that was accepted is not understood")]
    Policy(#[from] MalformedPolicy),
    #[error("the key that seals secrets")]
    Key(#[from] io::Error),
    #[error("writing a document")]
    Document(#[from] serde_json::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("changing users, groups, roles or policies was interrupted")]
    Interrupted,
}

#[derive(Debug)]
pub struct Directory {
    catalog: Arc<dyn Catalog>,
    /// The directory of the key that seals secrets.
    dir: PathBuf,
    key: OnceLock<Arc<DataKey>>,
    in_force: RwLock<Arc<Snapshot>>,
    sessions: Sessions,
    /// What groups of the LDAP directory give.
    ldap: Option<LdapGroups>,
    uses: KeyUses,
    /// Changes and refreshes take turns.
    turn: Arc<Mutex<()>>,
}

impl Directory {
    /// Nobody is in force before `refresh`.
    pub fn new(catalog: Arc<dyn Catalog>, dir: impl Into<PathBuf>) -> Self {
        Self {
            catalog,
            dir: dir.into(),
            key: OnceLock::new(),
            in_force: RwLock::default(),
            sessions: Sessions::new(),
            ldap: None,
            uses: KeyUses::default(),
            turn: Arc::default(),
        }
    }

    /// Groups of an LDAP directory give policies here.
    pub fn with_ldap(self, ldap: Option<LdapGroups>) -> Self {
        Self { ldap, ..self }
    }

    pub(crate) fn ldap(&self) -> Option<&LdapGroups> {
        self.ldap.as_ref()
    }

    /// Puts what the catalog has in force.
    pub async fn refresh(&self) -> Result<(), DirectoryError> {
        let _turn = self.turn.lock().await;
        self.uses.load(self.catalog.key_uses().await?);
        self.read().await
    }

    /// When access keys were last used.
    pub fn uses(&self) -> &KeyUses {
        &self.uses
    }

    /// Writes the last uses of access keys from time to time, without end.
    pub async fn keep_uses(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WRITE_USES).await;
            if let Err(error) = self.write_uses().await {
                tracing::warn!(%error, "the last uses of access keys could not be written: it is tried again");
            }
        }
    }

    /// Writes the last uses of access keys that the catalog does not know yet.
    pub async fn write_uses(&self) -> Result<(), DirectoryError> {
        let unwritten = self.uses.unwritten();
        if unwritten.is_empty() {
            return Ok(());
        }
        self.catalog.set_key_uses(unwritten.uses.clone(), unwritten.gone.clone()).await?;
        self.uses.written(&unwritten);
        Ok(())
    }

    /// The identity of an access key and the secrets that sign with it.
    pub fn find(
        &self,
        access_key: &str,
        token: Option<&str>,
        now: Timestamp,
        accounts: &dyn Accounts,
    ) -> Result<KeyInForce, Refused> {
        let snapshot = self.snapshot();
        let Some(token) = token else {
            let entry = snapshot.find(access_key, now).ok_or(Refused::Unknown)?;
            let account = accounts.account(&entry.account).ok_or(Refused::Unknown)?;
            return Ok(KeyInForce {
                identity: in_force(entry.identity(&account))?,
                secrets: entry.secrets.clone(),
                last_use: Some(entry.last_use.clone()),
            });
        };
        if !access_key.starts_with(TEMPORARY) {
            return Err(snapshot.find(access_key, now).map_or(Refused::Unknown, |_| Refused::InvalidToken));
        }
        let session = self.sessions.open(access_key, token, || self.key_if_any().ok().flatten());
        let session = session.ok_or(Refused::InvalidToken)?;
        if now >= session.claims.until {
            return Err(Refused::ExpiredToken);
        }
        let account = accounts.account(&session.claims.account).ok_or(Refused::Unknown)?;
        let of_account = |key: &str| {
            accounts.account_of_key(key, now).is_some_and(|holder| holder.owner.id == account.owner.id)
        };
        let identity = session.identity(&snapshot, &account, now, of_account, self.ldap());
        let identity = identity.ok_or(Refused::Unknown)?;
        Ok(KeyInForce {
            identity: in_force(identity)?,
            secrets: session.secret.clone().into(),
            last_use: None,
        })
    }

    /// Whether an access key belongs to a user or an account here, active or not.
    pub fn has_key(&self, access_key: &str) -> bool {
        let snapshot = self.snapshot();
        snapshot.state.accounts().any(|(_, account)| {
            account.users.values().any(|user| user.data.keys.contains_key(access_key))
                || account.root.as_ref().is_some_and(|root| root.data.keys.contains_key(access_key))
        })
    }

    /// The id of the user or role with an ARN: the one that no later user or role of that name ever has.
    pub fn id_of(&self, arn: &str) -> Option<String> {
        self.snapshot().state.id_of(arn)
    }

    /// The block of public access of an account, by its canonical id.
    pub fn public_access(&self, canonical_id: &str) -> Option<PublicAccess> {
        self.snapshot().state.account(canonical_id).settings.public_access
    }

    /// Replaces the block of public access of an account. `None` removes it.
    pub async fn set_public_access(
        self: &Arc<Self>,
        canonical_id: &str,
        access: Option<PublicAccess>,
    ) -> Result<(), DirectoryError> {
        let work = |state: &State| {
            let settings = AccountSettings { public_access: access };
            let changes = match state.account(canonical_id).settings {
                known if known == settings => Vec::new(),
                _ if access.is_none() => vec![Change::Delete(Kind::Settings, String::new())],
                _ => vec![Change::Put(Box::new(Entity::Settings(settings)))],
            };
            Ok((changes, ()))
        };
        self.change(canonical_id, work).await
    }

    /// What a session token of an access key holds, if it is one of ours.
    pub(crate) fn claims(&self, access_key: &str, token: &str) -> Option<Claims> {
        Claims::open(&*self.key_if_any().ok().flatten()?, access_key, token)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that seals secrets, made if there is none.
    pub(crate) fn key(&self) -> io::Result<Arc<DataKey>> {
        if let Some(key) = self.key_if_any()? {
            return Ok(key);
        }
        let made = Arc::new(DataKey::find_or_make(&self.dir)?);
        Ok(self.key.get_or_init(|| made).clone())
    }

    pub(crate) fn key_if_any(&self) -> io::Result<Option<Arc<DataKey>>> {
        if let Some(key) = self.key.get() {
            return Ok(Some(key.clone()));
        }
        let Some(found) = DataKey::find(&self.dir)? else { return Ok(None) };
        Ok(Some(self.key.get_or_init(|| Arc::new(found)).clone()))
    }

    /// Makes changes of one account, which `work` decides on a state. It is asked again if that state is not
    /// the newest any more. Without changes, only its value counts.
    pub(crate) async fn change<T, E: From<DirectoryError>>(
        self: &Arc<Self>,
        canonical_id: &str,
        work: impl Fn(&State) -> Result<(Vec<Change>, T), E>,
    ) -> Result<T, E> {
        for _ in 0..TRIES {
            let state = self.snapshot().state.clone();
            let (changes, value) = work(&state)?;
            if changes.is_empty() {
                return Ok(value);
            }
            let turn = self.turn.clone().lock_owned().await;
            if self.snapshot().state.revision != state.revision {
                continue;
            }
            // A task of its own: once begun, it completes even if the caller is dropped.
            let (this, canonical_id) = (self.clone(), canonical_id.to_owned());
            let committed =
                tokio::spawn(async move { this.commit(&state, &canonical_id, changes, turn).await });
            if committed.await.unwrap_or(Err(DirectoryError::Interrupted))? {
                return Ok(value);
            }
        }
        let message = "users, groups, roles and policies change too often";
        Err(DirectoryError::from(CatalogError::new(CatalogErrorKind::Conflict, message)).into())
    }

    /// False if another process was faster: then its state is in force.
    async fn commit(
        &self,
        state: &State,
        canonical_id: &str,
        changes: Vec<Change>,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<bool, DirectoryError> {
        let key = self.key_if_any()?;
        // Compiled before it is stored: nothing is stored that cannot be read.
        let mut after = state.after(canonical_id, changes.clone(), state.revision, key.as_deref())?;
        let stored = stored(canonical_id, &changes)?;
        match self.catalog.change_iam(stored, Expected::Exactly(state.revision)).await {
            Ok(revision) => {
                after.revision = revision;
                self.replace(after);
                Ok(true)
            }
            Err(error) if error.kind() == CatalogErrorKind::Conflict => {
                self.read().await?;
                Ok(false)
            }
            Err(error) => {
                // It may have been committed all the same.
                if let Err(again) = self.read().await {
                    tracing::error!(error = %again, "users, groups, roles and policies could not be read again after a failed change");
                }
                Err(error.into())
            }
        }
    }

    async fn read(&self) -> Result<(), DirectoryError> {
        let documents = self.catalog.iam().await?;
        let key = if documents.all.is_empty() { None } else { self.key_if_any()? };
        self.replace(State::of(documents, key.as_deref())?);
        Ok(())
    }

    fn replace(&self, state: State) {
        let snapshot = Arc::new(Snapshot::of(Arc::new(state), &self.uses));
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    #[cfg(test)]
    pub(crate) fn catalog_of_tests(&self) -> Arc<dyn Catalog> {
        self.catalog.clone()
    }
}

/// An account that only reads has no members: their policies might let them write.
fn in_force(identity: Arc<Identity>) -> Result<Arc<Identity>, Refused> {
    let only_reads = identity.member.is_some() && identity.role == Role::ReadOnly;
    if only_reads { Err(Refused::Unknown) } else { Ok(identity) }
}
