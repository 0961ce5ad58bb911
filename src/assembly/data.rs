//! The data directory, held by one server at a time.

use super::error::StartError;
use crate::{
    access::{Credential, Credentials, KeyTerms, RootCredentials, generated_root},
    config::Settings,
    drivers::fs::keep_private,
    model::{ReplacedSecret, Role},
};
use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Causeway's own directory in the data directory.
const OWN: &str = ".causeway";

#[derive(Debug)]
pub(crate) struct DataDirectory {
    own: PathBuf,
    /// The kernel releases the lock however the process ends.
    _lock: File,
}

impl DataDirectory {
    pub(crate) fn take(path: &Path) -> Result<Self, StartError> {
        let own = Self::own_of(path);
        let failed = |error: std::io::Error| {
            StartError::because(format_args!("the data directory {}", path.display()), error)
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        match std::fs::DirBuilder::new().mode(0o700).create(&own) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let directory =
            rustix::fs::open(&own, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let private = directory.and_then(|directory| keep_private(directory, &own));
        private.map_err(|error| failed(error.into()))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let lock = rustix::fs::open(own.join("lock"), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed(error.into()))?;
        let mut lock = File::from(lock);
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = holder.trim();
                let by = if holder.is_empty() {
                    "another server".to_owned()
                } else {
                    format!("another server (process {holder})")
                };
                return Err(StartError::in_use(format!(
                    "the data directory {} is in use by {by}",
                    path.display()
                )));
            }
            Err(error) => return Err(failed(error.into())),
        }
        // The text is only for the message above: the lock itself is the kernel's.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { own, _lock: lock })
    }

    /// Whether a server ever used the directory.
    pub(crate) fn was_taken(path: &Path) -> bool {
        Self::own_of(path).join("lock").exists()
    }

    pub(crate) fn own_of(path: &Path) -> PathBuf {
        path.join(OWN)
    }

    /// Where the catalog lives.
    pub(crate) fn own(&self) -> &Path {
        &self.own
    }

    /// The identities of the configuration, or a generated one.
    pub(crate) fn credentials(&self, settings: &Settings) -> Result<KnownCredentials, StartError> {
        let mut generated = None;
        let mut known = configured(settings);
        if known.is_empty() {
            let root = generated_root(&self.own)
                .map_err(|error| StartError::because("generating credentials", error))?;
            let (access_key, secret_key) = (root.access_key.clone(), root.secret_key.clone());
            let (role, name, terms) = (Role::Admin, None, KeyTerms::default());
            known.push(Credential { access_key, secret_key, role, name, terms });
            generated = Some(root);
        }
        Ok(KnownCredentials { credentials: Arc::new(Credentials::new(known)), generated })
    }
}

/// The root user and the identities of the configuration.
pub(crate) fn configured(settings: &Settings) -> Vec<Credential> {
    let root = settings.root.iter().map(|root| {
        let (access_key, secret_key) = (root.access_key.clone(), root.secret_key.clone());
        Credential { access_key, secret_key, role: Role::Admin, name: None, terms: KeyTerms::default() }
    });
    let identities = settings.identities.iter().map(|identity| Credential {
        access_key: identity.access_key.clone(),
        secret_key: identity.secret_key.secret.clone(),
        role: identity.policy,
        name: identity.name.clone(),
        terms: KeyTerms {
            expires: identity.expires.map(|moment| moment.0),
            is_disabled: false,
            previous: identity.previous_secret_key.as_ref().map(|previous| {
                let secret = previous.secret.clone();
                ReplacedSecret { secret, until: None }
            }),
            signature_v2: identity.signature_v2,
        },
    });
    root.chain(identities).collect()
}

#[derive(Debug)]
pub(crate) struct KnownCredentials {
    pub(crate) credentials: Arc<Credentials>,
    generated: Option<RootCredentials>,
}

impl KnownCredentials {
    pub(crate) fn generated(&self) -> Option<&RootCredentials> {
        self.generated.as_ref()
    }

    /// The lines that show generated credentials to a person at a terminal. They are never logged.
    pub(crate) fn announcement(&self) -> String {
        let words = |root: &RootCredentials| {
            format!("access key: {}\nsecret key: {}\n", root.access_key, root.secret_key.expose())
        };
        self.generated().map(words).unwrap_or_default()
    }
}
