//! Local disk: a directory tree in its native layout, object `a/b.jpg` in the file `a/b.jpg`.
//!
//! | file | owns |
//! |---|---|
//! | `root` | directories that nothing leaves |
//! | `record` | metadata in the extended attribute |
//! | `staging` | `.causeway/`: bytes that are no object yet |
//! | `volume` | finding, publishing, removing the file of a key |
//! | `write`, `multipart` | the way of a PUT, of an upload |
//! | `buffers` | the way of a GET |
//! | `adopt`, `scan` | files that others put there |
//! | `store` | all of it as a [`Store`] |
//!
//! Every call that could wait for the disk runs on the blocking pool: a small PUT takes one trip there, a small GET none
//! if the kernel has it in memory (`RESOLVE_CACHED`, `RWF_NOWAIT`) and one if not.

mod adopt;
mod buffers;
mod multipart;
mod record;
mod root;
mod scan;
mod staging;
mod store;
mod volume;
mod write;

use crate::{
    backend::{Backend, Progress, changes::Changes, codec, locks::Locks},
    catalog::{BucketId, BucketRecord, Catalog},
    model::{BucketName, ObjectKey},
    store::{
        Capabilities, Durability, Guarantee, Keeping, MultipartSupport, Result, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use root::{Root, entries};
use rustix::{
    fs::{AtFlags, FileType},
    io::Errno,
};
use staging::Staging;
use std::{path::PathBuf, sync::Arc};
pub use store::FsStore;
use tokio::sync::Semaphore;

/// Syncs in flight: enough for the file system to commit them together.
const SYNCING: usize = 32;

#[derive(Debug, Clone)]
pub struct FsSettings {
    /// The directory that holds the buckets.
    pub root: PathBuf,
    pub durability: Durability,
}

/// A directory of buckets.
#[derive(Debug)]
pub struct FsBackend {
    root: Root,
    settings: FsSettings,
    staging: Arc<Staging>,
    buffers: Arc<buffers::Buffers>,
    directories: Arc<Semaphore>,
    catalog: Arc<dyn Catalog>,
}

/// What the operations of one bucket share.
#[derive(Debug)]
struct Inner {
    bucket: BucketId,
    volume: Arc<volume::Volume>,
    locks: Arc<Locks<ObjectKey>>,
    changes: Arc<Changes>,
    buffers: Arc<buffers::Buffers>,
    uploads: multipart::Uploads,
    scan: scan::Scan,
    /// One foreign file is read in the background at a time.
    adopting: Arc<Semaphore>,
    /// Threads that change directories at once. The kernel takes one at a time per directory and lets the others spin:
    /// more of them than cores cost CPU and win nothing, except while they wait for a sync.
    directories: Arc<Semaphore>,
    catalog: Arc<dyn Catalog>,
    durability: Durability,
}

impl FsBackend {
    /// Takes possession of a root directory, made if it is missing, and cleans up after a killed process.
    pub fn open(settings: FsSettings, catalog: Arc<dyn Catalog>) -> Result<Self> {
        let staging = Staging::open(&settings.root, settings.durability == Durability::Strict)?;
        let root = Root::open(&settings.root).map_err(|e| StoreError::io(format!("opening {}", settings.root.display()), e))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let directories = match settings.durability {
            Durability::Strict => SYNCING.max(cores),
            Durability::Relaxed | Durability::Volatile => cores,
        };
        Ok(Self { root, settings, staging, buffers: Arc::default(), directories: Arc::new(Semaphore::new(directories)), catalog })
    }
}

#[async_trait]
impl Backend for FsBackend {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.settings.durability)
    }

    fn place_for(&self, name: &BucketName) -> String {
        name.to_string()
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<Arc<dyn Store>> {
        let place = bucket.bucket.place.trim_matches('/').to_owned();
        if place.split('/').any(|name| matches!(name, "." | ".." | codec::RESERVED_DIR) || (name.is_empty() && !place.is_empty())) {
            let message = format!("'{place}' is no directory for a bucket");
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, message));
        }
        let failed = |e: Errno| StoreError::io(format!("opening the directory of bucket {}", bucket.bucket.name), e);
        // A directory that was not there before has nothing to scan for.
        let is_new = self.root.open_dir(&place).is_err_and(|error| error == Errno::NOENT);
        self.root.make_dirs(&place, self.staging.durable).map_err(failed)?;
        let root = self.root.sub(&place).map_err(failed)?;
        let device = |root: &Root| rustix::fs::fstat(root.fd()).map(|stat| stat.st_dev).map_err(failed);
        if device(&root)? != device(&self.root)? {
            let message = format!("the directory of bucket {} lies on another file system than its backend's root", bucket.bucket.name);
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, message));
        }
        let inner = Inner {
            bucket: bucket.id,
            volume: Arc::new(volume::Volume { root, staging: self.staging.clone() }),
            locks: Arc::default(),
            changes: Arc::default(),
            buffers: self.buffers.clone(),
            uploads: multipart::Uploads::default(),
            scan: scan::Scan::new(is_new || (self.staging.was_clean && scan::is_complete(&*self.catalog, bucket.id).await?)),
            adopting: Arc::new(Semaphore::new(1)),
            directories: self.directories.clone(),
            catalog: self.catalog.clone(),
            durability: self.settings.durability,
        };
        if is_new {
            scan::mark_complete(&*self.catalog, bucket.id).await?;
        }
        Ok(Arc::new(FsStore::new(Arc::new(inner))))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        let failed = |e: Errno| StoreError::io(format!("removing the directory of bucket {}", bucket.bucket.name), e);
        let place = bucket.bucket.place.trim_matches('/').to_owned();
        let dir = match self.root.open_dir(&place) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(true),
            Err(error) => return Err(failed(error)),
        };
        let durable = self.staging.durable;
        let parent = self.root.open_dir(place.rsplit_once('/').map_or("", |(parent, _)| parent)).map_err(failed)?;
        blocking(move || {
            if place.is_empty() {
                // The bucket is the backend's root: only its objects have to be gone.
                return Ok(true);
            }
            if !Root::prune_all(&dir).map_err(|e| StoreError::io("looking into a bucket's directory", e))? {
                return Ok(false);
            }
            let name = place.rsplit_once('/').map_or(place.as_str(), |(_, name)| name);
            match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                Ok(()) if durable => rustix::fs::fsync(&parent).map(|()| true).map_err(|e| StoreError::io("syncing", e)),
                Ok(()) | Err(Errno::NOENT) => Ok(true),
                // Someone put something in meanwhile.
                Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
                Err(error) => Err(StoreError::io("removing a bucket's directory", error)),
            }
        })
        .await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        let failed = |e: Errno| StoreError::io("looking for buckets", e);
        let mut names = Vec::new();
        for entry in entries(self.root.fd()).map_err(failed)? {
            let (name, kind) = entry.map_err(failed)?;
            if kind == FileType::Directory
                && let Ok(name) = BucketName::parse(&name.to_string_lossy())
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn tend(&self, bucket: &BucketRecord, store: &Arc<dyn Store>) -> Result<()> {
        match store.as_any().downcast_ref::<FsStore>() {
            Some(store) => store.tend().await,
            None => Err(StoreError::new(StoreErrorKind::Internal, format!("{} is not a bucket of this backend", bucket.bucket.name))),
        }
    }

    async fn walk(&self, _bucket: &BucketRecord, store: &Arc<dyn Store>, progress: &Progress) -> Result<bool> {
        match store.as_any().downcast_ref::<FsStore>() {
            Some(store) => store.walk(progress).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn release(&self) -> Result<()> {
        match self.staging.was_clean {
            true => self.close().await,
            false => Ok(()),
        }
    }

    async fn close(&self) -> Result<()> {
        self.staging.mark_clean().map_err(|e| StoreError::io("marking a clean stop", e))
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
        parts: Keeping::Kept,
        storage_classes: Keeping::NotKept,
        encryption: Keeping::NotKept,
        late_conditions: true,
        multipart: MultipartSupport::InPlace,
        durability,
    }
}

/// Runs what may block where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::new(StoreErrorKind::Internal, "a storage task failed").with_source(error)),
    }
}
