//! Identities that are added, changed and removed while a server runs: they are in the catalog, with sealed
//! secrets, and in force at once.
//!
//! Owns the way from the catalog to [`CredentialsInForce`] and back. Does not own the identities of the
//! configuration, which win: a key that the configuration has cannot be added.
//!
//! Invariants:
//! - a change is in force before its caller gets the result;
//! - states read from the catalog come into force in their order;
//! - an identity whose secret cannot be unsealed is left out, and the log says so.

use super::{Credential, Credentials, CredentialsInForce, root::generated_keys};
use crate::{
    catalog::{Catalog, CatalogError, CatalogErrorKind, Expected, IdentityRecord, NewIdentity, Revision},
    iam::DataKey,
    model::{AccessKey, Role, Secret, TenantId},
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
}

/// An identity as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedIdentity {
    pub access_key: AccessKey,
    pub role: Role,
    pub name: Option<String>,
    /// False if the configuration has another identity with this key, or if its secret cannot be unsealed.
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
        let Addition { access_key, secret_key, role, name } = addition;
        let access_key = access_key.unwrap_or(generated.access_key);
        let secret_key = secret_key.unwrap_or(generated.secret_key);
        check(&access_key, &secret_key, name.as_deref())?;
        if self.in_force.is_configured(access_key.as_str()) {
            return Err(IdentityError::Configured(access_key));
        }
        if self.in_force.is_of_a_member(access_key.as_str()) {
            return Err(IdentityError::Exists(access_key));
        }
        let mut revision = self.revision.lock().await;
        let sealed_secret = DataKey::find_or_make(&self.dir)?.seal(access_key.as_str(), &secret_key)?;
        let tenant = TenantId::default();
        let identity =
            NewIdentity { tenant, access_key: access_key.clone(), role, name: name.clone(), sealed_secret };
        match self.catalog.set_identity(identity, Expected::ABSENT).await {
            Err(error) if error.kind() == CatalogErrorKind::Conflict => {
                return Err(IdentityError::Exists(access_key));
            }
            done => done?,
        };
        self.read(&mut revision).await?;
        Ok(Credential { access_key, secret_key, role, name })
    }

    /// From the next request on, the key belongs to no identity. Its buckets keep their owner.
    pub async fn remove(&self, access_key: &AccessKey) -> Result<(), IdentityError> {
        let mut revision = self.revision.lock().await;
        if !self.catalog.remove_identity(access_key, Expected::Any).await? {
            let is_configured = self.in_force.is_configured(access_key.as_str());
            let kind = if is_configured { IdentityError::Configured } else { IdentityError::Unknown };
            return Err(kind(access_key.clone()));
        }
        self.read(&mut revision).await
    }

    /// All added identities, in the order of their access keys.
    pub async fn list(&self) -> Result<Vec<AddedIdentity>, IdentityError> {
        self.refresh().await?;
        let seen = |IdentityRecord { identity, .. }: IdentityRecord| AddedIdentity {
            is_in_force: !self.in_force.is_configured(identity.access_key.as_str())
                && self.in_force.find(identity.access_key.as_str()).is_some(),
            access_key: identity.access_key,
            role: identity.role,
            name: identity.name,
        };
        Ok(self.catalog.identities().await?.all.into_iter().map(seen).collect())
    }

    async fn read(&self, revision: &mut Revision) -> Result<(), IdentityError> {
        let stored = self.catalog.identities().await?;
        let key = if stored.all.is_empty() { None } else { DataKey::find(&self.dir)? };
        let credential = |IdentityRecord { identity, .. }: IdentityRecord| {
            let access_key = identity.access_key;
            let secret =
                key.as_ref().and_then(|key| key.unseal(access_key.as_str(), &identity.sealed_secret));
            let Some(secret_key) = secret else {
                tracing::error!(%access_key, dir = %self.dir.display(), "the secret of an identity cannot be unsealed: it is left out. Remove it and add it again, or restore the key");
                return None;
            };
            if self.in_force.is_configured(access_key.as_str()) {
                tracing::warn!(%access_key, "an identity was added that the configuration has, too: the configuration's counts");
            }
            Some(Credential { access_key, secret_key, role: identity.role, name: identity.name })
        };
        let credentials = Credentials::new(stored.all.into_iter().filter_map(credential));
        self.in_force.replace_added(Arc::new(credentials));
        *revision = stored.revision;
        Ok(())
    }
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
        };
        let in_force =
            Arc::new(CredentialsInForce::new(Arc::new(Credentials::new(configured.iter().map(credential)))));
        let added = AddedIdentities::new(catalog, dir.path(), in_force.clone());
        added.refresh().await.expect("read");
        Server { added, in_force }
    }

    fn addition(access_key: &str, secret: &str) -> Addition {
        let (access_key, secret_key) = (Some(AccessKey(access_key.into())), Some(Secret::new(secret)));
        Addition { access_key, secret_key, role: Role::ReadWrite, name: Some("Bob".into()) }
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
