//! Bodies of unknown length, on their way to storage that must know the length first.
//!
//! A form does not say how long its file is: other fields may follow the file. Such a body waits on local
//! disk until its end has come. A short one waits in memory. Invariants:
//! - a body that is passed on was verified, and is verified again by the store that reads it;
//! - the files have no name, so the system removes them however the process ends;
//! - all files together never exceed the budget.

use super::{ErrorCode, S3Error};
use crate::store::{
    error::StoreError,
    payload::{Announced, Payload, PayloadError},
};
use bytes::Bytes;
use futures_util::stream;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A body up to this length waits in memory.
const SHORT: usize = 128 * 1024;
const BATCH: usize = 1 << 20;
/// How many bytes are read back at once.
const CHUNK: usize = 256 * 1024;

#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    budget: u64,
    used: Arc<Mutex<u64>>,
}

/// A file, and what it takes of the budget.
#[derive(Debug)]
struct Spooled {
    file: File,
    length: u64,
    used: Arc<Mutex<u64>>,
}

impl Drop for Spooled {
    fn drop(&mut self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.length;
    }
}

impl Spool {
    /// `dir` is made when it is first needed.
    pub fn new(dir: PathBuf, budget: u64) -> Self {
        Self { dir, budget, used: Arc::default() }
    }

    /// The same body, with its length announced. It was received and verified.
    pub(super) async fn measured(&self, mut payload: Payload) -> Result<Payload, S3Error> {
        let (checksum, memory) = (payload.announced_checksum().clone(), payload.memory().cloned());
        let mut digests = payload.digests(None);
        let short = payload.read(SHORT).await?.unwrap_or_default();
        if payload.has_ended() {
            short.iter().for_each(|frame| digests.update(frame));
            let verified = payload.verify(digests)?;
            let announced = Announced {
                length: Some(verified.size()),
                md5: Some(verified.md5()),
                sha256: None,
                checksum,
            };
            // The bytes are counted in memory already.
            return Ok(Payload::from_stream(stream::iter(short.into_iter().map(Ok)), announced));
        }
        let mut spooled = self.create().await?;
        let mut next = Some(short);
        while let Some(batch) = next {
            self.take(&mut spooled, batch.iter().map(|frame| frame.len() as u64).sum())?;
            (spooled, digests) = blocking(move || {
                for frame in &batch {
                    digests.update(frame);
                    spooled.file.write_all(frame)?;
                }
                Ok((spooled, digests))
            })
            .await?;
            next = payload.read(BATCH).await?;
        }
        let verified = payload.verify(digests)?;
        let announced =
            Announced { length: Some(verified.size()), md5: Some(verified.md5()), sha256: None, checksum };
        let payload = Payload::from_stream(read_back(spooled), announced);
        Ok(match memory {
            Some(memory) => payload.within(memory),
            None => payload,
        })
    }

    async fn create(&self) -> Result<Spooled, S3Error> {
        let (dir, used) = (self.dir.clone(), self.used.clone());
        blocking(move || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
            Ok(Spooled { file: unnamed(&dir)?, length: 0, used })
        })
        .await
    }

    fn take(&self, spooled: &mut Spooled, more: u64) -> Result<(), S3Error> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if spooled.length.saturating_add(more) > self.budget {
            return Err(
                S3Error::from(ErrorCode::EntityTooLarge).detail("MaxSizeAllowed", self.budget.to_string())
            );
        }
        if used.saturating_add(more) > self.budget {
            return Err(S3Error::from(ErrorCode::SlowDown).retry_after(Duration::ZERO));
        }
        *used += more;
        spooled.length += more;
        Ok(())
    }
}

/// A file that nobody else can open. A process that is killed between the two steps leaves an empty file.
fn unnamed(dir: &Path) -> io::Result<File> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let path = dir.join(hex::encode(random));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn read_back(
    spooled: Spooled,
) -> impl futures_util::Stream<Item = Result<Bytes, PayloadError>> + Send + 'static {
    stream::try_unfold((spooled, 0u64), |(spooled, at)| async move {
        let left = usize::try_from(spooled.length - at).unwrap_or(usize::MAX).min(CHUNK);
        if left == 0 {
            return Ok(None);
        }
        let read = blocking(move || {
            let mut bytes = vec![0; left];
            spooled.file.read_exact_at(&mut bytes, at)?;
            Ok((Bytes::from(bytes), spooled))
        });
        let (bytes, spooled) = read.await.map_err(|_| PayloadError::Source)?;
        Ok(Some((bytes, (spooled, at + left as u64))))
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, S3Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).and_then(|done| done);
    Ok(done.map_err(|error| StoreError::io("keeping the file of a form in the spool", error).in_data())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::payload::AnnouncedChecksum;

    fn frames(count: usize) -> Vec<Bytes> {
        (0..count).map(|n| Bytes::from(vec![n as u8; 50_000])).collect()
    }

    fn payload(count: usize, announced: Announced) -> Payload {
        Payload::from_stream(stream::iter(frames(count).into_iter().map(Ok)), announced)
    }

    fn used(spool: &Spool) -> u64 {
        *spool.used.lock().expect("not poisoned")
    }

    #[tokio::test]
    async fn a_body_comes_out_as_it_went_in_with_its_length() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::new(dir.path().join("forms"), 10 << 20);
        for count in [0, 1, 2, 3, 40] {
            let measured = spool.measured(payload(count, Announced::default())).await.expect("measured");
            assert_eq!(measured.length(), Some(count as u64 * 50_000));
            assert_eq!(measured.collect(usize::MAX).await.expect("whole"), frames(count).concat(), "{count}");
            assert_eq!(used(&spool), 0, "{count}");
        }
        let left = fs::read_dir(dir.path().join("forms")).expect("a directory").count();
        assert_eq!(left, 0, "the files have no names");
    }

    #[tokio::test]
    async fn a_body_that_is_not_as_announced_is_refused_before_it_is_passed_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::new(dir.path().to_owned(), 10 << 20);
        for count in [1, 40] {
            let announced = Announced { md5: Some([0; 16]), ..Announced::default() };
            let error = spool.measured(payload(count, announced)).await.expect_err("refused");
            assert_eq!((error.code, used(&spool)), (ErrorCode::BadDigest, 0));
        }
    }

    #[tokio::test]
    async fn a_checksum_goes_on_with_its_body() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::new(dir.path().to_owned(), 10 << 20);
        let checksum = AnnouncedChecksum::Algorithm(crate::model::ChecksumAlgorithm::Sha1);
        let announced = Announced { checksum: checksum.clone(), ..Announced::default() };
        let measured = spool.measured(payload(1, announced)).await.expect("measured");
        assert_eq!(measured.announced_checksum(), &checksum);
    }

    #[tokio::test]
    async fn files_together_keep_to_the_budget() {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = Spool::new(dir.path().to_owned(), 1_000_000);
        let too_large = spool.measured(payload(30, Announced::default())).await.expect_err("larger than all");
        assert_eq!(too_large.code, ErrorCode::EntityTooLarge);
        let held = spool.measured(payload(15, Announced::default())).await.expect("fits");
        let busy = spool.measured(payload(15, Announced::default())).await.expect_err("no room beside it");
        assert_eq!((busy.code, used(&spool)), (ErrorCode::SlowDown, 750_000));
        drop(held);
        assert!(spool.measured(payload(15, Announced::default())).await.is_ok(), "there is room again");
    }
}
