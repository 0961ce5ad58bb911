//! Local disk: a directory tree in its native layout, object `a/b.jpg` in the file `a/b.jpg`.
//!
//! | file | owns |
//! |---|---|
//! | `root` | opening and changing files without leaving a directory |
//! | `directories` | which directories of buckets are open |
//! | `record`, `stamp`, `compact` | metadata in the extended attribute |
//! | `private` | closing `.causeway/` to other users |
//! | `staging` | `.causeway/`: bytes that are not yet an object |
//! | `mark` | how the last process ended, and which scans count |
//! | `journal` | which keys a killed process may have changed |
//! | `change` | a change of one key, announced and noted |
//! | `volume` | finding, publishing, removing the file of a key |
//! | `write`, `removing` | the steps of a PUT and of a DELETE |
//! | `multipart`, `parts` | the steps of an upload and of its parts |
//! | `publication` | giving a file the name of its key, under the key's lock |
//! | `disk` | the threads that do so |
//! | `deferred` | index rows that are committed after the reply |
//! | `buffers` | reading a file for a GET |
//! | `adopt` | files created outside Causeway |
//! | `scan`, `reading`, `reconcile` | the index is made equal to the disk |
//! | `pace` | how fast that goes |
//! | `minio` | directories that are in MinIO's own format |
//! | `store` | the bucket as a [`Store`](crate::store::Store) |
//! | `upkeep` | the upkeep of a bucket |
//!
//! Every call that could wait for the disk runs on the blocking pool. A small PUT takes one job there. A
//! small GET takes none if the kernel has the file in memory (`RESOLVE_CACHED`, `RWF_NOWAIT`), and one
//! otherwise.

mod adopt;
mod buffers;
mod change;
mod compact;
mod copying;
mod deferred;
mod directories;
mod disk;
mod journal;
mod mark;
pub mod minio;
mod multipart;
mod pace;
mod parts;
mod private;
mod publication;
mod reading;
mod reconcile;
mod record;
mod recording;
mod removing;
mod root;
mod scan;
mod staging;
mod stamp;
mod store;
mod upkeep;
mod volume;
mod write;

use crate::{
    backend::{
        Backend, Found, OpenedBucket, Space,
        changes::Changes,
        codec,
        locks::Locks,
        unreadable::{Total, Unreadable},
    },
    catalog::{BucketId, BucketRecord, Catalog, CatalogErrorKind},
    model::{BucketName, ObjectKey},
    store::{
        Capabilities, Durability, Guarantee, Keeping, MultipartSupport, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use directories::{Directories, Directory};
use disk::Disk;
use mark::LastEnd;
use pace::Scanner;
pub use private::keep_private;
use root::{Root, entries};
use rustix::{
    fs::{AtFlags, FileType, Mode},
    io::Errno,
};
use staging::Staging;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
pub use store::FsStore;
use tokio::sync::Semaphore;
use upkeep::FsUpkeep;

/// The number of syncs in flight: enough of them for the file system to commit them together.
const SYNCING: usize = 32;

#[derive(Debug, Clone)]
pub struct FsSettings {
    /// The directory that holds the buckets.
    pub root: PathBuf,
    pub durability: Durability,
    /// Whether existing directories in it are offered as buckets.
    pub adopt: bool,
    /// Permission bits of the files that hold objects.
    pub file_mode: u32,
    /// Permission bits of the directories that the backend makes.
    pub directory_mode: u32,
}

impl FsSettings {
    pub fn new(root: impl Into<PathBuf>, durability: Durability) -> Self {
        Self { root: root.into(), durability, adopt: true, file_mode: 0o600, directory_mode: 0o700 }
    }
}

/// A directory that holds buckets.
#[derive(Debug)]
pub struct FsBackend {
    home: Arc<Homes>,
    settings: FsSettings,
    buffers: Arc<buffers::Buffers>,
    disk: Arc<Disk>,
    open: Arc<Directories>,
    scanner: Arc<Scanner>,
    catalog: Arc<dyn Catalog>,
    unreadable: Total,
}

/// The root directory as it was opened. It is opened again when another directory is at its path.
#[derive(Debug)]
struct Home {
    root: Arc<Root>,
    staging: Arc<Staging>,
}

impl Home {
    fn open(settings: &FsSettings) -> Result<Arc<Self>> {
        let staging = Staging::open(settings)?;
        let directories = Mode::from_raw_mode(settings.directory_mode);
        let root = Root::open(&settings.root, directories)
            .map_err(|e| StoreError::io(format!("opening {}", settings.root.display()), e))?;
        Ok(Arc::new(Self { root: Arc::new(root), staging }))
    }

    /// Returns device and inode of the directory at a location, if the root is still the directory at `path`.
    fn directory(&self, path: &Path, location: &str) -> Result<Option<(u64, u64)>> {
        let failed = |e: Errno| StoreError::of_entry("looking for the directory of a bucket", e);
        if !self.staging.is_at(path).map_err(failed)? {
            return Ok(None);
        }
        match self.root.open_dir(location) {
            Ok(there) => {
                rustix::fs::fstat(&there).map(|stat| Some((stat.st_dev, stat.st_ino))).map_err(failed)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The root directory that is in use now.
#[derive(Debug)]
struct Homes(RwLock<Arc<Home>>);

impl Homes {
    fn now(&self) -> Arc<Home> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, home: Arc<Home>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = home;
    }
}

/// The context that the operations of one bucket share.
#[derive(Debug)]
struct Inner {
    bucket: BucketId,
    volume: Arc<volume::Volume>,
    locks: Arc<Locks<ObjectKey>>,
    changes: Arc<Changes>,
    buffers: Arc<buffers::Buffers>,
    uploads: multipart::Uploads,
    unreadable: Unreadable,
    scan: scan::Scan,
    scanner: Arc<Scanner>,
    /// Limits the adoption of large foreign files in the background to one at a time.
    adopting: Arc<Semaphore>,
    owed: deferred::Owed,
    disk: Arc<Disk>,
    catalog: Arc<dyn Catalog>,
    durability: Durability,
}

impl Inner {
    /// The epoch in force.
    fn epoch(&self) -> &str {
        self.volume.staging.mark.epoch()
    }

    /// Does a step of a scan: on the thread of scans, unless a listing waits for it.
    async fn step<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        if self.scan.is_in_the_background() { self.scanner.step(work).await } else { blocking(work).await }
    }
}

impl FsBackend {
    /// Opens a root directory, which is created if it is missing, locks it, and removes what a killed process
    /// left.
    pub fn open(settings: FsSettings, catalog: Arc<dyn Catalog>) -> Result<Self> {
        if minio::is_drive(&settings.root) {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                format!("{}: {}", settings.root.display(), minio::WORDS),
            ));
        }
        let home = Arc::new(Homes(RwLock::new(Home::open(&settings)?)));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match settings.durability {
            Durability::Strict => SYNCING.max(cores),
            Durability::Relaxed | Durability::Volatile => cores,
        };
        Ok(Self {
            home,
            settings,
            buffers: Arc::default(),
            disk: Arc::new(Disk::new(threads)),
            open: Arc::default(),
            scanner: Arc::new(
                Scanner::start().map_err(|e| StoreError::io("starting the thread of scans", e))?,
            ),
            catalog,
            unreadable: Total::default(),
        })
    }

    fn home(&self) -> Arc<Home> {
        self.home.now()
    }

    /// Returns the directory of a bucket, below the root.
    fn location(bucket: &BucketRecord) -> Result<String> {
        let location = bucket.bucket.location.trim_matches('/').to_owned();
        if location.split('/').any(|name| {
            matches!(name, "." | ".." | codec::RESERVED_DIR) || (name.is_empty() && !location.is_empty())
        }) {
            let message = format!("'{location}' is no directory for a bucket");
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, message));
        }
        Ok(location)
    }
}

#[async_trait]
impl Backend for FsBackend {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.settings.durability)
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.to_string()
    }

    /// Only opens the root again if another directory is at its path now. The directory of the bucket is
    /// created when the bucket is opened.
    async fn create(&self, _bucket: &BucketRecord) -> Result<()> {
        let (home, settings) = (self.home(), self.settings.clone());
        let fresh = blocking(move || match home.staging.is_at(&settings.root) {
            Ok(true) => Ok(None),
            Ok(false) => Home::open(&settings).map(Some),
            Err(error) => Err(StoreError::io(format!("looking at {}", settings.root.display()), error)),
        });
        if let Some(fresh) = fresh.await? {
            tracing::warn!(root = %self.settings.root.display(), "another directory lies where the backend's root was: it is used from now on");
            self.home.set(fresh);
        }
        Ok(())
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found> {
        let (location, home) = (Self::location(bucket)?, self.home());
        blocking(move || {
            home.root
                .found(&location)
                .map_err(|e| StoreError::io("looking at the location of a new bucket", e))
        })
        .await
    }

    async fn foreign_format(&self, bucket: &BucketRecord) -> Result<Option<&'static str>> {
        let (location, home) = (Self::location(bucket)?, self.home());
        blocking(move || Ok(minio::is_foreign(&home.root, &location).then_some(minio::WORDS))).await
    }

    async fn has_location(&self, bucket: &BucketRecord) -> Result<bool> {
        let (location, home, path) = (Self::location(bucket)?, self.home(), self.settings.root.clone());
        blocking(move || Ok(home.directory(&path, &location)?.is_some())).await
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let (location, home) = (Self::location(bucket)?, self.home());
        let failed = |e: Errno| {
            StoreError::of_entry(format!("opening the directory of bucket {}", bucket.bucket.name), e)
        };
        // A directory that did not exist before is empty, so it needs no scan.
        let is_new = home.root.open_dir(&location).is_err_and(|error| error == Errno::NOENT);
        let had_objects = is_new && !self.catalog.index_rows(bucket.id, None, 1).await?.is_empty();
        if had_objects {
            tracing::warn!(
                bucket = %bucket.bucket.name,
                directory = %self.settings.root.join(&location).display(),
                "the directory of a bucket that had objects was missing: an empty one is made, and the objects are not listed any more"
            );
        }
        home.root.make_dirs(&location, home.staging.durable).map_err(failed)?;
        let root = Directory::open(home.root.clone(), location, self.open.clone()).map_err(failed)?;
        if root.identity().0 != rustix::fs::fstat(home.root.fd()).map_err(failed)?.st_dev {
            let message = format!(
                "the directory of bucket {} lies on another file system than its backend's root",
                bucket.bucket.name
            );
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, message));
        }
        let epoch = home.staging.mark.epoch();
        let is_empty = is_new && !had_objects;
        let is_scanned = is_empty || (!is_new && scan::is_complete(&*self.catalog, bucket.id, epoch).await?);
        if is_empty {
            scan::mark_complete(&*self.catalog, bucket.id, epoch).await?;
        }
        let inner = Inner {
            bucket: bucket.id,
            volume: Arc::new(volume::Volume { root, staging: home.staging.clone() }),
            locks: Arc::default(),
            changes: Arc::default(),
            buffers: self.buffers.clone(),
            uploads: multipart::Uploads::default(),
            unreadable: Unreadable::of(bucket.id, &self.unreadable),
            // Last, because what is taken here must be looked at.
            scan: scan::Scan::new(is_scanned, home.staging.take_late(bucket.id)),
            scanner: self.scanner.clone(),
            adopting: Arc::new(Semaphore::new(1)),
            owed: deferred::Owed::default(),
            disk: self.disk.clone(),
            catalog: self.catalog.clone(),
            durability: self.settings.durability,
        };
        let inner = Arc::new(inner);
        let upkeep = FsUpkeep {
            inner: inner.clone(),
            location: Self::location(bucket)?,
            home: self.home.clone(),
            path: self.settings.root.clone(),
        };
        Ok(OpenedBucket::new(Arc::new(FsStore::new(inner)), Arc::new(upkeep)))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        let failed = |e: Errno| {
            StoreError::of_entry(format!("removing the directory of bucket {}", bucket.bucket.name), e)
        };
        let (location, home) = (Self::location(bucket)?, self.home());
        let dir = match home.root.open_dir(&location) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(true),
            Err(error) => return Err(failed(error)),
        };
        let durable = home.staging.durable;
        let parent =
            home.root.open_dir(location.rsplit_once('/').map_or("", |(parent, _)| parent)).map_err(failed)?;
        blocking(move || {
            if location.is_empty() {
                // The bucket is the root of the backend, which is not removed: it is enough that all objects
                // are gone.
                return Ok(true);
            }
            if !Root::prune_all(&dir)
                .map_err(|e| StoreError::of_entry("looking into a bucket's directory", e))?
            {
                return Ok(false);
            }
            let name = location.rsplit_once('/').map_or(location.as_str(), |(_, name)| name);
            match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                Ok(()) if durable => {
                    rustix::fs::fsync(&parent).map(|()| true).map_err(|e| StoreError::io("syncing", e))
                }
                Ok(()) | Err(Errno::NOENT) => Ok(true),
                // Another program has created a file in the directory meanwhile.
                Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
                Err(error) => Err(StoreError::of_entry("removing a bucket's directory", error)),
            }
        })
        .await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        if !self.settings.adopt {
            return Ok(Vec::new());
        }
        let failed = |e: Errno| StoreError::io("looking for buckets", e);
        let home = self.home();
        let mut names = Vec::new();
        for entry in entries(home.root.fd()).map_err(failed)? {
            let (name, kind) = entry.map_err(failed)?;
            if kind == FileType::Directory
                && let Ok(name) = BucketName::parse(&name.to_string_lossy())
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn sweep(&self) -> Result<()> {
        multipart::sweep(self.home().staging.clone(), &*self.catalog).await
    }

    fn space(&self) -> Option<Space> {
        Space::at(&self.settings.root).ok()
    }

    fn unreadable(&self) -> u64 {
        self.unreadable.get()
    }

    async fn release(&self) -> Result<()> {
        // After a kill, the marks of this process say what those of the killed one said.
        if self.home().staging.mark.last == LastEnd::Clean { self.close().await } else { Ok(()) }
    }

    async fn close(&self) -> Result<()> {
        match self.catalog.settle().await {
            // It committed everything before it was closed.
            Err(error) if error.kind() == CatalogErrorKind::Closed => {}
            settled => settled?,
        }
        self.home().staging.mark_clean().map_err(|e| StoreError::io("marking a clean stop", e))
    }
}

fn capabilities(durability: Durability) -> Capabilities {
    Capabilities {
        conditional_writes: Guarantee::Leased,
        conditional_completes: Guarantee::Leased,
        conditional_deletes: Guarantee::Leased,
        checksums: Keeping::Kept,
        tags: Keeping::Kept,
        object_acls: Keeping::Kept,
        versions: Keeping::NotKept,
        parts: Keeping::Kept,
        storage_classes: Keeping::NotKept,
        encryption: Keeping::NotKept,
        late_conditions: true,
        needs_length: false,
        multipart: MultipartSupport::InPlace,
        durability,
    }
}

/// Runs blocking code on the blocking pool.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(StoreError::new(StoreErrorKind::Internal, "a storage task failed").with_source(error))
        }
    }
}

#[cfg(test)]
mod work;
