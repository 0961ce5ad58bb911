//! The spool, in which parts wait for their Complete: a directory on local disk with a budget.
//!
//! Invariants: a part that was acknowledged is complete and as durable as the setting says; the written bytes
//! never exceed the budget; files that belong to no upload are removed.

use super::sink::Sink;
use crate::{
    backend::uploads::{left, staged_name},
    catalog::{BucketId, Catalog},
    model::{PartNumber, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The number of bytes that are read back at a time.
const CHUNK: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    budget: u64,
    durable: bool,
    used: Mutex<HashMap<String, u64>>,
    next: AtomicU64,
}

impl Spool {
    /// Opens the spool. Files that an earlier process left in `dir` count against the budget.
    pub(super) fn open(dir: PathBuf, budget: u64, durable: bool) -> Result<Arc<Self>> {
        let failed = |error| StoreError::io(format!("opening the spool {}", dir.display()), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        let mut used = HashMap::new();
        for upload in fs::read_dir(&dir).map_err(failed)? {
            let upload = upload.map_err(failed)?;
            let parts = fs::read_dir(upload.path()).map_err(failed)?;
            let size =
                parts.map(|part| Ok(part?.metadata()?.len())).sum::<io::Result<u64>>().map_err(failed)?;
            used.insert(upload.file_name().to_string_lossy().into_owned(), size);
        }
        Ok(Arc::new(Self { dir, budget, durable, used: Mutex::new(used), next: AtomicU64::new(0) }))
    }

    fn used(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, upload: &str, size: u64) -> Result<()> {
        let mut used = self.used();
        let all: u64 = used.values().sum();
        let own = used.get(upload).copied().unwrap_or_default();
        if all.saturating_add(size) <= self.budget {
            used.insert(upload.to_owned(), own + size);
            return Ok(());
        }
        Err(if own.saturating_add(size) > self.budget {
            StoreError::new(
                StoreErrorKind::EntityTooLarge,
                format!(
                    "the parts of this upload do not fit into the spool of {} bytes (spool_size)",
                    self.budget
                ),
            )
        } else {
            StoreError::new(StoreErrorKind::Busy, "parts of other uploads fill the spool")
        })
    }

    fn give_back(&self, upload: &str, size: u64) {
        let mut used = self.used();
        if let Some(own) = used.get_mut(upload) {
            *own = own.saturating_sub(size);
        }
    }

    /// Begins to write a part.
    pub(super) async fn create(
        self: &Arc<Self>,
        bucket: BucketId,
        upload: &UploadId,
        number: PartNumber,
    ) -> Result<SpooledPart> {
        let upload = staged_name(bucket, upload);
        let (spool, number) = (self.clone(), number.get());
        blocking(move || {
            let dir = spool.dir.join(&upload);
            if !dir.is_dir() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
                spool.sync(&spool.dir)?;
            }
            // A name may have been used by an earlier process, but in this process each is used once.
            loop {
                let nth = spool.next.fetch_add(1, Ordering::Relaxed);
                let name = format!("{number}.{nth}");
                match File::options().write(true).create_new(true).mode(0o600).open(dir.join(&name)) {
                    Ok(file) => {
                        return Ok(SpooledPart {
                            spool: spool.clone(),
                            upload,
                            name,
                            file: Some(file),
                            size: 0,
                            kept: false,
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
        })
        .await
    }

    pub(super) async fn read(&self, bucket: BucketId, upload: &UploadId, name: &str) -> Result<PartReader> {
        let path = self.dir.join(staged_name(bucket, upload)).join(name);
        blocking(move || File::open(path)).await.map(|file| PartReader { file: Arc::new(file) })
    }

    pub(super) async fn remove(
        self: &Arc<Self>,
        bucket: BucketId,
        upload: &UploadId,
        name: &str,
    ) -> Result<()> {
        let (spool, upload, name) = (self.clone(), staged_name(bucket, upload), name.to_owned());
        blocking(move || spool.remove_now(&upload, &name)).await
    }

    fn remove_now(&self, upload: &str, name: &str) -> io::Result<()> {
        let path = self.dir.join(upload).join(name);
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        fs::remove_file(path)?;
        self.give_back(upload, size);
        Ok(())
    }

    /// Removes all parts of an upload.
    pub(super) async fn discard(self: &Arc<Self>, bucket: BucketId, upload: &UploadId) -> Result<()> {
        let (spool, upload) = (self.clone(), staged_name(bucket, upload));
        blocking(move || {
            match fs::remove_dir_all(spool.dir.join(&upload)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            spool.used().remove(&upload);
            Ok(())
        })
        .await
    }

    /// Removes the parts of uploads that the catalog does not know: uploads that ended in a crash, and those
    /// of buckets that are gone.
    pub(super) async fn sweep(self: &Arc<Self>, catalog: &dyn Catalog) -> Result<()> {
        let names: Vec<String> = self.used().keys().cloned().collect();
        for name in names {
            if let Some((bucket, upload)) = left(catalog, &name).await? {
                self.discard(bucket, &upload).await?;
            }
        }
        Ok(())
    }

    fn sync(&self, dir: &Path) -> io::Result<()> {
        if self.durable { File::open(dir)?.sync_all() } else { Ok(()) }
    }
}

/// A part that is being written. It is removed if it is dropped before it is kept.
pub(super) struct SpooledPart {
    spool: Arc<Spool>,
    upload: String,
    name: String,
    file: Option<File>,
    size: u64,
    kept: bool,
}

impl SpooledPart {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let size = bytes.iter().map(|frame| frame.len() as u64).sum::<u64>();
        self.spool.take(&self.upload, size)?;
        self.size += size;
        let mut file = self.file.take().ok_or(StoreErrorKind::Internal)?;
        self.file = Some(
            blocking(move || {
                bytes.iter().try_for_each(|frame| file.write_all(frame))?;
                Ok(file)
            })
            .await?,
        );
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<()> {
        let file = self.file.take().ok_or(StoreErrorKind::Internal)?;
        let (spool, upload) = (self.spool.clone(), self.upload.clone());
        blocking(move || {
            if spool.durable {
                file.sync_data()?;
            }
            spool.sync(&spool.dir.join(upload))
        })
        .await
    }

    /// Must be called when the catalog has the part.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

#[async_trait]
impl Sink for SpooledPart {
    async fn take(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        self.write(bytes).await
    }
}

impl Drop for SpooledPart {
    fn drop(&mut self) {
        if !self.kept {
            // If this fails, the file is removed with its upload.
            let _ = fs::remove_file(self.spool.dir.join(&self.upload).join(&self.name));
            self.spool.give_back(&self.upload, self.size);
        }
    }
}

pub(super) struct PartReader {
    file: Arc<File>,
}

impl PartReader {
    /// Returns the next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let file = self.file.clone();
        blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            (&*file).take(CHUNK as u64).read_to_end(&mut chunk)?;
            Ok((!chunk.is_empty()).then(|| Bytes::from(chunk)))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| StoreError::io("spooling a part", error).in_data()),
        Err(error) => {
            Err(StoreError::new(StoreErrorKind::Internal, "a spooling task failed").with_source(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> UploadId {
        UploadId::parse(text).expect("an id")
    }

    async fn write(spool: &Arc<Spool>, upload: &str, size: usize) -> Result<String> {
        let mut part = spool.create(BucketId(1), &id(upload), PartNumber::new(1).expect("a number")).await?;
        part.write(vec![Bytes::from(vec![7; size])]).await?;
        part.finish().await?;
        let name = part.name().to_owned();
        part.keep();
        Ok(name)
    }

    #[tokio::test]
    async fn the_budget_is_held_to_and_given_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(dir.path().join("s"), 100, true).expect("opens");
        let first = write(&spool, "a", 60).await.expect("fits");
        assert_eq!(write(&spool, "b", 60).await.map_err(|error| error.kind()), Err(StoreErrorKind::Busy));
        assert_eq!(
            write(&spool, "a", 60).await.map_err(|error| error.kind()),
            Err(StoreErrorKind::EntityTooLarge)
        );
        let spool = Spool::open(dir.path().join("s"), 100, true).expect("opens again");
        assert_eq!(write(&spool, "b", 60).await.map_err(|error| error.kind()), Err(StoreErrorKind::Busy));
        spool.remove(BucketId(1), &id("a"), &first).await.expect("removed");
        write(&spool, "b", 60).await.expect("fits now");
        assert_eq!(spool.used().len(), 2);
        spool.discard(BucketId(1), &id("b")).await.expect("discarded");
        write(&spool, "c", 100).await.expect("fits now");
    }

    #[tokio::test]
    async fn what_was_kept_is_read_back_and_what_was_not_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(dir.path().to_owned(), u64::MAX, false).expect("opens");
        let name = write(&spool, "a", CHUNK + 1).await.expect("written");
        let mut part =
            spool.create(BucketId(1), &id("a"), PartNumber::new(1).expect("a number")).await.expect("begun");
        part.write(vec![Bytes::from_static(b"x")]).await.expect("written");
        drop(part);
        let mut reader = spool.read(BucketId(1), &id("a"), &name).await.expect("opens");
        let mut size = 0;
        while let Some(bytes) = reader.next().await.expect("reads") {
            size += bytes.len();
        }
        assert_eq!(size, CHUNK + 1);
        assert_eq!(fs::read_dir(dir.path().join("1-a")).expect("lists").count(), 1);
    }
}
