//! Identities that are added, changed and removed while a server runs: they are in the catalog, with sealed
//! secrets, and in force at once.
//!
//! Owns the way from the catalog to [`CredentialsInForce`] and back. Does not own the identities of the
//! configuration, which win: a key that the configuration has cannot be added.
//!
//! Invariants:
//! - a change is in force before its caller gets the result;
//! - states read from the catalog come into force in their order;
//! - an identity whose secret cannot be unsealed, or whose details are not understood, is left out, and the
//!   log says so.

use super::{
    Credential, Credentials, CredentialsInForce, KeyChange, KeyTerms,
    details::{Details, Previous},
    root::generated_keys,
};
use crate::{
    catalog::{Catalog, CatalogError, CatalogErrorKind, Expected, IdentityRecord, NewIdentity, Revision},
    iam::{DataKey, Used},
    model::{AccessKey, Chain, Role, Secret, SignatureV2, TenantId, Timestamp, account_id, canonical_id},
};
use std::{io, path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

/// The longest access key and secret key that the AWS documentation knows of, with room to spare.
const LONGEST: usize = 128;

#[derive(Debug)]
pub struct AddedIdentities {
    catalog: Arc<dyn Catalog>,
    /// The directory of the key that seals secrets.
    dir: PathBuf,
    in_force: Arc<CredentialsInForce>,
    /// The revision in force. Refreshes and changes take turns.
    revision: Mutex<Revision>,
}

/// An identity as an operator gives it. Fields that are not given are generated.
#[derive(Debug, Clone)]
pub struct Addition {
    pub access_key: Option<AccessKey>,
    pub secret_key: Option<Secret>,
    pub role: Role,
    pub name: Option<String>,
    pub expires: Option<Timestamp>,
    pub signature_v2: Option<SignatureV2>,
}

/// An identity as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedIdentity {
    pub access_key: AccessKey,
    pub role: Role,
    pub name: Option<String>,
    /// The 12-digit id of its account.
    pub account: Arc<str>,
    pub expires: Option<Timestamp>,
    pub is_disabled: bool,
    /// How long the secret is valid that was replaced.
    pub previous_until: Option<Timestamp>,
    pub signature_v2: Option<SignatureV2>,
    pub last_use: Option<Used>,
    /// False if it is disabled or has expired, if the configuration has another identity with this key, or if
    /// its secret cannot be unsealed.
    pub is_in_force: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the access key '{0}' is in the configuration, which wins: change it there")]
    Configured(AccessKey),
    #[error("there is an identity with the access key '{0}' already: remove it first")]
    Exists(AccessKey),
    #[error("no identity with the access key '{0}' was added")]
    Unknown(AccessKey),
    #[error("{0}")]
    Unfit(&'static str),
    #[error("the expiry is not in the future")]
    Past,
    #[error(
        "what is stored of the identity '{0}' is not understood. Use the release that wrote it, or a later one"
    )]
    NotUnderstood(AccessKey, #[source] serde_json::Error),
    #[error("the key that seals secrets")]
    Key(#[from] io::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl AddedIdentities {
    /// No added identity is in force before `refresh`.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        dir: impl Into<PathBuf>,
        in_force: Arc<CredentialsInForce>,
    ) -> Self {
        Self { catalog, dir: dir.into(), in_force, revision: Mutex::new(Revision::NONE) }
    }

    pub fn in_force(&self) -> &CredentialsInForce {
        &self.in_force
    }

    /// Puts the catalog's identities in force, if they have changed since.
    pub async fn refresh(&self) -> Result<(), IdentityError> {
        let mut revision = self.revision.lock().await;
        if self.catalog.identities_revision().await? != *revision {
            self.read(&mut revision).await?;
        }
        Ok(())
    }

    /// Adds an identity of the default tenant, which is in force when this returns.
    pub async fn add(&self, addition: Addition) -> Result<Credential, IdentityError> {
        let generated = generated_keys()?;
        let Addition { access_key, secret_key, role, name, expires, signature_v2 } = addition;
        let access_key = access_key.unwrap_or(generated.access_key);
        let secret_key = secret_key.unwrap_or(generated.secret_key);
        check(&access_key, &secret_key, name.as_deref())?;
        check_expiry(expires)?;
        if self.in_force.is_configured(access_key.as_str()) {
            return Err(IdentityError::Configured(access_key));
        }
        if self.in_force.is_of_a_member(access_key.as_str()) {
            return Err(IdentityError::Exists(access_key));
        }
        let mut revision = self.revision.lock().await;
        let sealed_secret = DataKey::find_or_make(&self.dir)?.seal(access_key.as_str(), &secret_key)?;
        let details = Details { expires, signature_v2, ..Details::default() };
        let identity = NewIdentity {
            tenant: TenantId::default(),
            access_key: access_key.clone(),
            role,
            name: name.clone(),
            sealed_secret,
            details: stored(&access_key, &details)?,
        };
        match self.catalog.set_identity(identity, Expected::ABSENT).await {
            Err(error) if error.kind() == CatalogErrorKind::Conflict => {
                return Err(IdentityError::Exists(access_key));
            }
            done => done?,
        };
        self.read(&mut revision).await?;
        let terms = KeyTerms { expires, signature_v2, ..KeyTerms::default() };
        Ok(Credential { access_key, secret_key, role, name, terms })
    }

    /// Changes an added identity. The change is in force when this returns. Returns another secret, if the
    /// change made one.
    pub async fn change(
        &self,
        access_key: &AccessKey,
        change: KeyChange,
    ) -> Result<Option<Secret>, IdentityError> {
        let mut revision = self.revision.lock().await;
        let known = self.catalog.identities().await?.all;
        let Some(record) = known.into_iter().find(|record| record.identity.access_key == *access_key) else {
            return Err(self.unknown(access_key));
        };
        let IdentityRecord { mut identity, revision: found } = record;
        let mut details = understood(&identity)?;
        let mut made = None;
        match change {
            KeyChange::Enable => details.disabled = false,
            KeyChange::Disable => details.disabled = true,
            KeyChange::SignatureV2(accepted) => details.signature_v2 = accepted,
            KeyChange::Expire(expires) => {
                check_expiry(expires)?;
                details.expires = expires;
            }
            KeyChange::Rotate { secret_key, until } => {
                let secret_key =
                    secret_key.map_or_else(|| Ok(generated_keys()?.secret_key), Ok::<_, io::Error>)?;
                check(access_key, &secret_key, None)?;
                let sealed = DataKey::find_or_make(&self.dir)?.seal(access_key.as_str(), &secret_key)?;
                let secret = std::mem::replace(&mut identity.sealed_secret, sealed);
                details.previous = (until > Timestamp::now()).then_some(Previous { secret, until });
                made = Some(secret_key);
            }
        }
        identity.details = stored(access_key, &details)?;
        self.catalog.set_identity(identity, Expected::Exactly(found)).await?;
        self.read(&mut revision).await?;
        Ok(made)
    }

    fn unknown(&self, access_key: &AccessKey) -> IdentityError {
        let is_configured = self.in_force.is_configured(access_key.as_str());
        let kind = if is_configured { IdentityError::Configured } else { IdentityError::Unknown };
        kind(access_key.clone())
    }

    /// From the next request on, the key belongs to no identity. Its buckets keep their owner.
    pub async fn remove(&self, access_key: &AccessKey) -> Result<(), IdentityError> {
        let mut revision = self.revision.lock().await;
        if !self.catalog.remove_identity(access_key, Expected::Any).await? {
            return Err(self.unknown(access_key));
        }
        self.read(&mut revision).await
    }

    /// All added identities, in the order of their access keys.
    pub async fn list(&self) -> Result<Vec<AddedIdentity>, IdentityError> {
        self.refresh().await?;
        let now = Timestamp::now();
        let seen = |IdentityRecord { identity, .. }: IdentityRecord| {
            // One that is not understood is not in force, and the log has said so.
            let details = understood(&identity).unwrap_or_default();
            let key = identity.access_key;
            let opens = self.in_force.identify(key.as_str(), None, now).is_ok();
            AddedIdentity {
                is_in_force: opens && !self.in_force.is_configured(key.as_str()),
                account: account_id(&canonical_id(&key)),
                last_use: self.in_force.directory().and_then(|all| all.uses().last(key.as_str())),
                access_key: key,
                role: identity.role,
                name: identity.name,
                expires: details.expires,
                is_disabled: details.disabled,
                previous_until: details.previous.map(|previous| previous.until).filter(|until| *until > now),
                signature_v2: details.signature_v2,
            }
        };
        Ok(self.catalog.identities().await?.all.into_iter().map(seen).collect())
    }

    async fn read(&self, revision: &mut Revision) -> Result<(), IdentityError> {
        let stored = self.catalog.identities().await?;
        let key = if stored.all.is_empty() { None } else { DataKey::find(&self.dir)? };
        let credential = |IdentityRecord { identity, .. }: IdentityRecord| {
            let details = match understood(&identity) {
                Ok(details) => details,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "an added identity is left out");
                    return None;
                }
            };
            let access_key = identity.access_key;
            let unsealed = key.as_ref().and_then(|key| {
                let secret = key.unseal(access_key.as_str(), &identity.sealed_secret)?;
                Some((secret, details.terms(access_key.as_str(), key)))
            });
            let Some((secret_key, terms)) = unsealed else {
                tracing::error!(%access_key, dir = %self.dir.display(), "the secret of an identity cannot be unsealed: it is left out. Remove it and add it again, or restore the key");
                return None;
            };
            if self.in_force.is_configured(access_key.as_str()) {
                tracing::warn!(%access_key, "an identity was added that the configuration has, too: the configuration's counts");
            }
            Some(Credential { access_key, secret_key, role: identity.role, name: identity.name, terms })
        };
        let credentials = Credentials::new(stored.all.into_iter().filter_map(credential));
        self.in_force.replace_added(Arc::new(credentials));
        *revision = stored.revision;
        Ok(())
    }
}

fn understood(identity: &NewIdentity) -> Result<Details, IdentityError> {
    Details::parse(&identity.details)
        .map_err(|error| IdentityError::NotUnderstood(identity.access_key.clone(), error))
}

fn stored(access_key: &AccessKey, details: &Details) -> Result<String, IdentityError> {
    details.text().map_err(|error| IdentityError::NotUnderstood(access_key.clone(), error))
}

fn check_expiry(expires: Option<Timestamp>) -> Result<(), IdentityError> {
    if expires.is_some_and(|expires| expires <= Timestamp::now()) { Err(IdentityError::Past) } else { Ok(()) }
}

/// Checks that clients can sign with the key, and that requests can name it.
fn check(access_key: &AccessKey, secret_key: &Secret, name: Option<&str>) -> Result<(), IdentityError> {
    let is_sound = |text: &str| (1..=LONGEST).contains(&text.len());
    if !is_sound(access_key.as_str())
        || access_key.as_str().bytes().any(|b| !b.is_ascii_graphic() || b == b'/' || b == b',')
    {
        return Err(IdentityError::Unfit(
            "an access key has 1 to 128 visible ASCII characters, and neither '/' nor ','",
        ));
    }
    if !is_sound(secret_key.expose()) {
        return Err(IdentityError::Unfit("a secret key has 1 to 128 bytes"));
    }
    if name.is_some_and(|name| !is_sound(name)) {
        return Err(IdentityError::Unfit("a name has 1 to 128 bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::sqlite::SqliteCatalog, store::Durability};
    use tempfile::TempDir;

    struct Server {
        added: AddedIdentities,
        in_force: Arc<CredentialsInForce>,
    }

    /// Like a server that starts in a data directory.
    async fn start(dir: &TempDir, configured: &[&str]) -> Server {
        let catalog = Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let credential = |key: &&str| Credential {
            access_key: AccessKey((*key).into()),
            secret_key: Secret::new("configured"),
            role: Role::Admin,
            name: None,
            terms: KeyTerms::default(),
        };
        let in_force =
            Arc::new(CredentialsInForce::new(Arc::new(Credentials::new(configured.iter().map(credential)))));
        let added = AddedIdentities::new(catalog, dir.path(), in_force.clone());
        added.refresh().await.expect("read");
        Server { added, in_force }
    }

    fn addition(access_key: &str, secret: &str) -> Addition {
        let (access_key, secret_key) = (Some(AccessKey(access_key.into())), Some(Secret::new(secret)));
        let (role, name) = (Role::ReadWrite, Some("Bob".into()));
        Addition { access_key, secret_key, role, name, expires: None, signature_v2: None }
    }

    fn secret(server: &Server, access_key: &str) -> Option<String> {
        server.in_force.find(access_key).map(|(_, secret)| secret.expose().to_owned())
    }

    #[tokio::test]
    async fn who_is_added_is_in_force_at_once_and_after_a_restart_until_removed() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &["root"]).await;
        server.added.add(addition("bob", "hunter2")).await.expect("added");
        assert_eq!(secret(&server, "bob").as_deref(), Some("hunter2"));
        let (identity, _) = server.in_force.find("bob").expect("bob");
        assert_eq!((identity.role, &*identity.owner.display_name), (Role::ReadWrite, "Bob"));
        let made = server
            .added
            .add(Addition { access_key: None, secret_key: None, ..addition("", "") })
            .await
            .expect("made up");
        assert_eq!((made.access_key.as_str().len(), made.secret_key.expose().len()), (20, 40));
        server.added.catalog.close().await.expect("closed");
        let stored = std::fs::read(dir.path().join("catalog.sqlite")).expect("read");
        assert!(
            !stored.windows(7).any(|bytes| bytes == b"hunter2"),
            "the catalog has no secret in clear text"
        );

        let server = start(&dir, &["root"]).await;
        assert_eq!(secret(&server, "bob").as_deref(), Some("hunter2"));
        assert_eq!(server.added.list().await.expect("listed").len(), 2);
        server.added.remove(&AccessKey("bob".into())).await.expect("removed");
        assert_eq!(secret(&server, "bob"), None);
        let gone = server.added.remove(&AccessKey("bob".into())).await.expect_err("gone");
        assert!(matches!(gone, IdentityError::Unknown(_)), "{gone}");
    }

    #[tokio::test]
    async fn the_configuration_wins() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &["root"]).await;
        let refused =
            server.added.add(addition("root", "other")).await.expect_err("it is configured").to_string();
        assert!(refused.contains("'root' is in the configuration"), "{refused}");
        let refused = server.added.remove(&AccessKey("root".into())).await.expect_err("it is configured");
        assert!(matches!(refused, IdentityError::Configured(_)), "{refused}");
        server.added.add(addition("bob", "added")).await.expect("added");
        let twice = server.added.add(addition("bob", "again")).await.expect_err("there already");
        assert!(matches!(twice, IdentityError::Exists(_)), "{twice}");
        server.added.catalog.close().await.expect("closed");
        // A configuration that names the same key later.
        let server = start(&dir, &["root", "bob"]).await;
        assert_eq!(secret(&server, "bob").as_deref(), Some("configured"));
        assert!(!server.added.list().await.expect("listed")[0].is_in_force);
    }

    #[tokio::test]
    async fn without_its_key_an_identity_is_nobody_and_others_go_on() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &["root"]).await;
        server.added.add(addition("bob", "hunter2")).await.expect("added");
        server.added.catalog.close().await.expect("closed");
        std::fs::remove_file(dir.path().join("identities.key")).expect("removed");
        let server = start(&dir, &["root"]).await;
        assert_eq!((secret(&server, "bob"), secret(&server, "root").as_deref()), (None, Some("configured")));
        assert!(!server.added.list().await.expect("listed")[0].is_in_force);
        server.added.add(addition("carol", "new")).await.expect("added, with another key");
        assert_eq!((secret(&server, "bob"), secret(&server, "carol").as_deref()), (None, Some("new")));
    }

    #[tokio::test]
    async fn what_another_process_has_changed_is_in_force_after_a_refresh() {
        let dir = TempDir::new().expect("a directory");
        let (one, other) = (start(&dir, &["root"]).await, start(&dir, &["root"]).await);
        one.added.add(addition("bob", "hunter2")).await.expect("added");
        assert_eq!(secret(&other, "bob"), None);
        other.added.refresh().await.expect("read");
        assert_eq!(secret(&other, "bob").as_deref(), Some("hunter2"));
        other.added.remove(&AccessKey("bob".into())).await.expect("removed");
        one.added.refresh().await.expect("read");
        assert_eq!(secret(&one, "bob"), None);
    }

    #[tokio::test]
    async fn two_secrets_are_valid_while_one_is_replaced_also_after_a_restart() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &["root"]).await;
        server.added.add(addition("bob", "first")).await.expect("added");
        let bob = AccessKey("bob".into());
        let later = Timestamp::from_millis(Timestamp::now().millis() + 3_600_000);
        let rotate =
            |secret: Option<&str>, until| KeyChange::Rotate { secret_key: secret.map(Secret::new), until };
        let made = server.added.change(&bob, rotate(None, later)).await.expect("changed").expect("a secret");
        let valid = |server: &Server| {
            let now = Timestamp::now();
            let key = server.in_force.identify("bob", None, now).expect("in force");
            key.secrets.valid(now).map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(valid(&server), [made.expose(), "first"]);
        server.added.catalog.close().await.expect("closed");
        let server = start(&dir, &["root"]).await;
        assert_eq!(valid(&server), [made.expose(), "first"]);
        assert_eq!(server.added.list().await.expect("listed")[0].previous_until, Some(later));
        let at_once = rotate(Some("third"), Timestamp::from_millis(0));
        server.added.change(&bob, at_once).await.expect("changed");
        assert_eq!(valid(&server), ["third"]);
        let refused = server.added.change(&AccessKey("root".into()), KeyChange::Disable).await;
        assert!(matches!(refused, Err(IdentityError::Configured(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_identity_is_disabled_enabled_and_expires() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &["root"]).await;
        let later = Timestamp::from_millis(Timestamp::now().millis() + 3_600_000);
        let expiring = Addition {
            expires: Some(later),
            signature_v2: Some(SignatureV2::All),
            ..addition("bob", "hunter2")
        };
        server.added.add(expiring).await.expect("added");
        let bob = AccessKey("bob".into());
        let opens =
            |now| server.in_force.identify("bob", None, now).map(|key| key.identity.signature_v2).ok();
        assert_eq!((opens(Timestamp::now()), opens(later)), (Some(Some(SignatureV2::All)), None));
        server.added.change(&bob, KeyChange::Disable).await.expect("changed");
        assert_eq!(opens(Timestamp::now()), None);
        let listed = &server.added.list().await.expect("listed")[0];
        assert_eq!((listed.is_disabled, listed.is_in_force, listed.expires), (true, false, Some(later)));
        assert_eq!(listed.account.len(), 12);
        server.added.change(&bob, KeyChange::Enable).await.expect("changed");
        server.added.change(&bob, KeyChange::Expire(None)).await.expect("changed");
        server.added.change(&bob, KeyChange::SignatureV2(None)).await.expect("changed");
        assert_eq!(opens(later), Some(None));
        let past = KeyChange::Expire(Some(Timestamp::from_millis(1)));
        assert!(matches!(server.added.change(&bob, past).await, Err(IdentityError::Past)));
    }

    #[tokio::test]
    async fn what_no_client_could_sign_with_is_refused() {
        let dir = TempDir::new().expect("a directory");
        let server = start(&dir, &[]).await;
        let long = "x".repeat(129);
        for unfit in [
            addition("", "s"),
            addition("a/b", "s"),
            addition("a,b", "s"),
            addition("ä", "s"),
            addition(&long, "s"),
            addition("a", ""),
        ] {
            let refused = server.added.add(unfit).await.expect_err("refused");
            assert!(matches!(refused, IdentityError::Unfit(_)), "{refused}");
        }
        assert_eq!(server.added.list().await.expect("listed"), []);
    }
}
