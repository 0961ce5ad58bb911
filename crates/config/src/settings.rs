//! All settings as one value, and the sections that belong to no backend: names, types, defaults and
//! descriptions. Backends and their types are in `backend`. The reference is generated from all of them.

use super::{
    address::Addresses,
    amount::{ByteRate, Count},
    backend::{BACKEND_TYPES, Backend, join},
    bucket::Bucket,
    choice::LogFormat,
    cors::Cors,
    error::ConfigErrors,
    layers::Layers,
    ldap::{Ldap, LdapGroup},
    moment::Moment,
    networks::Networks,
    oidc::{Oidc, OidcAllowed},
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    services,
    sign_in::{SignIn, SignInRole},
    unit::{Interval, Size},
    value::{Domains, LogLevel, Setting},
    website::Website,
};
use crate::{
    model::{AccessKey, BucketName, CorsRules, ObjectOwnership, Role, Secret, SignatureV2},
    store::Durability,
};
use Fallback::{Required, Text, Unset};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// All settings, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    pub website: Website,
    /// The root user, from the environment: see `Root`.
    pub root: Option<Root>,
    pub identities: Vec<Identity>,
    /// The OpenID Connect providers.
    pub oidc: Vec<Oidc>,
    /// The issuers that accounts may make providers of.
    pub oidc_allowed: Vec<OidcAllowed>,
    /// The LDAP directory.
    pub ldap: Option<Ldap>,
    /// What groups of the LDAP directory are here.
    pub ldap_groups: Vec<LdapGroup>,
    /// The sign-in for people.
    pub sign_in: Option<SignIn>,
    pub sign_in_roles: Vec<SignInRole>,
    /// CORS rules of buckets without their own.
    pub cors: Vec<Cors>,
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

section! {
    /// The addresses, limits and directories of the server.
    Server {
        /// The address of S3. Port 0 means any free port. A name, as in `localhost:9000`, is resolved at the
        /// start; a port alone, as in `:9000` or `9000`, is served on every address of the machine.
        listen: Addresses = Text("127.0.0.1:9000"),
        /// The address of health (`/-/health/live`, `/-/health/ready`) and metrics (`/-/metrics`), which have no
        /// authentication: keep it off public networks. With `[sign_in]`, people sign in there.
        admin_listen: Option<Addresses> = Unset("`127.0.0.1:9001`, or a free port if that one is taken"),
        /// The data directory. Causeway's own files are in its folder `.causeway`. If no backend is
        /// configured, the buckets are beside that folder.
        data: PathBuf = Text("./causeway-data"),
        /// A file that the bound addresses are written to once requests are served: S3 on the first line,
        /// admin on the second, and the listener of websites on the third, if there is one.
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
        /// or in `all` requests. An identity or a user can have its own setting.
        signature_v2: SignatureV2 = Text("presigned"),
        /// The object ownership of buckets that are made without `x-amz-object-ownership`. `ObjectWriter`: ACLs
        /// count, which older tools expect, and objects belong to the account that writes them.
        /// `BucketOwnerPreferred`: the same, but objects with the ACL `bucket-owner-full-control` belong to
        /// the owner of the bucket. `BucketOwnerEnforced`: ACLs are off, and everything belongs to the owner
        /// of the bucket, as in new buckets of AWS.
        default_object_ownership: ObjectOwnership = Text("ObjectWriter"),
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
        /// Proxies whose `X-Forwarded-For` says who the client is, and whose `X-Forwarded-Proto` says whether it
        /// uses TLS. They may open any number of connections, and limits for one address are those of their
        /// clients.
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
        /// uploads themselves, and for the files of forms, for backends that must know the length of an
        /// object before its bytes.
        spool: Option<PathBuf> = Unset("`.causeway/spool` in the data directory"),
        /// Maximum number of bytes of parts in the spool, for each backend. Parts that do not fit are
        /// answered 503 SlowDown; if the parts of one upload alone do not fit, 400 EntityTooLarge. The files
        /// of all forms together have as much.
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
        /// A second secret access key, which is valid for as long as it is here: the old one, while clients
        /// change to the new one.
        previous_secret_key: Option<SecretSetting> = Unset("none"),
        /// From this time on, the access key is refused. The identity keeps its buckets, and its users stay.
        expires: Option<Moment> = Unset("never"),
        /// Where signature version 2 is accepted from the identity: `off`, `presigned` or `all`.
        signature_v2: Option<SignatureV2> = Unset("where `signature_v2` of the server accepts it"),
        /// `admin` acts on every bucket. `readwrite` creates buckets, and acts on its own buckets and on
        /// those that `access` gives it. `readonly` reads such buckets and never writes, not even where an
        /// ACL allows it to everybody.
        policy: Role = Text("readwrite"),
        /// Maximum rate at which the identity and its users together send, in bytes per second. See
        /// [limits](guide/limits.md).
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
    /// The defaults of buckets that are created through S3.
    Defaults {
        /// The backend that holds them.
        backend: Option<String> = Unset("the only backend there is; of several, none: CreateBucket is answered 501, and all buckets of \
                                         the configuration name theirs"),
    }
}

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
        ["ldap", key] => secret(Ldap::ROWS, key),
        ["sign_in", key] => secret(SignIn::ROWS, key),
        [identity, key] => {
            let number = identity.strip_prefix("identity[").and_then(|rest| rest.strip_suffix(']'));
            number.is_some_and(|number| number.parse::<usize>().is_ok()) && secret(Identity::ROWS, key)
        }
        _ => false,
    }
}

impl Settings {
    /// Returns the CORS rules of buckets without their own. Rules that are wrong were refused.
    pub fn cors_rules(&self) -> CorsRules {
        Cors::rules(&self.cors).unwrap_or_default()
    }

    /// Returns the location of a bucket on its backend, in the same form as the drivers.
    pub fn place_of(&self, name: &BucketName, bucket: &Bucket) -> String {
        let backend = self.backends.get(self.backend_of(bucket)).map(|backend| self.below(backend));
        let shared = backend.filter(|backend| backend.is_object_store()).map(Backend::shared);
        match (shared, bucket.remote.as_deref()) {
            // The backend is a directory, or in memory.
            (None, _) => bucket.location().unwrap_or(name.as_str()).to_owned(),
            (Some(_), Some(remote)) => join(remote.to_owned(), bucket.location().unwrap_or_default()),
            (Some(Some(shared)), None) => join(shared.to_owned(), bucket.location().unwrap_or(name.as_str())),
            (Some(None), None) => join(name.as_str().to_owned(), bucket.location().unwrap_or_default()),
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
