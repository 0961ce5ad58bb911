//! The spool for uploads to services that need the whole file at once. Small files are in memory, others on
//! local disk in files without names, so that nothing is left when the process ends for any reason.
//!
//! Invariant: the bytes on disk never exceed the budget.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
    payload::PayloadError,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Files up to this size stay in memory.
const SMALL: u64 = 256 << 10;
/// The number of bytes that are read back at a time.
const PIECE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    budget: u64,
    used: AtomicU64,
    next: AtomicU64,
}

impl Spool {
    pub(super) fn open(dir: PathBuf, budget: u64) -> Result<Arc<Self>> {
        let failed = |error| StoreError::io(format!("opening the spool {}", dir.display()), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        Ok(Arc::new(Self { dir, budget, used: AtomicU64::new(0), next: AtomicU64::new(0) }))
    }

    fn take(&self, own: u64, size: u64) -> Result<()> {
        if own.saturating_add(size) > self.budget {
            let text = format!("the file does not fit into the spool of {} bytes (spool_size)", self.budget);
            return Err(StoreError::new(StoreErrorKind::EntityTooLarge, text));
        }
        let more = |used: u64| used.checked_add(size).filter(|used| *used <= self.budget);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| {
            StoreError::new(StoreErrorKind::Busy, "other files on their way to the storage fill the spool")
        })
    }

    fn nameless(&self) -> io::Result<File> {
        let path =
            self.dir.join(format!("{}-{}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed)));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    fn dir(&self) -> &std::path::Path {
        &self.dir
    }
}

/// A file in the spool.
#[derive(Debug)]
pub(super) struct Spooled {
    spool: Arc<Spool>,
    small: BytesMut,
    file: Option<Arc<File>>,
    size: u64,
    /// The number of bytes of the budget that this file uses.
    taken: u64,
}

impl Spooled {
    pub(super) fn new(spool: &Arc<Spool>) -> Self {
        Self { spool: spool.clone(), small: BytesMut::new(), file: None, size: 0, taken: 0 }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) async fn write(&mut self, frames: Vec<Bytes>) -> Result<()> {
        let length = frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        if self.file.is_none() && self.size + length <= SMALL {
            frames.iter().for_each(|frame| self.small.extend_from_slice(frame));
            self.size += length;
            return Ok(());
        }
        let more = self.size + length - self.taken;
        self.spool.take(self.taken, more)?;
        self.taken += more;
        let (spool, file, small) = (self.spool.clone(), self.file.clone(), self.small.split());
        let written = blocking(move || {
            let file = file.map_or_else(|| spool.nameless().map(Arc::new), Ok)?;
            let mut end = &*file;
            end.write_all(&small)?;
            frames.iter().try_for_each(|frame| end.write_all(frame))?;
            Ok(file)
        });
        self.file = Some(written.await?);
        self.size += length;
        Ok(())
    }

    /// Returns at most `length` bytes from an offset.
    pub(super) async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let length = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        let Some(file) = self.file.clone() else {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.small.len());
            return Ok(Bytes::copy_from_slice(
                &self.small[start..start + length.min(self.small.len() - start)],
            ));
        };
        blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes.into())
        })
        .await
    }

    /// Returns a stream of the whole file. It may be called any number of times.
    pub(super) fn frames(self: &Arc<Self>) -> BoxStream<'static, std::result::Result<Bytes, PayloadError>> {
        let next = |(file, offset): (Arc<Self>, u64)| async move {
            if offset >= file.size {
                return Ok(None);
            }
            let bytes = file.read(offset, PIECE).await.map_err(|error| {
                tracing::error!(%error, "reading the spool failed");
                PayloadError::Source
            })?;
            let next = offset + bytes.len() as u64;
            Ok(Some((bytes, (file, next))))
        };
        Box::pin(futures_util::stream::try_unfold((self.clone(), 0), next))
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        self.spool.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| {
        StoreError::new(StoreErrorKind::Internal, "work on the spool failed").with_source(error)
    })?;
    done.map_err(|error| StoreError::io("writing or reading the spool", error).in_data())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    #[tokio::test]
    async fn what_waits_is_read_as_it_was_written_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(dir.path().join("spool"), 1 << 20).expect("opens");
        for size in [0, 1, SMALL as usize, SMALL as usize + 1, 700_000] {
            let whole: Vec<u8> = (0..size).map(|n| (n / 7) as u8).collect();
            let mut file = Spooled::new(&spool);
            for piece in whole.chunks(100_000) {
                file.write(vec![Bytes::copy_from_slice(piece), Bytes::new()]).await.expect("it fits");
            }
            assert_eq!(spool.used() > 0, size as u64 > SMALL, "{size}");
            let file = Arc::new(file);
            let read: Vec<Bytes> = file.frames().try_collect().await.expect("reads");
            assert!(read.concat() == whole);
            assert_eq!(fs::read_dir(spool.dir()).expect("lists").count(), 0);
        }
        assert_eq!(spool.used(), 0);
    }

    #[tokio::test]
    async fn the_budget_holds() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::open(dir.path().join("spool"), 1 << 20).expect("opens");
        let bytes = |size: usize| vec![Bytes::from(vec![0; size])];
        let mut one = Spooled::new(&spool);
        one.write(bytes(600_000)).await.expect("it fits");
        let mut two = Spooled::new(&spool);
        assert_eq!(two.write(bytes(600_000)).await.expect_err("full").kind(), StoreErrorKind::Busy);
        assert_eq!(
            one.write(bytes(600_000)).await.expect_err("too much").kind(),
            StoreErrorKind::EntityTooLarge
        );
        drop(one);
        two.write(bytes(600_000)).await.expect("there is room again");
    }
}
