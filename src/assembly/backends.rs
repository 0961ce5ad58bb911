//! From the settings of a backend to its driver: one row per type.

use crate::drivers::opendal::{Evidence, OpenDalFiles, OpenDalSettings};
use crate::{
    backend::{
        Backend, WireSettings,
        memory::MemoryBackend,
        oauth::Grant,
        tree::{TreeBackend, TreeSettings, files::Files},
    },
    catalog::Catalog,
    config::{self, Addressing, Promise, ReadMode, Settings, WriteMode},
    drivers::{
        azblob::{AzblobBackend, AzblobSettings},
        dropbox::{DropboxFiles, DropboxSettings},
        fs::{FsBackend, FsSettings},
        ftp::{FtpFiles, FtpSettings, Tls},
        gdrive::{GdriveFiles, GdriveSettings},
        null::{NullBackend, NullSettings},
        onedrive::{OnedriveFiles, OnedriveSettings},
        s3::{Credentials, Dialect, S3Backend, S3Settings},
        sftp::{HostKeys, SftpFiles, SftpSettings},
        webdav::{Access, WebdavFiles, WebdavSettings},
    },
    faults::{Faults, FaultyBackend, Flapping, Plan},
    model::Endpoint,
    replicate::{ReadPolicy, ReplicatedBackend, ReplicatedSettings, WritePolicy},
    store::error::{StoreError, StoreErrorKind},
    work::Workers,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Backends that are open, by name.
pub(crate) type Opened = HashMap<String, Arc<dyn Backend>>;

/// Where credentials are looked for that the settings do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Wherever the provider's own tools look.
    Everywhere,
    /// The same without the metadata service of a machine in a cloud.
    OnThisMachine,
}

/// What drivers receive besides their own settings.
pub(crate) struct Opening<'s> {
    pub(crate) settings: &'s Settings,
    /// The name of the backend.
    pub(crate) name: &'s str,
    /// The directory for spools.
    pub(crate) spool: &'s Path,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) workers: Workers,
    /// The open backends of which this one may consist.
    pub(crate) opened: &'s Opened,
    pub(crate) lookup: Lookup,
}

pub(crate) fn open(backend: &config::Backend, opening: Opening<'_>) -> Result<Arc<dyn Backend>, StoreError> {
    let Opening { settings, catalog, .. } = &opening;
    let catalog = catalog.clone();
    Ok(match backend {
        config::Backend::Fs(fs) => {
            let durability = fs.durability.unwrap_or(settings.server.durability);
            Arc::new(FsBackend::open(
                FsSettings {
                    root: fs.root.clone(),
                    durability,
                    adopt: fs.adopt,
                    file_mode: fs.file_mode.0,
                    directory_mode: fs.directory_mode.0,
                },
                catalog,
            )?)
        }
        config::Backend::Memory(_) => Arc::new(MemoryBackend::new()),
        config::Backend::Null(null) => {
            let settings = NullSettings { object_size: null.object_size.0, keys: null.keys.unwrap_or(0) };
            Arc::new(NullBackend::new(settings))
        }
        config::Backend::S3(s3) => Arc::new(S3Backend::open(self::s3(s3, opening.lookup)?, catalog)?),
        config::Backend::Gcs(gcs) => Arc::new(S3Backend::open(self::gcs(gcs, opening.lookup)?, catalog)?),
        config::Backend::Azblob(azblob) => {
            Arc::new(AzblobBackend::open(self::azblob(azblob, opening.lookup), catalog)?)
        }
        config::Backend::Sftp(sftp) => opening.tree(SftpFiles::open(self::sftp(sftp)?)?)?,
        config::Backend::Gdrive(gdrive) => opening.tree(GdriveFiles::new(self::gdrive(gdrive)?)?)?,
        config::Backend::Dropbox(dropbox) => opening.tree(DropboxFiles::new(self::dropbox(dropbox)?)?)?,
        config::Backend::Onedrive(onedrive) => {
            opening.tree(OnedriveFiles::new(self::onedrive(onedrive, opening.dir())?)?)?
        }
        config::Backend::Webdav(webdav) => opening.tree(WebdavFiles::new(self::webdav(webdav)?)?)?,
        config::Backend::Ftp(ftp) => opening.tree(FtpFiles::open(self::ftp(ftp))?)?,
        config::Backend::Faulty(faulty) => Arc::new(self::faulty(faulty, &opening)?),
        config::Backend::Replicated(replicated) => Arc::new(ReplicatedBackend::open(
            self::replicated(replicated, &opening),
            catalog,
            opening.workers,
        )?),
        config::Backend::Service(service) => {
            opening.tree(OpenDalFiles::open(self::service(service, &opening))?)?
        }
    })
}

impl Opening<'_> {
    /// A directory on local disk that this backend alone uses.
    fn dir(&self) -> PathBuf {
        self.spool.join(self.name)
    }

    /// Another backend of which this one consists.
    fn part(&self, name: &str) -> Result<Arc<dyn Backend>, StoreError> {
        self.opened.get(name).cloned().ok_or_else(|| senseless(&format!("backend '{name}' is not open")))
    }

    /// Builds S3 on top of files in folders.
    fn tree(&self, files: impl Files) -> Result<Arc<dyn Backend>, StoreError> {
        let server = &self.settings.server;
        let settings =
            TreeSettings { dir: self.dir(), spool_size: server.spool_size.0, durability: server.durability };
        Ok(Arc::new(TreeBackend::open(Arc::new(files), settings, self.catalog.clone())?))
    }
}

fn s3(s3: &config::S3Backend, lookup: Lookup) -> Result<S3Settings, StoreError> {
    let credentials = match (s3.anonymous, keys(&s3.access_key, &s3.secret_key)?) {
        (true, None) => Credentials::Anonymous,
        (true, Some(_)) => return Err(senseless("anonymous = true and an access_key exclude each other")),
        (false, Some((access_key, secret_key))) => Credentials::Keys {
            access_key,
            secret_key,
            session_token: s3.session_token.as_ref().map(|token| token.secret.clone()),
        },
        (false, None) => {
            Credentials::Found { profile: s3.profile.clone(), metadata: lookup == Lookup::Everywhere }
        }
    };
    Ok(S3Settings {
        dialect: Dialect::S3,
        virtual_hosts: match s3.addressing {
            Addressing::Auto => {
                s3.endpoint.as_ref().is_none_or(|endpoint| endpoint.host().ends_with(".amazonaws.com"))
            }
            Addressing::Path => false,
            Addressing::Virtual => true,
        },
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        shared: s3.bucket.clone(),
        credentials,
        project: None,
        conditional_writes: promised(s3.conditional_writes),
        checksums: promised(s3.checksums),
        wire: wire(&s3.http),
    })
}

fn gcs(gcs: &config::GcsBackend, lookup: Lookup) -> Result<S3Settings, StoreError> {
    let secret = |setting: &config::SecretSetting| setting.secret.clone();
    let (dialect, credentials) =
        match (gcs.anonymous, keys(&gcs.access_key, &gcs.secret_key)?, &gcs.credentials, &gcs.access_token) {
            (true, None, None, None) => (Dialect::Gcs, Credentials::Anonymous),
            (false, Some((access_key, secret_key)), None, None) => {
                (Dialect::S3, Credentials::Keys { access_key, secret_key, session_token: None })
            }
            (false, None, Some(json), None) => (Dialect::Gcs, Credentials::Google(secret(json))),
            (false, None, None, Some(token)) => (Dialect::Gcs, Credentials::GoogleToken(secret(token))),
            (false, None, None, None) => {
                let metadata = lookup == Lookup::Everywhere;
                (Dialect::Gcs, Credentials::Found { profile: None, metadata })
            }
            _ => {
                return Err(senseless(
                    "of anonymous, access_key, access_token and credentials only one can be used",
                ));
            }
        };
    Ok(S3Settings {
        dialect,
        virtual_hosts: false,
        endpoint: Some(gcs.endpoint.clone()),
        // The region that GCS expects in signatures of HMAC keys.
        region: "auto".to_owned(),
        shared: gcs.bucket.clone(),
        credentials,
        project: gcs.project.clone(),
        conditional_writes: None,
        checksums: None,
        wire: wire(&gcs.http),
    })
}

fn azblob(azblob: &config::AzblobBackend, lookup: Lookup) -> AzblobSettings {
    let secret =
        |setting: &Option<config::SecretSetting>| setting.as_ref().map(|setting| setting.secret.clone());
    AzblobSettings {
        connection_string: secret(&azblob.connection_string),
        account: azblob.account.clone(),
        endpoint: azblob.endpoint.clone(),
        shared: azblob.container.clone(),
        account_key: secret(&azblob.account_key),
        sas: secret(&azblob.sas),
        tenant_id: azblob.tenant_id.clone(),
        client_id: azblob.client_id.clone(),
        client_secret: secret(&azblob.client_secret),
        no_metadata: lookup == Lookup::OnThisMachine,
        wire: wire(&azblob.http),
        ..AzblobSettings::default()
    }
}

fn sftp(sftp: &config::SftpBackend) -> Result<SftpSettings, StoreError> {
    let secret =
        |setting: &Option<config::SecretSetting>| setting.as_ref().map(|setting| setting.secret.clone());
    let host_keys = match (&sftp.host_key, &sftp.known_hosts, std::env::home_dir()) {
        (Some(_), Some(_), _) => return Err(senseless("host_key and known_hosts exclude each other")),
        (Some(pins), None, _) if pins.0.is_empty() => HostKeys::Any,
        (Some(pins), None, _) => HostKeys::Pinned(pins.0.clone()),
        (None, Some(path), _) => HostKeys::KnownHosts(path.clone()),
        (None, None, Some(home)) => HostKeys::KnownHosts(home.join(".ssh/known_hosts")),
        (None, None, None) => {
            return Err(senseless(
                "known_hosts or host_key is missing: there is no home directory to look in",
            ));
        }
    };
    let is_told = sftp.password.is_some() || sftp.private_key.is_some();
    let agent =
        || std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !is_told && !socket.is_empty()).map(Into::into);
    Ok(SftpSettings {
        host: sftp.host.clone(),
        port: sftp.port.0,
        user: sftp.user.clone(),
        password: secret(&sftp.password),
        private_key: secret(&sftp.private_key),
        passphrase: secret(&sftp.passphrase),
        agent: sftp.agent.clone().or_else(agent),
        host_keys,
        root: sftp.root.clone(),
        timeout: sftp.timeout,
        connect_timeout: sftp.connect_timeout,
        attempts: u32::try_from(sftp.attempts).unwrap_or(u32::MAX),
        max_connections: sftp.max_connections,
        max_requests: sftp.max_requests,
    })
}

fn webdav(webdav: &config::WebdavBackend) -> Result<WebdavSettings, StoreError> {
    let secret = |setting: &config::SecretSetting| setting.secret.clone();
    let access = match (&webdav.user, &webdav.password, &webdav.token) {
        (None, None, None) => Access::Anonymous,
        (Some(user), Some(password), None) => {
            Access::Basic { user: user.clone(), password: secret(password) }
        }
        (None, None, Some(token)) => Access::Bearer(secret(token)),
        (_, _, Some(_)) => return Err(senseless("of token and user only one can be used")),
        _ => return Err(senseless("user and password go together")),
    };
    Ok(WebdavSettings {
        url: webdav.url.clone(),
        access,
        escapes_marks: webdav.escapes_marks,
        wire: wire(&webdav.http),
    })
}

fn gdrive(gdrive: &config::GdriveBackend) -> Result<GdriveSettings, StoreError> {
    let secret = |setting: &config::SecretSetting| setting.secret.clone();
    let grant =
        match (&gdrive.client_id, &gdrive.client_secret, &gdrive.refresh_token, &gdrive.service_account) {
            (Some(client_id), Some(client_secret), Some(refresh_token), None) => Grant::Refresh {
                client_id: client_id.clone(),
                client_secret: Some(secret(client_secret)),
                refresh_token: secret(refresh_token),
            },
            (None, None, None, Some(key)) => {
                Grant::ServiceAccount { key: secret(key), subject: gdrive.subject.clone() }
            }
            _ => {
                return Err(senseless(
                    "either client_id, client_secret and refresh_token are needed, or service_account alone",
                ));
            }
        };
    Ok(GdriveSettings {
        endpoint: gdrive.endpoint.clone(),
        token_endpoint: gdrive.token_endpoint.clone(),
        grant,
        drive: gdrive.drive.clone(),
        folder: gdrive.folder.clone(),
        root: gdrive.root.clone(),
        trash: gdrive.trash,
        wire: wire(&gdrive.http),
    })
}

fn onedrive(onedrive: &config::OnedriveBackend, dir: PathBuf) -> Result<OnedriveSettings, StoreError> {
    let secret = |setting: &config::SecretSetting| setting.secret.clone();
    let client_id = onedrive.client_id.clone();
    let grant = match (&onedrive.refresh_token, &onedrive.client_secret) {
        (Some(token), client_secret) => Grant::Refresh {
            client_id,
            client_secret: client_secret.as_ref().map(secret),
            refresh_token: secret(token),
        },
        (None, Some(client_secret)) => Grant::Client { client_id, client_secret: secret(client_secret) },
        (None, None) => return Err(senseless("either refresh_token or client_secret is needed")),
    };
    Ok(OnedriveSettings {
        endpoint: onedrive.endpoint.clone(),
        token_endpoint: microsoft(onedrive, "token")?,
        grant,
        drive: onedrive.drive.clone(),
        root: onedrive.root.clone(),
        dir,
        wire: wire(&onedrive.http),
    })
}

/// One of the addresses of a directory's authority.
pub(crate) fn microsoft(onedrive: &config::OnedriveBackend, what: &str) -> Result<Endpoint, StoreError> {
    let login = onedrive.login_endpoint.to_string();
    let address = format!("{}/{}/oauth2/v2.0/{what}", login.trim_end_matches('/'), onedrive.tenant);
    Endpoint::parse(&address).ok_or_else(|| senseless("tenant is no name of a directory"))
}

fn dropbox(dropbox: &config::DropboxBackend) -> Result<DropboxSettings, StoreError> {
    let refresh_token =
        dropbox.refresh_token.as_ref().ok_or_else(|| senseless("refresh_token is missing"))?;
    Ok(DropboxSettings {
        endpoint: dropbox.endpoint.clone(),
        content_endpoint: dropbox.content_endpoint.clone(),
        token_endpoint: dropbox.token_endpoint.clone(),
        app_key: dropbox.client_id.clone(),
        app_secret: dropbox.client_secret.as_ref().map(|secret| secret.secret.clone()),
        refresh_token: refresh_token.secret.clone(),
        root: dropbox.root.clone(),
        wire: wire(&dropbox.http),
    })
}

fn ftp(ftp: &config::FtpBackend) -> FtpSettings {
    FtpSettings {
        host: ftp.host.clone(),
        port: ftp.port(),
        user: ftp.user.clone(),
        password: ftp.password.as_ref().map(|password| password.secret.clone()),
        root: ftp.root.clone(),
        tls: match ftp.tls {
            config::FtpTls::None => Tls::None,
            config::FtpTls::Explicit => Tls::Explicit,
            config::FtpTls::Implicit => Tls::Implicit,
        },
        ca_file: ftp.ca_file.clone(),
        timeout: ftp.timeout,
        connect_timeout: ftp.connect_timeout,
        attempts: u32::try_from(ftp.attempts).unwrap_or(u32::MAX),
        max_connections: ftp.max_connections,
    }
}

fn faulty(faulty: &config::FaultyBackend, opening: &Opening<'_>) -> Result<FaultyBackend, StoreError> {
    let plan = Plan {
        operations: faulty.operations,
        lacks: crate::store::operation::Operations::NONE,
        hides_lacks: false,
        latency: faulty.latency.unwrap_or_default(),
        jitter: faulty.jitter.unwrap_or_default(),
        down: false,
        flapping: faulty.up.zip(faulty.down).map(|(up, down)| Flapping { up, down }),
        hang: faulty.hang.0,
        unavailable: faulty.unavailable.0,
        throttled: faulty.throttled.0,
        lost_reply: faulty.lost_reply.0,
        late: faulty.late.0,
        late_by: faulty.late_by,
        torn_body: faulty.torn_body.0,
        stale_list: faulty.stale_list.0,
    };
    let (backend, below) = (opening.name, &faulty.backend);
    tracing::warn!(
        backend,
        below,
        "this backend fails on purpose, as its settings say: it is for trials, not for data that matters"
    );
    Ok(FaultyBackend::new(opening.part(below)?, Faults::new(faulty.seed as u64, plan)))
}

fn replicated(replicated: &config::ReplicatedBackend, opening: &Opening<'_>) -> ReplicatedSettings {
    ReplicatedSettings {
        name: opening.name.to_owned(),
        members: replicated.backends.0.clone(),
        backends: opening.opened.clone(),
        write: match replicated.write {
            WriteMode::All => WritePolicy::All,
            WriteMode::Quorum => WritePolicy::Quorum(replicated.majority()),
            WriteMode::First => WritePolicy::First,
            WriteMode::BestEffort => WritePolicy::BestEffort,
        },
        read: match replicated.read {
            ReadMode::Ordered => ReadPolicy::Ordered,
            ReadMode::Fastest => ReadPolicy::Fastest,
            ReadMode::Hedged => ReadPolicy::Hedged,
        },
        scrub: replicated.scrub_interval,
    }
}

fn service(service: &config::ServiceBackend, opening: &Opening<'_>) -> OpenDalSettings {
    if service.service.evidence == Evidence::Never {
        let (backend, kind) = (opening.name, service.service.name);
        tracing::warn!(
            backend,
            r#type = kind,
            "this type of backend was never run against its service: try it out before you trust it"
        );
    }
    OpenDalSettings {
        service: service.service,
        options: service.options.iter().map(|(name, given)| ((*name).to_owned(), given.text())).collect(),
        root: service.root.clone(),
        hosts: service.hosts.clone(),
        rate: service.rate.and_then(|rate| u32::try_from(rate).ok()),
        spool: opening.spool.join(opening.name).join("drafts"),
        spool_size: opening.settings.server.spool_size.0,
        wire: wire(&service.http),
    }
}

fn keys(
    access: &Option<String>,
    secret: &Option<config::SecretSetting>,
) -> Result<Option<(String, crate::model::Secret)>, StoreError> {
    match (access, secret) {
        (Some(access), Some(secret)) => Ok(Some((access.clone(), secret.secret.clone()))),
        (None, None) => Ok(None),
        _ => Err(senseless("access_key and secret_key go together")),
    }
}

fn promised(promise: Promise) -> Option<bool> {
    match promise {
        Promise::Auto => None,
        Promise::Kept => Some(true),
        Promise::NotKept => Some(false),
    }
}

/// How a driver sends requests over HTTP.
pub(crate) fn wire(http: &config::Http) -> WireSettings {
    WireSettings {
        timeout: http.timeout,
        connect_timeout: http.connect_timeout,
        attempts: u32::try_from(http.attempts).unwrap_or(u32::MAX),
        max_requests: http.max_requests,
        ca_file: http.ca_file.clone(),
        ..WireSettings::default()
    }
}

fn senseless(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidRequest, what)
}
