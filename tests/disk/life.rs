//! A disk that outlives processes, and the life of one process on it.

use super::{
    client,
    ledger::{Ledger, LedgerCatalog},
};
use causeway::{
    backend::{Backend, Counts, Depth, OpenedBucket, Progress},
    catalog::{Catalog, NewBucket},
    drivers::fs::{FsBackend, FsSettings},
    model::{BucketName, Owner, Timestamp},
    store::{Durability, Store},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Disk {
    dir: TempDir,
    ledger: Ledger,
}

pub struct Life {
    pub catalog: Arc<LedgerCatalog>,
    /// From this moment on the catalog takes no change any more.
    pub killed: CancellationToken,
    pub backend: FsBackend,
    pub opened: OpenedBucket,
}

impl Disk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), ledger: Ledger::default() }
    }

    /// A path in the directory of the bucket.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("root/bucket").join(name)
    }

    /// A path in the backend's own directory.
    pub fn own(&self, name: &str) -> PathBuf {
        self.dir.path().join("root/.causeway").join(name)
    }

    /// Another program writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// The life of a process. It ends like that of a killed one, unless `live` has stopped it.
    pub fn live<T>(&self, live: impl AsyncFnOnce(&Life) -> T) -> T {
        self.live_with_pool(16, live)
    }

    /// The same with so many threads that may wait for the disk.
    pub fn live_with_pool<T>(&self, threads: usize, live: impl AsyncFnOnce(&Life) -> T) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(threads).build().expect("a runtime");
        runtime.block_on(async {
            let life = Life::begin(self).await;
            let result = live(&life).await;
            life.catalog.kill().await;
            result
        })
    }
}

impl Life {
    async fn begin(disk: &Disk) -> Self {
        let (killed, at_once) = (CancellationToken::new(), Arc::new(|| Duration::ZERO));
        let catalog =
            Arc::new(LedgerCatalog::open(disk.ledger.clone(), killed.clone(), at_once.clone(), at_once));
        let settings = FsSettings::new(disk.dir.path().join("root"), Durability::Relaxed);
        let backend = FsBackend::open(settings, catalog.clone()).expect("opens");
        let name = BucketName::parse("bucket").expect("a name");
        let record = match catalog.bucket(&name).await.expect("read") {
            Some(record) => record,
            None => {
                let bucket = NewBucket {
                    location: backend.location_for(&name),
                    name,
                    owner: Owner { id: "owner".into(), display_name: "owner".into() },
                    created: Timestamp::now(),
                    tenant: Default::default(),
                    backend: "disk".into(),
                };
                catalog.create_bucket(bucket).await.expect("a bucket")
            }
        };
        let opened = backend.open(&record).await.expect("opens");
        Self { catalog, killed, backend, opened }
    }

    pub async fn stop(&self) {
        self.catalog.close().await.expect("closes");
        self.backend.close().await.expect("closes");
    }

    pub fn store(&self) -> &dyn Store {
        &*self.opened.store
    }

    /// What listings show.
    pub async fn names(&self) -> Vec<String> {
        client::names(self.store()).await
    }

    /// Scans, and returns what was looked at.
    pub async fn scan(&self, depth: Depth) -> Counts {
        let progress = Progress::default();
        assert!(self.opened.upkeep.scan(depth, &progress).await.expect("scans"), "there is an index");
        progress.counts()
    }

    pub async fn quick(&self) -> Counts {
        self.scan(Depth::Changed).await
    }

    /// Scans until nothing has to be read any more: a folder that changed just now may change again without
    /// looking different, and is read again for a while.
    pub async fn settle(&self) {
        until(async || self.quick().await.folders == 0).await;
    }
}

/// Waits until something is true.
pub async fn until(is_true: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_true().await {
        assert!(begun.elapsed() < PATIENCE, "it never became true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
