//! A gateway without its server: a backend with its own catalog, in front of an Azurite that tests share.

use crate::support::{proxy::Proxy, upstream::Upstream};
use causeway::{
    backend::{Backend, WireSettings},
    catalog::{BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    drivers::azblob::{AzblobBackend, AzblobSettings},
    model::{BucketName, Endpoint, Owner, Secret, Timestamp},
    store::{Durability, Store},
};
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// A new name of a container for one test.
pub fn new_container() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("a{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn endpoint(address: SocketAddr) -> Option<Endpoint> {
    Endpoint::parse(&format!("http://{address}/{}", Upstream::azurite().access_key))
}

pub fn settings(address: SocketAddr) -> AzblobSettings {
    let azurite = Upstream::azurite();
    AzblobSettings {
        account: Some(azurite.access_key.into()),
        account_key: Some(Secret::new(azurite.secret_key)),
        endpoint: endpoint(address),
        wire: WireSettings { timeout: Duration::from_secs(2), ..WireSettings::default() },
        ..AzblobSettings::default()
    }
}

pub struct Gateway {
    pub directory: TempDir,
    pub catalog: Arc<dyn Catalog>,
    pub backend: Arc<dyn Backend>,
}

impl Gateway {
    pub fn new() -> Self {
        Self::with(settings(Upstream::azurite().address))
    }

    pub fn behind(proxy: &Proxy) -> Self {
        Self::with(settings(proxy.address()))
    }

    pub fn with(settings: AzblobSettings) -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), settings)
    }

    pub fn over(directory: TempDir, settings: AzblobSettings) -> Self {
        let catalog = open_catalog(directory.path());
        let backend = AzblobBackend::open(settings, catalog.clone()).expect("the backend opens");
        Self { directory, catalog, backend: Arc::new(backend) }
    }

    pub async fn record(&self, name: &str, location: &str) -> BucketRecord {
        let name = BucketName::parse(name).expect("a bucket name");
        if let Some(record) = self.catalog.bucket(&name).await.expect("the catalog answers") {
            return record;
        }
        let bucket = NewBucket {
            name,
            owner: Owner { id: "owner".into(), display_name: "owner".into() },
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: "tested".into(),
            location: location.into(),
        };
        self.catalog.create_bucket(bucket).await.expect("the catalog makes a bucket")
    }

    /// Creates the container, and opens it as a bucket.
    pub async fn bucket(&self, container: &str) -> Arc<dyn Store> {
        let record = self.record("bucket", container).await;
        self.backend.create(&record).await.expect("is made");
        self.backend.open(&record).await.expect("opens").store
    }

    /// Runs one step of upkeep on a bucket that was created or opened before.
    pub async fn maintain(&self, name: &str) {
        let record = self
            .catalog
            .bucket(&BucketName::parse(name).expect("a bucket name"))
            .await
            .expect("the catalog answers");
        let opened = self.backend.open(&record.expect("is there")).await.expect("opens");
        opened.upkeep.maintain().await.expect("sweeps");
    }

    /// Opens an existing container, or a part of one, as a bucket.
    pub async fn open(&self, location: &str) -> Arc<dyn Store> {
        self.backend.open(&self.record("bucket", location).await).await.expect("opens").store
    }
}

pub fn open_catalog(directory: &Path) -> Arc<dyn Catalog> {
    Arc::new(SqliteCatalog::open(directory, Durability::Relaxed).expect("the catalog opens"))
}
