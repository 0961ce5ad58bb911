//! The storages that the suites run on: each driver with its directory and catalog, which can be closed and
//! opened again.

// Each test target uses another part of this module.
#![allow(dead_code)]

use super::local::LocalBackend;
use crate::support::{
    self,
    clouds::{
        self, Fake,
        b2::{self, B2},
    },
    dav::{Dav, DavFolder},
    dropbox::FakeDropbox,
    files::{MemoryFiles, Quirks},
    ftpd::{Ftpd, Place},
    gcs::FakeGcs,
    gdrive::FakeDrive,
    onedrive::FakeOnedrive,
    sshd::Sshd,
    upstream::Upstream,
};
use causeway::{
    backend::{
        Backend, Found,
        memory::MemoryBackend,
        tree::{TreeBackend, TreeSettings, files::Files},
    },
    cache::{CachedBackend, DataCache, DataSettings, Freshness, MetadataCache},
    catalog::{BucketId, BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    drivers::{
        azblob::{AzblobBackend, AzblobSettings},
        fs::{FsBackend, FsSettings},
        s3::{Credentials, Dialect, S3Backend, S3Settings},
    },
    faults::{Faults, FaultyBackend, Plan},
    limits::{LimitedBackend, Limiter, Limits},
    model::{BucketName, Endpoint, Owner, Secret, Timestamp},
    replicate::{ReadPolicy, ReplicatedBackend, ReplicatedSettings, WritePolicy},
    store::{Durability, Store},
    work::Workers,
};
use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Memory,
    Fs(Durability),
    /// A local directory as it is.
    Local,
    S3(Server),
    /// Google Cloud Storage: a fake that follows its documentation.
    Gcs,
    /// Azure Blob Storage, by its emulator.
    Azblob,
    /// Files in folders.
    Tree(Quirks),
    /// SFTP, by OpenSSH's server.
    Sftp,
    /// WebDAV, by Apache's server.
    Webdav,
    /// Google Drive: a fake that follows its documentation.
    Drive,
    /// OneDrive: a fake that follows its documentation.
    Onedrive,
    /// Dropbox: a fake that follows its documentation.
    Dropbox,
    /// FTP, by pyftpdlib.
    Ftp,
    /// Backblaze B2 with its native API: a fake that follows its documentation.
    B2,
    /// OpenStack's Object Storage.
    Swift,
    /// Memory behind a layer of faults that injects none.
    Faulty,
    /// Memory behind limits that are never reached.
    Limited,
    /// Several of these as replicas of one bucket.
    Replicated(Replicas),
    /// Caches that keep every answer for an hour.
    Cached(Beneath),
}

/// The storages of the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// Three directories.
    Alike,
    /// A directory, files in folders, and an object store.
    Unlike,
}

/// Drivers with caches above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beneath {
    /// A cache of metadata, and of bytes in a small memory.
    Memory,
    /// A cache of metadata.
    Fs,
    /// A cache of bytes, on disk.
    FsBytes,
}

impl Driver {
    /// The driver below the layers.
    fn beneath(self) -> Self {
        match self {
            Self::Cached(Beneath::Memory) => Self::Memory,
            Self::Cached(Beneath::Fs | Beneath::FsBytes) => Self::Fs(Durability::Relaxed),
            driver => driver,
        }
    }

    fn stacked(self, below: Arc<dyn Backend>, directory: &Path) -> Arc<dyn Backend> {
        let Self::Cached(beneath) = self else { return below };
        let bytes = |memory, disk| {
            DataCache::open(DataSettings { memory, disk, max_object: 64 << 20 }).expect("opens")
        };
        let data = match beneath {
            Beneath::Memory => Some(bytes(3 << 20, None)),
            Beneath::Fs => None,
            Beneath::FsBytes => Some(bytes(0, Some((64 << 20, directory.join("cache"))))),
        };
        let freshness = Freshness { ttl: Duration::from_secs(3600), stale: None };
        let metadata = (beneath != Beneath::FsBytes).then(|| (MetadataCache::new(1 << 20), freshness));
        Arc::new(CachedBackend::new(below, "tested", metadata, data))
    }
}

/// Servers that speak S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Causeway,
    Moto,
}

/// The storage behind a remote driver, with a prefix or a folder for one test.
#[derive(Debug)]
enum Remote {
    S3(&'static Upstream),
    Gcs(FakeGcs),
    Azblob(&'static Upstream),
    Files(MemoryFiles),
    Sftp(Box<Sshd>),
    Webdav(DavFolder),
    Drive(FakeDrive),
    Onedrive(FakeOnedrive),
    Dropbox(FakeDropbox),
    Ftp(Place),
    B2(Fake<B2>),
    Swift(&'static Upstream),
    Several(MemoryFiles, Box<Remote>),
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Orderly,
    /// The backend is not closed; its next start has to detect that.
    Killed,
}

/// One backend under test, with any number of buckets.
#[derive(Debug)]
pub struct Storage {
    driver: Driver,
    open: Option<Open>,
    directory: TempDir,
    upstream: Option<Remote>,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Open {
    catalog: Arc<dyn Catalog>,
    backend: Arc<dyn Backend>,
    buckets: Mutex<BTreeMap<String, Arc<dyn Store>>>,
    /// The number of this test among the tests that share a server.
    shared: Option<usize>,
    /// The backends that this one consists of.
    parts: Vec<Weak<dyn Backend>>,
}

impl Open {
    fn new(driver: Driver, directory: &Path, upstream: Option<&Remote>) -> Self {
        let durability = match driver.beneath() {
            Driver::Fs(durability) => durability,
            _ => Durability::Relaxed,
        };
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(directory, durability).expect("the catalog opens"));
        let mut parts = Vec::new();
        let backend: Arc<dyn Backend> = match driver.beneath() {
            Driver::Memory => Arc::new(MemoryBackend::new()),
            Driver::Limited => {
                let limits = Limits {
                    upload: Some(1 << 40),
                    download: Some(1 << 40),
                    requests: Some(1 << 40),
                    concurrency: Some(1000),
                };
                Arc::new(LimitedBackend::new(Arc::new(MemoryBackend::new()), Limiter::new(limits), None))
            }
            Driver::Faulty => {
                Arc::new(FaultyBackend::new(Arc::new(MemoryBackend::new()), Faults::new(1, Plan::default())))
            }
            Driver::Local => Arc::new(LocalBackend::new(directory)),
            Driver::Fs(durability) => {
                let settings = FsSettings::new(directory.join("root"), durability);
                Arc::new(FsBackend::open(settings, catalog.clone()).expect("the backend opens"))
            }
            Driver::Replicated(replicas) => {
                replicated(replicas, catalog.clone(), directory, upstream, &mut parts)
            }
            _ => upstream.expect("is there").open(catalog.clone(), directory),
        };
        let backend = driver.stacked(backend, directory);
        let is_shared =
            |remote: &&Remote| matches!(remote, Remote::S3(_) | Remote::Gcs(_) | Remote::Azblob(_));
        let shared = upstream.filter(is_shared).map(|_| NEXT.fetch_add(1, Ordering::Relaxed));
        Self { catalog, backend, buckets: Mutex::default(), shared, parts }
    }

    /// Tests share servers, but not buckets on them.
    fn location(&self, name: &BucketName) -> String {
        match self.shared {
            None => self.backend.location_for(name),
            Some(test) => {
                let remote = format!("t{}-{test}-{name}", std::process::id());
                self.backend.location_at(name, Some(&remote), None).expect("a place")
            }
        }
    }

    fn new_bucket(&self, name: BucketName) -> NewBucket {
        NewBucket {
            location: self.location(&name),
            name,
            owner: Owner { id: "owner".into(), display_name: "owner".into() },
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: "tested".into(),
        }
    }

    async fn record(&self, name: BucketName) -> BucketRecord {
        if let Some(record) = self.catalog.bucket(&name).await.expect("the catalog answers") {
            return record;
        }
        let bucket = self.new_bucket(name);
        let record = self.catalog.create_bucket(bucket).await.expect("the catalog makes a bucket");
        self.backend.create(&record).await.expect("the backend makes a place");
        record
    }
}

impl Remote {
    fn open(&self, catalog: Arc<dyn Catalog>, directory: &Path) -> Arc<dyn Backend> {
        let (dialect, endpoint, credentials) = match self {
            Self::S3(upstream) => {
                let (access_key, secret_key) = (upstream.access_key.into(), Secret::new(upstream.secret_key));
                (
                    Dialect::S3,
                    upstream.endpoint(),
                    Credentials::Keys { access_key, secret_key, session_token: None },
                )
            }
            Self::Gcs(fake) => {
                (Dialect::Gcs, fake.endpoint(), Credentials::GoogleToken(Secret::new(fake.token())))
            }
            Self::Several(..) => unreachable!("opened one by one"),
            Self::Files(files) => return tree(Arc::new(files.clone()), catalog, directory),
            Self::Sftp(server) => return tree(Arc::new(server.files()), catalog, directory),
            Self::Webdav(folder) => return tree(Arc::new(folder.files()), catalog, directory),
            Self::Drive(drive) => return tree(Arc::new(drive.files()), catalog, directory),
            Self::Onedrive(drive) => return tree(Arc::new(drive.files()), catalog, directory),
            Self::Dropbox(dropbox) => return tree(Arc::new(dropbox.files()), catalog, directory),
            Self::Ftp(location) => return tree(Arc::new(location.files()), catalog, directory),
            Self::B2(fake) => {
                return tree(Arc::new(b2::driver(fake, &directory.join("drafts"))), catalog, directory);
            }
            Self::Swift(server) => {
                // The root belongs to one test, and is the same after a restart.
                let root = directory.file_name().expect("a name").to_string_lossy().into_owned();
                return tree(
                    Arc::new(clouds::swift(&server.endpoint(), &root, &directory.join("drafts"))),
                    catalog,
                    directory,
                );
            }
            Self::Azblob(azurite) => {
                let settings = AzblobSettings {
                    account: Some(azurite.access_key.into()),
                    account_key: Some(Secret::new(azurite.secret_key)),
                    endpoint: Endpoint::parse(&format!("{}/{}", azurite.endpoint(), azurite.access_key)),
                    ..Default::default()
                };
                return Arc::new(AzblobBackend::open(settings, catalog).expect("the backend opens"));
            }
        };
        let settings = S3Settings {
            dialect,
            endpoint: Endpoint::parse(&endpoint),
            region: support::REGION.into(),
            virtual_hosts: false,
            shared: None,
            credentials,
            project: Some("project".into()),
            conditional_writes: None,
            checksums: None,
            wire: Default::default(),
        };
        Arc::new(S3Backend::open(settings, catalog).expect("the backend opens"))
    }
}

fn tree(files: Arc<dyn Files>, catalog: Arc<dyn Catalog>, directory: &Path) -> Arc<dyn Backend> {
    let settings =
        TreeSettings { dir: directory.join("spool"), spool_size: 1 << 30, durability: Durability::Relaxed };
    Arc::new(TreeBackend::open(files, settings, catalog).expect("the backend opens"))
}

/// Waits until no job of an earlier life works on a disk. A killed process has none, but here a write to a
/// replica that nobody waits for, for example, outlives the backend and holds the lock of the root.
async fn unlocked(directory: &Path) {
    for root in ["root", "a", "b", "c"] {
        let Ok(lock) = File::open(directory.join(root).join(".causeway/backend.lock")) else { continue };
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    }
}

fn fs(root: &Path, catalog: Arc<dyn Catalog>) -> Arc<dyn Backend> {
    let settings = FsSettings::new(root, Durability::Relaxed);
    Arc::new(FsBackend::open(settings, catalog).expect("the backend opens"))
}

fn replicated(
    replicas: Replicas,
    catalog: Arc<dyn Catalog>,
    directory: &Path,
    remote: Option<&Remote>,
    parts: &mut Vec<Weak<dyn Backend>>,
) -> Arc<dyn Backend> {
    let backends: Vec<(&str, Arc<dyn Backend>)> = match (replicas, remote) {
        (Replicas::Unlike, Some(Remote::Several(files, gcs))) => vec![
            ("disk", fs(&directory.join("a"), catalog.clone())),
            ("nas", tree(Arc::new(files.clone()), catalog.clone(), directory)),
            ("cloud", gcs.open(catalog.clone(), directory)),
        ],
        _ => ["a", "b", "c"].map(|name| (name, fs(&directory.join(name), catalog.clone()))).to_vec(),
    };
    parts.extend(backends.iter().map(|(_, backend)| Arc::downgrade(backend)));
    let settings = ReplicatedSettings {
        scrub: Default::default(),
        name: "tested".into(),
        members: backends.iter().map(|(name, _)| (*name).to_owned()).collect(),
        backends: backends.into_iter().map(|(name, backend)| (name.to_owned(), backend)).collect(),
        write: WritePolicy::Quorum(2),
        read: ReadPolicy::Ordered,
    };
    Arc::new(
        ReplicatedBackend::open(settings, catalog.clone(), Workers::alone(catalog))
            .expect("the backend opens"),
    )
}

impl Storage {
    pub async fn open(driver: Driver) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let upstream = match driver.beneath() {
            Driver::Memory
            | Driver::Faulty
            | Driver::Limited
            | Driver::Local
            | Driver::Fs(_)
            | Driver::Cached(_) => None,
            Driver::S3(Server::Causeway) => Some(Remote::S3(Upstream::causeway())),
            Driver::S3(Server::Moto) => Some(Remote::S3(Upstream::moto())),
            Driver::Gcs => Some(Remote::Gcs(FakeGcs::start())),
            Driver::Azblob => Some(Remote::Azblob(Upstream::azurite())),
            Driver::Tree(quirks) => Some(Remote::Files(MemoryFiles::new(quirks))),
            Driver::Sftp => Some(Remote::Sftp(Box::new(Sshd::start()))),
            Driver::Webdav => Some(Remote::Webdav(Dav::apache().folder())),
            Driver::Drive => Some(Remote::Drive(FakeDrive::start())),
            Driver::Onedrive => Some(Remote::Onedrive(FakeOnedrive::start())),
            Driver::Dropbox => Some(Remote::Dropbox(FakeDropbox::start())),
            Driver::Ftp => Some(Remote::Ftp(Ftpd::shared())),
            Driver::B2 => Some(Remote::B2(B2::start())),
            Driver::Swift => Some(Remote::Swift(Upstream::swift())),
            Driver::Replicated(Replicas::Alike) => None,
            Driver::Replicated(Replicas::Unlike) => {
                Some(Remote::Several(MemoryFiles::new(Quirks::Sftp), Box::new(Remote::Gcs(FakeGcs::start()))))
            }
        };
        Self {
            driver,
            open: Some(Open::new(driver, directory.path(), upstream.as_ref())),
            directory,
            upstream,
        }
    }

    /// Returns the bucket of this name, which the first call creates.
    pub async fn bucket(&self, name: &str) -> Arc<dyn Store> {
        let open = self.open.as_ref().expect("open between restarts");
        if let Some(store) = open.buckets.lock().expect("no panic").get(name) {
            return store.clone();
        }
        let record = open.record(BucketName::parse(name).expect("a bucket name")).await;
        let store = open.backend.open(&record).await.expect("a bucket opens").store;
        open.buckets.lock().expect("no panic").insert(name.to_owned(), store.clone());
        store
    }

    /// The content of the location where a bucket of this name is, or would be.
    pub async fn found(&self, name: &str) -> Found {
        let open = self.open.as_ref().expect("open between restarts");
        let bucket = open.new_bucket(BucketName::parse(name).expect("a bucket name"));
        open.backend.found(&BucketRecord::new(BucketId(0), bucket)).await.expect("the backend answers")
    }

    /// Removes a bucket if it is empty, and returns whether it was removed.
    pub async fn remove(&self, name: &str) -> bool {
        let open = self.open.as_ref().expect("open between restarts");
        let record = open.record(BucketName::parse(name).expect("a bucket name")).await;
        open.buckets.lock().expect("no panic").remove(name);
        let removed = open.backend.remove(&record).await.expect("the backend answers");
        open.catalog.delete_bucket(record.id).await.expect("is forgotten");
        removed
    }

    /// Closes the storage and opens it again, on the same directory. Buckets that were returned before must
    /// not be used afterwards.
    pub async fn restart(&mut self, stop: Stop) {
        if let Some(open) = self.open.take() {
            open.catalog.close().await.expect("the catalog closes");
            if stop == Stop::Orderly {
                open.backend.close().await.expect("the backend closes");
            }
            // Background work has to notice that the backend is closed.
            let parts = open.parts.clone();
            drop(open);
            while parts.iter().any(|part| part.strong_count() > 0) {
                tokio::task::yield_now().await;
            }
            unlocked(self.directory.path()).await;
        }
        self.open = Some(Open::new(self.driver, self.directory.path(), self.upstream.as_ref()));
    }

    /// Whether the storage is behind a network, with quirks of its own.
    pub fn is_remote(&self) -> bool {
        self.upstream.is_some()
    }

    /// Whether the storage has room for a key. Azure takes 1,024 characters, of which some are encoded as
    /// several, and 254 segments. Servers over file systems take paths of 4,096 bytes, and an empty segment
    /// needs 5 of them. Drive has 100 levels.
    pub fn has_room_for(&self, key: &str) -> bool {
        const TOO_LONG: [&str; 2] = ["\0", " "];
        let endless = |piece: &&str| key.len() > 1000 && key.starts_with(&piece.repeat(300));
        let fits = key.split('/').count() <= 254 && !TOO_LONG.iter().any(endless) && key != ".".repeat(1024);
        match self.driver {
            // A key is a path there, or refused.
            Driver::Local => {
                let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= 255;
                !key.contains('\0') && key.split('/').all(is_name)
            }
            Driver::Azblob => fits,
            // pyftpdlib accepts commands of up to 2,048 bytes.
            Driver::Ftp => {
                let escaped: usize = key
                    .chars()
                    .map(|c| if c.is_control() || " %".contains(c) { 3 * c.len_utf8() } else { c.len_utf8() })
                    .sum();
                escaped
                    + escaped / 40
                    + 5 * key
                        .split('/')
                        .filter(|segment| segment.trim() != *segment || segment.len() < 3)
                        .count()
                    < 1800
            }
            // A path may have 400 characters, and a name that differs only in case needs some more to be
            // unique.
            Driver::Onedrive => {
                let written = |c: char| {
                    if c.is_ascii_alphanumeric() || "/-_".contains(c) { 1 } else { 3 * c.len_utf8() }
                };
                key.chars().map(written).sum::<usize>() + 16 * key.split('/').count() < 360
            }
            Driver::Drive => key.split('/').count() < 95,
            // Names have up to 1,024 bytes including the root, and on B2 up to 250 of them between slashes.
            // Escaped keys are longer.
            Driver::B2 | Driver::Swift => {
                let escaped = |segment: &str| {
                    segment.trim() != segment || segment.is_empty() || segment.contains(['\\', '%'])
                };
                let longer = key
                    .split('/')
                    .filter(|segment| escaped(segment) || segment.contains(char::is_control))
                    .count();
                let fits = self.driver == Driver::Swift || key.split('/').all(|segment| segment.len() <= 240);
                fits && key.len() + 8 * longer < 900
                    && !key.contains(&"\0".repeat(100))
                    && !key.contains(&" ".repeat(100))
            }
            Driver::Sftp | Driver::Webdav => {
                key.len() + 5 * key.split('/').filter(|segment| segment.is_empty()).count() < 3800
            }
            _ => true,
        }
    }

    /// GCS reports no MD5 for a copy of a multipart object, so the copy keeps the ETag of its source.
    pub fn copies_keep_etags(&self) -> bool {
        self.driver == Driver::Gcs
    }

    /// Whether acknowledged changes survive `restart`.
    pub fn is_durable(&self) -> bool {
        !matches!(self.driver.beneath(), Driver::Memory | Driver::Faulty | Driver::Limited)
    }
}
