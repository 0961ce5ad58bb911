//! The storages that the suites run against: each driver with its directory and catalog, which can be stopped and
//! opened again.

use crate::support::{self, Server};
use causeway::{
    backend::{
        Backend,
        fs::{FsBackend, FsSettings},
        memory::MemoryBackend,
        s3::{Credentials, Dialect, S3Backend, S3Settings},
    },
    catalog::{BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    model::{BucketName, CannedAcl, Endpoint, Owner, Secret, Timestamp},
    store::{Durability, Store},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Memory,
    Fs(Durability),
    /// Another Causeway.
    S3,
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Orderly,
    /// The backend is not told: its next start has to find out by itself.
    Killed,
}

/// One backend under test, with any number of buckets.
#[derive(Debug)]
pub struct Storage {
    driver: Driver,
    open: Option<Open>,
    directory: TempDir,
    upstream: Option<Server>,
}

#[derive(Debug)]
struct Open {
    catalog: Arc<dyn Catalog>,
    backend: Arc<dyn Backend>,
    buckets: Mutex<BTreeMap<String, Arc<dyn Store>>>,
}

impl Open {
    fn new(driver: Driver, directory: &Path, upstream: Option<&Server>) -> Self {
        let durability = match driver {
            Driver::Memory | Driver::S3 => Durability::Relaxed,
            Driver::Fs(durability) => durability,
        };
        let catalog: Arc<dyn Catalog> = Arc::new(SqliteCatalog::open(directory, durability).expect("the catalog opens"));
        let backend: Arc<dyn Backend> = match driver {
            Driver::Memory => Arc::new(MemoryBackend::new()),
            Driver::Fs(durability) => {
                let settings = FsSettings { root: directory.join("root"), durability };
                Arc::new(FsBackend::open(settings, catalog.clone()).expect("the backend opens"))
            }
            Driver::S3 => {
                let address = upstream.expect("is started").address();
                let settings = S3Settings {
                    dialect: Dialect::S3,
                    endpoint: Endpoint::parse(&format!("http://{address}")),
                    region: support::REGION.into(),
                    virtual_hosts: false,
                    shared: None,
                    credentials: Credentials::Keys {
                        access_key: support::ALICE.access_key.into(),
                        secret_key: Secret::new(support::ALICE.secret_key),
                        session_token: None,
                    },
                    project: None,
                    conditional_writes: None,
                    checksums: None,
                    wire: Default::default(),
                };
                Arc::new(S3Backend::open(settings, catalog.clone()).expect("the backend opens"))
            }
        };
        Self { catalog, backend, buckets: Mutex::default() }
    }

    async fn record(&self, name: BucketName) -> BucketRecord {
        if let Some(record) = self.catalog.bucket(&name).await.expect("the catalog answers") {
            return record;
        }
        let bucket = NewBucket {
            place: self.backend.place_for(&name),
            name,
            owner: Owner { id: "owner".into(), display_name: "owner".into() },
            created: Timestamp::now(),
            acl: CannedAcl::Private,
            location: String::new(),
            backend: "tested".into(),
        };
        let record = self.catalog.create_bucket(bucket).await.expect("the catalog makes a bucket");
        self.backend.create(&record).await.expect("the backend makes a place");
        record
    }
}

impl Storage {
    pub async fn open(driver: Driver) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let upstream = (driver == Driver::S3).then(Server::start);
        Self { driver, open: Some(Open::new(driver, directory.path(), upstream.as_ref())), directory, upstream }
    }

    /// The bucket of this name, made when it is asked for first.
    pub async fn bucket(&self, name: &str) -> Arc<dyn Store> {
        let open = self.open.as_ref().expect("open between restarts");
        if let Some(store) = open.buckets.lock().expect("no panic").get(name) {
            return store.clone();
        }
        let record = open.record(BucketName::parse(name).expect("a bucket name")).await;
        let store = open.backend.open(&record).await.expect("a bucket opens");
        open.buckets.lock().expect("no panic").insert(name.to_owned(), store.clone());
        store
    }

    /// Stops and opens again, on the same directory. Buckets asked for before are of the past.
    pub async fn restart(&mut self, stop: Stop) {
        if let Some(open) = self.open.take() {
            open.catalog.close().await.expect("the catalog closes");
            if stop == Stop::Orderly {
                open.backend.close().await.expect("the backend closes");
            }
        }
        self.open = Some(Open::new(self.driver, self.directory.path(), self.upstream.as_ref()));
    }

    /// Whether a network lies between, and a storage with manners of its own.
    pub fn is_remote(&self) -> bool {
        self.upstream.is_some()
    }

    /// Whether what was acknowledged outlives `restart`.
    pub fn is_durable(&self) -> bool {
        self.driver != Driver::Memory
    }
}
