//! S3 for storage that has none: files in folders, with the attributes that S3 adds in the catalog.
//!
//! | file | owns |
//! |---|---|
//! | `files` | the contract of such a storage: the drivers implement it |
//! | `record` | what is known about an object beyond its file, and whether a file matches its record |
//! | `bucket` | the context that the operations of one bucket share |
//! | `finding` | finding the file of a key |
//! | `settling` | changes that were interrupted: old or new state |
//! | `read` | the steps of a GET and a HEAD |
//! | `write`, `remove`, `multipart` | the steps of a PUT, a DELETE, an upload |
//! | `sink` | writing a body to its destination, hashed on the way |
//! | `given`, `upload_slots` | slots of parts that are being written |
//! | `slot_names` | which slots belong to which bucket |
//! | `flow`, `flow_start` | parts of an upload that are sent on while later ones arrive |
//! | `drafts` | names of files that are not visible yet |
//! | `late` | drafts that could not be removed |
//! | `spool` | parts that wait on local disk |
//! | `adopt`, `scan`, `scan_state`, `reconcile` | files created outside Causeway |
//! | `trail`, `descent` | the progress of a full scan, and the proof that it ends |
//! | `folding` | storage that treats two names as one |
//! | `feed` | reading the change feed of a storage |
//! | `store` | the bucket as a [`Store`] |
//!
//! The layout is native: object `a/b.jpg` is the file `a/b.jpg`; other keys are escaped (`backend::codec`).
//! One gateway serves a folder: conditions hold among its clients. Changes made outside the gateway are
//! noticed by the next full scan, or when the key is requested.

mod adopt;
mod bucket;
mod descent;
mod drafts;
mod feed;
pub mod files;
mod finding;
mod flow;
mod flow_start;
mod folding;
mod given;
pub mod late;
mod multipart;
mod read;
mod reconcile;
mod record;
mod remove;
mod scan;
mod scan_state;
mod settling;
mod sink;
mod slot_names;
mod spool;
mod store;
mod trail;
mod upload_slots;
mod write;

use crate::{
    backend::{
        Backend, Depth, Found, OpenedBucket, Progress, Traffic, Upkeep, codec,
        unreadable::{Total, Unreadable},
    },
    catalog::{BucketRecord, Catalog},
    model::BucketName,
    store::{
        Capabilities, Durability, Guarantee, Keeping, MultipartSupport, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bucket::Bucket;
use descent::Descent;
use drafts::Drafts;
use files::{EntryKind, FLOWS, Files};
use flow::Flows;
use folding::Folding;
use futures_util::{StreamExt, stream};
use slot_names::SlotNames;
use spool::Spool;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use store::TreeStore;
use tokio::sync::Semaphore;

#[derive(Debug, Clone)]
pub struct TreeSettings {
    /// A directory on local disk for this backend alone. It contains parts of uploads, and the names of
    /// earlier runs whose drafts may have to be removed.
    pub dir: PathBuf,
    /// The maximum size of the parts in the spool, in bytes.
    pub spool_size: u64,
    /// The durability of the catalog and the spool; that of files depends on their storage.
    pub durability: Durability,
}

/// A storage of files that contains buckets, each in a folder of its own.
#[derive(Debug)]
pub struct TreeBackend {
    files: Arc<dyn Files>,
    catalog: Arc<dyn Catalog>,
    spool: Arc<Spool>,
    drafts: Arc<Drafts>,
    slot_names: Arc<SlotNames>,
    adopting: Arc<Semaphore>,
    folding: Arc<Folding>,
    /// The permits for flows of uploads.
    flowing: Arc<Semaphore>,
    /// The flows of the buckets that are open.
    flows: Mutex<Vec<Weak<Flows>>>,
    durability: Durability,
    /// The directory where full scans keep their progress.
    walks: PathBuf,
    unreadable: Total,
}

impl TreeBackend {
    pub fn open(files: Arc<dyn Files>, settings: TreeSettings, catalog: Arc<dyn Catalog>) -> Result<Self> {
        let spool = Spool::open(
            settings.dir.join("parts"),
            settings.spool_size,
            settings.durability == Durability::Strict,
        )?;
        let drafts = Arc::new(Drafts::open(&settings.dir)?);
        let (durability, walks) = (settings.durability, settings.dir.join("walks"));
        let (adopting, flowing) =
            (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(files.service().flows.min(FLOWS))));
        let (folding, flows, slot_names) = Default::default();
        Ok(Self {
            files,
            catalog,
            spool,
            drafts,
            slot_names,
            adopting,
            folding,
            flowing,
            flows,
            durability,
            walks,
            unreadable: Total::default(),
        })
    }

    fn flows<T>(&self, change: impl FnOnce(&mut Vec<Weak<Flows>>) -> T) -> T {
        change(&mut self.flows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn is_empty(&self, folder: &str) -> Result<bool> {
        let mut entries = self.files.list(folder);
        while let Some(entries) = entries.next().await.transpose()? {
            if !entries.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn folder(bucket: &BucketRecord) -> Result<String> {
        let location = bucket.bucket.location.trim_matches('/').to_owned();
        if location.split('/').any(|name| {
            matches!(name, "." | ".." | codec::RESERVED_DIR) || (name.is_empty() && !location.is_empty())
        }) {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                format!("'{location}' is no folder for a bucket"),
            ));
        }
        Ok(location)
    }
}

#[async_trait]
impl Backend for TreeBackend {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.durability)
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.to_string()
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found> {
        let folder = Self::folder(bucket)?;
        if let Some(stat) = self.files.stat(&folder).await? {
            let is_empty = stat.kind == EntryKind::Folder && self.is_empty(&folder).await?;
            return Ok(Found::in_place(is_empty));
        }
        // On storage that folds names, a folder with another spelling would be used instead.
        let (parent, name) = folder.rsplit_once('/').unwrap_or(("", &folder));
        let mut entries =
            if self.files.service().folds_names { self.files.list(parent) } else { stream::empty().boxed() };
        while let Some(entries) = entries.next().await.transpose()? {
            if entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name)) {
                return Ok(Found::Something);
            }
        }
        Ok(Found::Nothing)
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<()> {
        let folder = Self::folder(bucket)?;
        let is_new = self.files.stat(&folder).await?.is_none();
        self.files.make_folder(&folder).await?;
        // A folder that did not exist before needs no full scan.
        if is_new { scan::mark_complete(&*self.catalog, bucket.id).await } else { Ok(()) }
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let flows = Arc::new(Flows::new(self.flowing.clone()));
        self.flows(|all| {
            all.retain(|flows| flows.strong_count() > 0);
            all.push(Arc::downgrade(&flows));
        });
        let bucket = Bucket {
            id: bucket.id,
            folder: Self::folder(bucket)?,
            files: self.files.clone(),
            catalog: self.catalog.clone(),
            locks: Arc::default(),
            watches: Arc::default(),
            changes: Arc::default(),
            completing: Arc::default(),
            uploads: Default::default(),
            slot_names: self.slot_names.clone(),
            flows,
            unreadable: Unreadable::of(bucket.id, &self.unreadable),
            scan: scan_state::Scan::new(
                scan::is_complete(&*self.catalog, bucket.id).await?,
                self.walks.join(bucket.id.0.to_string()),
            ),
            spool: self.spool.clone(),
            adopting: self.adopting.clone(),
            drafts: self.drafts.clone(),
            folding: self.folding.clone(),
            durability: self.durability,
        };
        let bucket = Arc::new(bucket);
        Ok(OpenedBucket::new(Arc::new(TreeStore { bucket: bucket.clone() }), Arc::new(TreeUpkeep { bucket })))
    }

    /// Removes the bucket if it contains only folders.
    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        let folder = Self::folder(bucket)?;
        let mut folders = vec![folder.clone()];
        let mut seen = 0;
        let mut descent = Descent::new();
        while seen < folders.len() {
            let path = folders[seen].clone();
            seen += 1;
            descent.enter(&path, folders.len() - seen)?;
            let mut entries = self.files.list(&path);
            while let Some(entries) = entries.next().await.transpose()? {
                for entry in entries {
                    let below = codec::join(&path, &entry.name);
                    match entry.stat.kind {
                        EntryKind::Folder if below == codec::RESERVED_DIR => {}
                        // The folder has more levels than can be removed.
                        EntryKind::Folder if below.len() > folder.len() + descent::MOST_ESCAPED => {
                            return Ok(false);
                        }
                        EntryKind::Folder => folders.push(below),
                        EntryKind::File | EntryKind::Other | EntryKind::Nameless => return Ok(false),
                    }
                }
            }
        }
        for path in folders.iter().rev().filter(|path| !path.is_empty()) {
            if !self.files.remove_folder(path).await? {
                return Ok(false);
            }
        }
        // The bucket is gone, so nothing else will remove its slots.
        if let Err(error) = multipart::sweep_all(&*self.files, &self.drafts, bucket.id).await {
            tracing::warn!(bucket = %bucket.bucket.name, %error, "parts of uploads stay in .causeway/slots of a bucket that was removed");
        }
        Ok(true)
    }

    /// Returns nothing: a start must not wait for a storage that may be unreachable. Only what the
    /// configuration or a client names becomes a bucket.
    async fn discover(&self) -> Result<Vec<BucketName>> {
        Ok(Vec::new())
    }

    async fn sweep(&self) -> Result<()> {
        self.spool.sweep(&*self.catalog).await
    }

    fn unreadable(&self) -> u64 {
        self.unreadable.get()
    }

    async fn close(&self) -> Result<()> {
        let open: Vec<_> = self.flows(|all| all.iter().filter_map(Weak::upgrade).collect());
        futures_util::future::join_all(open.iter().map(|flows| flows.close())).await;
        Ok(())
    }

    fn traffic(&self) -> Option<Traffic> {
        self.files.traffic()
    }

    fn tells_changes(&self) -> bool {
        self.files.feed().is_some()
    }
}

#[derive(Debug)]
struct TreeUpkeep {
    bucket: Arc<Bucket>,
}

#[async_trait]
impl Upkeep for TreeUpkeep {
    async fn is_there(&self) -> Result<bool> {
        let Bucket { folder, files, .. } = &*self.bucket;
        Ok(folder.is_empty() || files.stat(folder).await?.is_some())
    }

    async fn maintain(&self) -> Result<()> {
        let Bucket { files, drafts, folding, .. } = &*self.bucket;
        drafts.tidy(&**files).await?;
        folding.learn_early(&**files).await?;
        multipart::sweep(&self.bucket).await?;
        scan::pass(&self.bucket, Depth::Changed, &Progress::default()).await
    }

    async fn scan(&self, depth: Depth, progress: &Progress) -> Result<bool> {
        scan::pass(&self.bucket, depth, progress).await.map(|()| true)
    }

    async fn read_changes(&self) -> Result<()> {
        scan::read_changes(&self.bucket).await
    }
}

/// Returns whether the catalog's record contains only what adopting the file finds again, and nothing from a
/// client.
pub fn is_guess(committed: &str) -> bool {
    record::is_guess(committed)
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
        multipart: MultipartSupport::Staged,
        durability,
    }
}
