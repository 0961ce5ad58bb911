//! All settings: names, types, defaults and descriptions. The reference is generated from this file.

use super::{
    address::Addresses,
    amount::{ByteRate, Count},
    bucket::Bucket,
    dropbox::DropboxBackend,
    error::ConfigErrors,
    faulty::FaultyBackend,
    ftp::FtpBackend,
    gdrive::GdriveBackend,
    layers::Layers,
    networks::Networks,
    object_stores::{AzblobBackend, GcsBackend, S3Backend},
    onedrive::OnedriveBackend,
    replicated::ReplicatedBackend,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    services::{self, ServiceBackend},
    sftp::SftpBackend,
    value::{Domains, FileMode, Interval, LogFormat, LogLevel, Setting, Size},
    webdav::WebdavBackend,
};
use crate::{
    model::{AccessKey, BucketName, Role, Secret, SignatureV2},
    store::Durability,
};
use Fallback::{Required, Text, Unset};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// All settings, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    /// The root user, from the environment: see `Root`.
    pub root: Option<Root>,
    pub identities: Vec<Identity>,
    /// The backends by name: at least one.
    pub backends: BTreeMap<String, Backend>,
    /// The layers of each backend. The implicit backend without configuration has none.
    pub layers: BTreeMap<String, Layers>,
    /// The names of all backends, each behind those that it consists of.
    pub order: Vec<String>,
    pub buckets: BTreeMap<BucketName, Bucket>,
    pub default: Defaults,
}

/// The administrator named by `CAUSEWAY_ROOT_USER` and `CAUSEWAY_ROOT_PASSWORD`.
#[derive(Debug, Clone)]
pub struct Root {
    pub access_key: AccessKey,
    pub secret_key: Secret,
}

/// Top-level keys that hold a list of tables.
pub(super) const LISTS: &[&str] = &["identity"];

section! {
    /// The addresses, limits and directories of the server.
    Server {
        /// The address of S3. Port 0 means any free port. A name, as in `localhost:9000`, is resolved at the
        /// start; a port alone, as in `:9000` or `9000`, is served on every address of the machine.
        listen: Addresses = Text("127.0.0.1:9000"),
        /// The address of health (`/-/health/live`, `/-/health/ready`) and metrics (`/-/metrics`). It has no
        /// authentication: keep it off public networks.
        admin_listen: Option<Addresses> = Unset("`127.0.0.1:9001`, or a free port if that one is taken"),
        /// The data directory. Causeway's own files are in its folder `.causeway`. If no backend is
        /// configured, the buckets are beside that folder.
        data: PathBuf = Text("./causeway-data"),
        /// A file that the bound addresses are written to once requests are served: S3 on the first line,
        /// admin on the second.
        address_file: Option<PathBuf> = Unset("none is written"),
        /// The domain of virtual-host addressing: with `s3.example.com`, `photos.s3.example.com/a` is key `a`
        /// of bucket `photos`. Path-style addressing always works.
        domain: Option<Domains> = Unset("path-style only"),
        /// The region of the gateway, as replies report it. Requests signed for another region are refused,
        /// unless `accept_any_region` is `true`.
        region: Option<String> = Unset("`us-east-1`, and any region is accepted"),
        /// Whether requests may be signed for any region, and buckets created in any.
        accept_any_region: Option<bool> = Unset("`true` unless `region` is set"),
        /// Where signature version 2 is accepted: in `presigned` URLs, which many SDKs still make by default,
        /// or in `all` requests.
        signature_v2: SignatureV2 = Text("presigned"),
        /// What an acknowledged write survives. `strict`: a killed process and power loss; `relaxed`: a
        /// killed process only.
        durability: Durability = Text("strict"),
        /// A PEM file with the certificate chain. With it, S3 is served over TLS (HTTP/1.1 and HTTP/2).
        /// SIGHUP reads it again, together with the rest of the configuration.
        tls_cert: Option<PathBuf> = Unset("no TLS"),
        /// A PEM file with the private key of that certificate.
        tls_key: Option<PathBuf> = Unset("no TLS"),
        /// Maximum number of open S3 connections. Further ones wait to be accepted; idle connections are
        /// closed for them.
        max_connections: usize = Text("4096"),
        /// Maximum number of concurrent requests; beyond it, 503 SlowDown. All requests of one HTTP/2
        /// connection count as one, and wait for each other.
        max_requests: usize = Text("1024"),
        /// Maximum number of open connections from one address (of IPv6, one /64); further ones are closed.
        max_connections_per_address: Option<usize> = Unset("a quarter of `max_connections`"),
        /// Like `max_requests`, for one address.
        max_requests_per_address: Option<usize> = Unset("as many as are left to others: half of `max_requests` for one alone"),
        /// Proxies whose `X-Forwarded-For` names the client. They may open any number of connections; limits
        /// for one address apply to their clients.
        trusted_proxies: Option<Networks> = Unset("none"),
        /// Maximum number of bytes of bodies, documents and replies in memory at once. Requests wait for
        /// them. One address may use as much as is left to others: half of it, if there is no other.
        body_memory: Size = Text("96MiB"),
        /// Maximum size of the request line and headers, and of the read buffer of a connection: 8 KiB to 1
        /// MiB.
        max_header_size: Size = Text("64KiB"),
        /// Maximum time for the head of a request, or for a TLS handshake, from the moment at which its first
        /// byte could be sent.
        header_timeout: Duration = Text("30s"),
        /// Maximum pause within the body of a request.
        body_timeout: Duration = Text("60s"),
        /// A connection without a request, or whose client does not take the reply, is closed after this
        /// time. While other requests wait for `body_memory`, a reply of which the client has taken nothing
        /// for 5s is ended.
        idle_timeout: Duration = Text("2m"),
        /// Maximum time for requests in progress to end when the server stops. Clients that take nothing of a
        /// reply, or send nothing of a request, have a sixth of it.
        drain_timeout: Duration = Text("30s"),
        /// Multipart uploads that were not completed are aborted this long after they began.
        upload_expiry: Interval = Text("7d"),
        /// How often backends are scanned for objects that were created or changed outside Causeway.
        scan_interval: Interval = Text("10m"),
        /// A directory on local disk for parts of multipart uploads, for backends that have no multipart
        /// uploads themselves.
        spool: Option<PathBuf> = Unset("`.causeway/spool` in the data directory"),
        /// Maximum number of bytes of parts in the spool, for each backend. Parts that do not fit are
        /// answered 503 SlowDown; if the parts of one upload alone do not fit, 400 EntityTooLarge.
        spool_size: Size = Text("16GiB"),
        /// Bytes of memory for the answers of backends with a `metadata_ttl`: one cache for all of them.
        metadata_cache_size: Size = Text("64MiB"),
        /// Bytes of memory for bytes of objects on backends with a `data_cache`.
        data_cache_memory: Option<Size> = Unset("none"),
        /// Bytes of local disk for bytes of objects on backends with a `data_cache`.
        data_cache_disk: Option<Size> = Unset("none"),
        /// The directory of the data cache on disk. It can be deleted at any time.
        data_cache_dir: Option<PathBuf> = Unset("`.causeway/cache` in the data directory"),
        /// A read of more bytes than this, usually of a large object from its beginning to its end, bypasses
        /// the data cache.
        data_cache_max_object: Size = Text("64MiB"),
        /// `human` for terminals, `json` for machines. The log goes to standard error.
        log_format: LogFormat = Text("human"),
        /// What is logged; `CAUSEWAY_LOG` sets it, too. With `info,access=debug` every request has a line. By
        /// default only requests that fail on the server's side have one, because each line costs some
        /// microseconds and a write.
        log_level: LogLevel = Text("info"),
    }
}

section! {
    /// One client identity; the section repeats. With none, and no root user, an administrator is generated,
    /// kept in `.causeway/root-credentials` in the data directory, and printed at start.
    Identity {
        /// The name shown as owner of buckets and objects.
        name: Option<String> = Unset("the access key"),
        /// The access key id.
        access_key: AccessKey = Required,
        /// The secret access key.
        secret_key: SecretSetting = Required,
        /// `admin` acts on every bucket. `readwrite` creates buckets, and acts on its own buckets and on
        /// those that `access` gives it. `readonly` reads such buckets and never writes, not even where an
        /// ACL allows it to everybody.
        policy: Role = Text("readwrite"),
        /// Maximum rate at which the identity sends, in bytes per second. See [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Maximum rate at which the identity is sent bytes, in bytes per second.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Maximum number of requests per second. Further ones wait for a second at most, and are then
        /// answered 503 SlowDown.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent requests. Further ones wait for a second at most, and are then
        /// answered 503 SlowDown.
        concurrency: Option<usize> = Unset("any"),
    }
}

section! {
    /// `type = "fs"`: a directory. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's
    /// directory.
    FsBackend {
        /// The directory that holds the buckets. It is created if it does not exist.
        root: PathBuf = Required,
        /// Like `server.durability`, for this backend.
        durability: Option<Durability> = Unset("that of `server`"),
        /// Whether directories that are in `root` at the start, and are not buckets yet, become buckets of
        /// the first administrator. Without this setting, or without an administrator, only `causeway bucket
        /// adopt` makes buckets of them.
        adopt: bool = Text("true"),
        /// The mode of the files of objects, as `chmod` takes it. Files that are not objects yet, and all
        /// files in `.causeway`, always have `0600`. Files created outside Causeway keep their mode until
        /// they are replaced.
        file_mode: FileMode = Text("0600"),
        /// The mode of directories that are created for buckets and objects.
        directory_mode: FileMode = Text("0700"),
    }
}

impl FsBackend {
    /// Returns the settings of a root, with everything else at its default.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            root,
            durability: None,
            adopt: true,
            file_mode: FileMode(0o600),
            directory_mode: FileMode(0o700),
        }
    }
}

section! {
    /// `type = "memory"`: keeps objects in memory. For tests: everything is lost when the server stops.
    MemoryBackend {}
}

section! {
    /// The defaults of buckets that are created through S3.
    Defaults {
        /// The backend that holds them.
        backend: Option<String> = Unset("the only backend there is; of several, none: CreateBucket is answered 501, and all buckets of \
                                         the configuration name theirs"),
    }
}

/// `[backend.NAME]`, by its `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    Fs(FsBackend),
    Memory(MemoryBackend),
    S3(S3Backend),
    Gcs(GcsBackend),
    Azblob(AzblobBackend),
    Sftp(SftpBackend),
    Webdav(WebdavBackend),
    Gdrive(GdriveBackend),
    Ftp(FtpBackend),
    Onedrive(OnedriveBackend),
    Dropbox(DropboxBackend),
    Faulty(FaultyBackend),
    Replicated(ReplicatedBackend),
    /// A service that OpenDAL reaches.
    Service(ServiceBackend),
}

/// The table of types. A new type of backend adds a section, a variant and a row.
pub(super) struct BackendType {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) rows: &'static [Row],
    pub(super) read: fn(&mut Reader<'_>) -> Result<Backend, ConfigErrors>,
}

pub(super) const BACKEND_TYPES: &[BackendType] = &[
    BackendType {
        name: "fs",
        about: FsBackend::ABOUT,
        rows: FsBackend::ROWS,
        read: |reader| FsBackend::read(reader).map(Backend::Fs),
    },
    BackendType {
        name: "memory",
        about: MemoryBackend::ABOUT,
        rows: MemoryBackend::ROWS,
        read: |reader| MemoryBackend::read(reader).map(Backend::Memory),
    },
    BackendType {
        name: "s3",
        about: S3Backend::ABOUT,
        rows: S3Backend::ROWS,
        read: |reader| S3Backend::read(reader).map(Backend::S3),
    },
    BackendType {
        name: "gcs",
        about: GcsBackend::ABOUT,
        rows: GcsBackend::ROWS,
        read: |reader| GcsBackend::read(reader).map(Backend::Gcs),
    },
    BackendType {
        name: "azblob",
        about: AzblobBackend::ABOUT,
        rows: AzblobBackend::ROWS,
        read: |reader| AzblobBackend::read(reader).map(Backend::Azblob),
    },
    BackendType {
        name: "sftp",
        about: SftpBackend::ABOUT,
        rows: SftpBackend::ROWS,
        read: |reader| SftpBackend::read(reader).map(Backend::Sftp),
    },
    BackendType {
        name: "webdav",
        about: WebdavBackend::ABOUT,
        rows: WebdavBackend::ROWS,
        read: |reader| WebdavBackend::read(reader).map(Backend::Webdav),
    },
    BackendType {
        name: "gdrive",
        about: GdriveBackend::ABOUT,
        rows: GdriveBackend::ROWS,
        read: |reader| GdriveBackend::read(reader).map(Backend::Gdrive),
    },
    BackendType {
        name: "ftp",
        about: FtpBackend::ABOUT,
        rows: FtpBackend::ROWS,
        read: |reader| FtpBackend::read(reader).map(Backend::Ftp),
    },
    BackendType {
        name: "onedrive",
        about: OnedriveBackend::ABOUT,
        rows: OnedriveBackend::ROWS,
        read: |reader| OnedriveBackend::read(reader).map(Backend::Onedrive),
    },
    BackendType {
        name: "dropbox",
        about: DropboxBackend::ABOUT,
        rows: DropboxBackend::ROWS,
        read: |reader| DropboxBackend::read(reader).map(Backend::Dropbox),
    },
    BackendType {
        name: "faulty",
        about: FaultyBackend::ABOUT,
        rows: FaultyBackend::ROWS,
        read: |reader| FaultyBackend::read(reader).map(Backend::Faulty),
    },
    BackendType {
        name: "replicated",
        about: ReplicatedBackend::ABOUT,
        rows: ReplicatedBackend::ROWS,
        read: |reader| ReplicatedBackend::read(reader).map(Backend::Replicated),
    },
];

/// Returns whether a path of keys may hold a secret: `backend.lake.secret_key`, `identity[0].secret_key`.
pub(super) fn holds_secret(path: &str) -> bool {
    let secret =
        |rows: &[Row], key: &str| rows.iter().any(|row| row.name == key && row.kind == SecretSetting::KIND);
    match path.split('.').collect::<Vec<_>>().as_slice() {
        ["backend", name, key] => {
            !name.is_empty()
                && (BACKEND_TYPES.iter().any(|backend| secret(backend.rows, key))
                    || services::holds_secret(key))
        }
        [identity, key] => {
            let number = identity.strip_prefix("identity[").and_then(|rest| rest.strip_suffix(']'));
            number.is_some_and(|number| number.parse::<usize>().is_ok()) && secret(Identity::ROWS, key)
        }
        _ => false,
    }
}

impl Backend {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Fs(_) => "fs",
            Self::Memory(_) => "memory",
            Self::S3(_) => "s3",
            Self::Gcs(_) => "gcs",
            Self::Azblob(_) => "azblob",
            Self::Sftp(_) => "sftp",
            Self::Webdav(_) => "webdav",
            Self::Gdrive(_) => "gdrive",
            Self::Ftp(_) => "ftp",
            Self::Onedrive(_) => "onedrive",
            Self::Dropbox(_) => "dropbox",
            Self::Faulty(_) => "faulty",
            Self::Replicated(_) => "replicated",
            Self::Service(service) => service.service.name,
        }
    }

    /// Returns the backends that this backend consists of.
    pub fn over(&self) -> Vec<&str> {
        match self {
            Self::Faulty(faulty) => vec![&faulty.backend],
            Self::Replicated(replicated) => replicated.backends.0.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the address of the storage, in words for an operator.
    pub fn address(&self) -> String {
        match self {
            Self::Fs(fs) => fs.root.display().to_string(),
            Self::Memory(_) => "memory".to_owned(),
            Self::S3(s3) => {
                s3.endpoint.as_ref().map_or_else(|| format!("AWS {}", s3.region), ToString::to_string)
            }
            Self::Gcs(gcs) => gcs.endpoint.to_string(),
            Self::Azblob(azblob) => match (&azblob.endpoint, &azblob.account) {
                (Some(endpoint), _) => endpoint.to_string(),
                (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
                (None, None) => "(its connection string says where)".to_owned(),
            },
            Self::Sftp(sftp) => sftp.address(),
            Self::Webdav(webdav) => webdav.url.to_string(),
            Self::Gdrive(gdrive) => {
                let place =
                    gdrive.folder.as_ref().or(gdrive.drive.as_ref()).map_or("My Drive", String::as_str);
                join(format!("Google Drive: {place}"), gdrive.root.trim_matches('/'))
            }
            Self::Ftp(ftp) => ftp.address(),
            Self::Onedrive(onedrive) => {
                let place = onedrive.drive.as_deref().unwrap_or("the person's own");
                join(format!("OneDrive: {place}"), onedrive.root.trim_matches('/'))
            }
            Self::Dropbox(dropbox) => join("Dropbox".to_owned(), dropbox.root.trim_matches('/')),
            Self::Faulty(faulty) => format!("backend '{}'", faulty.backend),
            Self::Replicated(replicated) => format!("backends {}", replicated.backends.0.join(", ")),
            Self::Service(service) => service.address(),
        }
    }

    /// Like `address`, with the bucket or container if the backend has just one.
    pub fn location(&self) -> String {
        join(self.address(), self.shared().unwrap_or_default())
    }

    /// Returns the one remote bucket or container that holds all of this backend's buckets, if there is one.
    pub fn shared(&self) -> Option<&str> {
        match self {
            Self::Fs(_)
            | Self::Memory(_)
            | Self::Sftp(_)
            | Self::Ftp(_)
            | Self::Webdav(_)
            | Self::Gdrive(_) => None,
            Self::Onedrive(_)
            | Self::Dropbox(_)
            | Self::Service(_)
            | Self::Faulty(_)
            | Self::Replicated(_) => None,
            Self::S3(s3) => s3.bucket.as_deref(),
            Self::Gcs(gcs) => gcs.bucket.as_deref(),
            Self::Azblob(azblob) => azblob.container.as_deref(),
        }
    }

    /// Returns whether the storage has buckets or containers of its own.
    pub fn is_object_store(&self) -> bool {
        matches!(self, Self::S3(_) | Self::Gcs(_) | Self::Azblob(_))
    }

    pub(super) fn show(&self) -> Vec<(&'static str, Option<String>)> {
        match self {
            Self::Fs(fs) => fs.show(),
            Self::Memory(memory) => memory.show(),
            Self::S3(s3) => s3.show(),
            Self::Gcs(gcs) => gcs.show(),
            Self::Azblob(azblob) => azblob.show(),
            Self::Sftp(sftp) => sftp.show(),
            Self::Webdav(webdav) => webdav.show(),
            Self::Gdrive(gdrive) => gdrive.show(),
            Self::Ftp(ftp) => ftp.show(),
            Self::Onedrive(onedrive) => onedrive.show(),
            Self::Dropbox(dropbox) => dropbox.show(),
            Self::Faulty(faulty) => faulty.show(),
            Self::Replicated(replicated) => replicated.show(),
            Self::Service(service) => service.show(),
        }
    }
}

fn join(outer: String, inner: &str) -> String {
    if inner.is_empty() { outer } else { format!("{}/{inner}", outer.trim_end_matches('/')) }
}

impl Settings {
    /// Returns the location of a bucket on its backend, in the same form as the drivers.
    pub fn place_of(&self, name: &BucketName, bucket: &Bucket) -> String {
        let backend = self.backends.get(self.backend_of(bucket)).map(|backend| self.below(backend));
        let shared = backend.filter(|backend| backend.is_object_store()).map(Backend::shared);
        match (shared, bucket.remote.as_deref()) {
            // The backend is a directory, or in memory.
            (None, _) => bucket.place().unwrap_or(name.as_str()).to_owned(),
            (Some(_), Some(remote)) => join(remote.to_owned(), bucket.place().unwrap_or_default()),
            (Some(Some(shared)), None) => join(shared.to_owned(), bucket.place().unwrap_or(name.as_str())),
            (Some(None), None) => join(name.as_str().to_owned(), bucket.place().unwrap_or_default()),
        }
    }

    /// Returns the location of a bucket, in words for an operator.
    pub fn location_of(&self, name: &BucketName, bucket: &Bucket) -> String {
        let backend = self.backends.get(self.backend_of(bucket)).map(|backend| self.below(backend).address());
        join(backend.unwrap_or_default(), &self.place_of(name, bucket))
    }

    /// Returns the backend that holds the objects: the one below, for a backend that only adds behaviour.
    pub fn below<'s>(&'s self, backend: &'s Backend) -> &'s Backend {
        let Backend::Faulty(faulty) = backend else { return backend };
        self.backends.get(self.bottom(&faulty.backend)).unwrap_or(backend)
    }

    /// Like `below`, by the names of the backends.
    pub fn bottom<'s>(&'s self, mut name: &'s str) -> &'s str {
        while let Some(Backend::Faulty(faulty)) = self.backends.get(name) {
            name = &faulty.backend;
        }
        name
    }

    /// Returns all backends, each behind those that it consists of.
    pub fn in_order(&self) -> impl Iterator<Item = (&String, &Backend)> {
        self.order.iter().filter_map(|name| self.backends.get_key_value(name))
    }

    /// Returns a backend and all that it consists of, directly or not, each behind its own parts.
    pub fn parts_of(&self, name: &str) -> Vec<(&String, &Backend)> {
        let mut needed = vec![name];
        for (name, backend) in self.in_order().collect::<Vec<_>>().into_iter().rev() {
            if needed.contains(&name.as_str()) {
                needed.extend(backend.over());
            }
        }
        self.in_order().filter(|(name, _)| needed.contains(&name.as_str())).collect()
    }

    /// Returns the name of the backend that holds a bucket.
    pub fn backend_of<'s>(&'s self, bucket: &'s Bucket) -> &'s str {
        // A bucket without a backend uses the default one. A configuration without that default was refused.
        bucket.backend.as_deref().or(self.default_backend()).unwrap_or_default()
    }

    /// Returns the identities with this access key, or else with this name. There is one, unless the
    /// configuration is wrong.
    pub fn identities_named(&self, name: &str) -> Vec<(&AccessKey, Role)> {
        let root = self.root.iter().map(|root| (&root.access_key, Role::Admin, None));
        let all =
            root.chain(self.identities.iter().map(|it| (&it.access_key, it.policy, it.name.as_deref())));
        let all: Vec<_> = all.collect();
        let by_key: Vec<_> =
            all.iter().filter(|(key, ..)| key.as_str() == name).map(|(key, role, _)| (*key, *role)).collect();
        if by_key.is_empty() {
            return all
                .iter()
                .filter(|(.., own)| *own == Some(name))
                .map(|(key, role, _)| (*key, *role))
                .collect();
        }
        by_key
    }
}
