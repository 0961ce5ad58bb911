//! A gateway without its server: a backend with its own catalog, in front of an upstream that tests share.

use crate::support::upstream::Upstream;
use causeway::{
    backend::{Backend, WireSettings},
    catalog::{BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    drivers::s3::{Credentials, Dialect, S3Backend, S3Settings},
    model::{BucketName, Endpoint, Owner, Secret, Timestamp},
    store::{Durability, Store},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// A new name of a bucket for one test.
pub fn new_bucket() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("b{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn settings(address: SocketAddr) -> S3Settings {
    settings_of(Upstream::causeway(), address)
}

fn settings_of(upstream: &Upstream, address: SocketAddr) -> S3Settings {
    S3Settings {
        dialect: Dialect::S3,
        endpoint: Endpoint::parse(&format!("http://{address}")),
        region: "us-east-1".into(),
        virtual_hosts: false,
        shared: None,
        credentials: Credentials::Keys {
            access_key: upstream.access_key.into(),
            secret_key: Secret::new(upstream.secret_key),
            session_token: None,
        },
        project: None,
        conditional_writes: None,
        checksums: None,
        wire: WireSettings { timeout: Duration::from_secs(2), ..WireSettings::default() },
    }
}

pub struct Gateway {
    pub backend: Arc<dyn Backend>,
    catalog: Arc<dyn Catalog>,
    _directory: TempDir,
}

impl Gateway {
    pub fn at(address: SocketAddr) -> Self {
        Self::with(settings(address))
    }

    pub fn before(upstream: &Upstream) -> Self {
        let patient = WireSettings::default();
        Self::with(S3Settings { wire: patient, ..settings_of(upstream, upstream.address) })
    }

    pub fn with(settings: S3Settings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("the catalog opens"));
        let backend = S3Backend::open(settings, catalog.clone()).expect("the backend opens");
        Self { backend: Arc::new(backend), catalog, _directory: directory }
    }

    pub async fn record(&self, name: &str, location: &str) -> BucketRecord {
        let bucket = NewBucket {
            name: BucketName::parse(name).expect("a bucket name"),
            owner: Owner { id: "owner".into(), display_name: "owner".into() },
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: "tested".into(),
            location: location.into(),
        };
        self.catalog.create_bucket(bucket).await.expect("the catalog makes a bucket")
    }

    /// Creates the bucket at a location, and opens it.
    pub async fn bucket(&self, name: &str, location: &str) -> Arc<dyn Store> {
        let record = self.record(name, location).await;
        self.backend.create(&record).await.expect("is made");
        self.backend.open(&record).await.expect("opens").store
    }

    /// Runs one step of upkeep on a bucket that was created or opened before.
    pub async fn maintain(&self, name: &str) {
        let record =
            self.catalog.bucket(&BucketName::parse(name).expect("a bucket name")).await.expect("answers");
        let opened = self.backend.open(&record.expect("is there")).await.expect("opens");
        opened.upkeep.maintain().await.expect("is tended");
    }

    /// Opens the bucket at an existing location.
    pub async fn open(&self, name: &str, location: &str) -> Arc<dyn Store> {
        self.backend.open(&self.record(name, location).await).await.expect("opens").store
    }
}
