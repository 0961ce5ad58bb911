//! All settings as one value, and the sections that belong to no backend: names, types, defaults and
//! descriptions. Backends and their types are in `backend`. The reference is generated from all of them.

use super::{
    address::Addresses,
    amount::{ByteRate, Count},
    backend::{BACKEND_TYPES, Backend, join},
    bucket::Bucket,
    error::ConfigErrors,
    layers::Layers,
    networks::Networks,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    services,
    value::{Domains, Interval, LogFormat, LogLevel, Setting, Size},
};
use crate::{
    model::{AccessKey, BucketName, Role, Secret, SignatureV2},
    store::Durability,
};
use Fallback::{Required, Text, Unset};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// All of it, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    /// From the environment; see `Root`.
    pub root: Option<Root>,
    pub identities: Vec<Identity>,
    /// By name; at least one.
    pub backends: BTreeMap<String, Backend>,
    /// The layers of each backend. The implicit backend without configuration has none.
    pub layers: BTreeMap<String, Layers>,
    /// All backends, each behind those that it consists of.
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
    /// Where and how Causeway serves.
    Server {
        /// Where S3 is served. Port 0 takes any free port. A name, as `localhost:9000`, is resolved at start;
        /// a port alone, as `:9000` or `9000`, is served on every address of the machine.
        listen: Addresses = Text("127.0.0.1:9000"),
        /// Where health (`/-/health/live`, `/-/health/ready`) and metrics (`/-/metrics`) are served. It has
        /// no authentication: keep it off public networks.
        admin_listen: Option<Addresses> = Unset("`127.0.0.1:9001`, or a free port if that one is taken"),
        /// The data directory: Causeway's own files are in `.causeway` in it, and without a configured
        /// backend the buckets beside that.
        data: PathBuf = Text("./causeway-data"),
        /// A file to write the bound addresses to once requests are served: S3 on the first line, admin on
        /// the second.
        address_file: Option<PathBuf> = Unset("none is written"),
        /// The domain of virtual-host addressing: with `s3.example.com`, `photos.s3.example.com/a` is key `a`
        /// of bucket `photos`. Path-style addressing always works.
        domain: Option<Domains> = Unset("path-style only"),
        /// The region of the gateway. Requests signed for another one are refused, and clients are told this
        /// one.
        region: Option<String> = Unset("`us-east-1`, and any region is accepted"),
        /// Whether requests may be signed for any region, and buckets created in any.
        accept_any_region: Option<bool> = Unset("`true` unless `region` is set"),
        /// Where signature version 2 is accepted: in `presigned` URLs, which many SDKs still make by default,
        /// or in `all` requests.
        signature_v2: SignatureV2 = Text("presigned"),
        /// What an acknowledged write survives: `strict` a killed process and power loss, `relaxed` a killed
        /// process only.
        durability: Durability = Text("strict"),
        /// A PEM file with the certificate chain: with it, S3 is served over TLS (HTTP/1.1 and HTTP/2).
        /// SIGHUP reads it again, with the rest of the configuration.
        tls_cert: Option<PathBuf> = Unset("no TLS"),
        /// A PEM file with the key of that certificate.
        tls_key: Option<PathBuf> = Unset("no TLS"),
        /// Maximum number of open S3 connections; further ones wait to be accepted, and take the place of
        /// idle ones.
        max_connections: usize = Text("4096"),
        /// Maximum number of concurrent requests; beyond it, 503 SlowDown. All requests of one HTTP/2
        /// connection count as one, and wait for their turn.
        max_requests: usize = Text("1024"),
        /// Maximum number of open connections from one address (of IPv6, one /64); further ones are closed.
        max_connections_per_address: Option<usize> = Unset("a quarter of `max_connections`"),
        /// Like `max_requests`, for one address.
        max_requests_per_address: Option<usize> = Unset("as many as are left to others: half of `max_requests` for one alone"),
        /// Proxies whose `X-Forwarded-For` says who the client is, and whose `X-Forwarded-Proto` says whether it
        /// uses TLS. They may open any number of connections, and limits for one address are those of their
        /// clients.
        trusted_proxies: Option<Networks> = Unset("none"),
        /// Bytes of bodies, documents and replies that may be in memory at once. Requests wait for them. One
        /// address may use as much as is left to others: half of it, if there is no other.
        body_memory: Size = Text("96MiB"),
        /// The request line and headers at most, and so the read buffer of a connection. 8 KiB to 1 MiB.
        max_header_size: Size = Text("64KiB"),
        /// The head of a request, or a TLS handshake, must be complete this long after its first byte could
        /// be sent.
        header_timeout: Duration = Text("30s"),
        /// A request body must not pause for longer.
        body_timeout: Duration = Text("60s"),
        /// A connection without a request, or whose client does not take the reply, is closed after this
        /// long. While others wait for `body_memory`, a reply of which nothing was taken for 5s ends.
        idle_timeout: Duration = Text("2m"),
        /// Requests in work may take this long to end when the server stops; clients that take nothing of a
        /// reply, or send nothing of a request, a sixth of it.
        drain_timeout: Duration = Text("30s"),
        /// Multipart uploads that were not completed are aborted this long after they began.
        upload_expiry: Interval = Text("7d"),
        /// How often backends are scanned for objects that were created or changed outside Causeway.
        scan_interval: Interval = Text("10m"),
        /// A directory on local disk for parts of multipart uploads to backends that have no such uploads
        /// themselves.
        spool: Option<PathBuf> = Unset("`.causeway/spool` in the data directory"),
        /// Bytes of parts that may wait there, for each backend. Parts that do not fit are answered 503
        /// SlowDown, uploads that never could 400 EntityTooLarge.
        spool_size: Size = Text("16GiB"),
        /// Bytes of memory for what backends with a `metadata_ttl` answered: one cache for all of them.
        metadata_cache_size: Size = Text("64MiB"),
        /// Bytes of memory for bytes of objects on backends with a `data_cache`.
        data_cache_memory: Option<Size> = Unset("none"),
        /// Bytes of local disk for the same.
        data_cache_disk: Option<Size> = Unset("none"),
        /// Where they are on disk. It can be deleted at any time.
        data_cache_dir: Option<PathBuf> = Unset("`.causeway/cache` in the data directory"),
        /// A reading of more bytes than this at once, usually of a large object from its beginning to its
        /// end, goes past the data cache.
        data_cache_max_object: Size = Text("64MiB"),
        /// `human` for terminals, `json` for machines. The log goes to standard error.
        log_format: LogFormat = Text("human"),
        /// What is logged, also by `CAUSEWAY_LOG`. With `info,access=debug` every request has a line; by
        /// default only those that fail on our side have, since a line costs some microseconds and a write
        /// each.
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
        /// `admin` acts on every bucket; `readwrite` creates buckets, and acts on its own and on those that
        /// it is given by `access`; `readonly` reads such buckets, and writes nowhere, not even where an ACL
        /// lets anybody.
        policy: Role = Text("readwrite"),
        /// Bytes a second that it sends at most. See [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Bytes a second that it is sent at most.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Requests a second at most. Further ones wait for a second at most, and are answered 503 SlowDown
        /// then.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent requests. Further ones wait for a second at most, and are answered
        /// 503 SlowDown then.
        concurrency: Option<usize> = Unset("any"),
    }
}

section! {
    /// For buckets created through S3.
    Defaults {
        /// The backend that holds them.
        backend: Option<String> = Unset("the only backend there is; of several, none: CreateBucket is answered 501, and all buckets of \
                                         the configuration name theirs"),
    }
}

/// Whether a secret may be at a path of keys: `backend.lake.secret_key`, `identity[0].secret_key`.
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

impl Settings {
    /// Where a bucket of the configuration lies on its backend, as drivers say it too.
    pub fn place_of(&self, name: &BucketName, bucket: &Bucket) -> String {
        let backend = self.backends.get(self.backend_of(bucket)).map(|backend| self.below(backend));
        let shared = backend.filter(|backend| backend.is_object_store()).map(Backend::shared);
        match (shared, bucket.remote.as_deref()) {
            // A directory, or a bucket in memory.
            (None, _) => bucket.place().unwrap_or(name.as_str()).to_owned(),
            (Some(_), Some(remote)) => join(remote.to_owned(), bucket.place().unwrap_or_default()),
            (Some(Some(shared)), None) => join(shared.to_owned(), bucket.place().unwrap_or(name.as_str())),
            (Some(None), None) => join(name.as_str().to_owned(), bucket.place().unwrap_or_default()),
        }
    }

    /// Where it is, in words for an operator.
    pub fn location_of(&self, name: &BucketName, bucket: &Bucket) -> String {
        let backend = self.backends.get(self.backend_of(bucket)).map(|backend| self.below(backend).address());
        join(backend.unwrap_or_default(), &self.place_of(name, bucket))
    }

    /// The backend that holds the objects, below one that only adds behaviour.
    pub fn below<'s>(&'s self, backend: &'s Backend) -> &'s Backend {
        let Backend::Faulty(faulty) = backend else { return backend };
        self.backends.get(self.bottom(&faulty.backend)).unwrap_or(backend)
    }

    /// The name of that backend.
    pub fn bottom<'s>(&'s self, mut name: &'s str) -> &'s str {
        while let Some(Backend::Faulty(faulty)) = self.backends.get(name) {
            name = &faulty.backend;
        }
        name
    }

    /// Every backend behind those that it consists of.
    pub fn in_order(&self) -> impl Iterator<Item = (&String, &Backend)> {
        self.order.iter().filter_map(|name| self.backends.get_key_value(name))
    }

    /// A backend behind those that it consists of.
    pub fn parts_of(&self, name: &str) -> Vec<(&String, &Backend)> {
        let mut needed = vec![name];
        for (name, backend) in self.in_order().collect::<Vec<_>>().into_iter().rev() {
            if needed.contains(&name.as_str()) {
                needed.extend(backend.over());
            }
        }
        self.in_order().filter(|(name, _)| needed.contains(&name.as_str())).collect()
    }

    /// The name of the backend that holds a bucket.
    pub fn backend_of<'s>(&'s self, bucket: &'s Bucket) -> &'s str {
        // One that names none has the default one: without that, the configuration was refused.
        bucket.backend.as_deref().or(self.default_backend()).unwrap_or_default()
    }

    /// The identities of an access key, or else of a name: one, unless the configuration is wrong.
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
