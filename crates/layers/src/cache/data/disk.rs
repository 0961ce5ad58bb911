//! Blocks on local disk: one file each, in a folder that only the cache uses and that can be deleted at any
//! time.
//!
//! A file is written under a temporary name and renamed, without waiting for the disk. It contains the
//! identity of its block and a checksum of its bytes. So damage by a crash, a full disk or a person is
//! detected when the file is read, and the block then counts as missing.
//! Before a file is read, only its name and its size are known: opening the cache reads names only.

use super::block::BlockName;
use crate::model::{ChecksumAlgorithm, ChecksumHasher};
use bytes::Bytes;
use moka::{notification::RemovalCause, sync::Cache};
use std::{
    fmt, fs, io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Semaphore;

/// The folder of this format. Folders with the same prefix belong to older formats and are deleted.
const FORMAT: &str = "blocks-1";
const FORMATS: &str = "blocks-";

/// The beginning of a file. The digest of the block, and the checksum of the content, follow it.
const MAGIC: &[u8; 8] = b"CWBLOCK1";
const HEADER: usize = MAGIC.len() + 32 + 8;

/// Maximum number of blocks that wait to be written. Further blocks are not kept.
const QUEUE: usize = 32;

pub(super) struct Disk {
    folder: Arc<Path>,
    /// The sizes of the files that exist. When an entry is evicted, its file is deleted.
    index: Cache<[u8; 32], u32>,
    queue: Arc<Semaphore>,
    next: Arc<AtomicU64>,
}

impl Disk {
    pub(super) fn open(directory: &Path, size: u64) -> io::Result<Self> {
        let folder: Arc<Path> = directory.join(FORMAT).into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(FORMATS) && name != FORMAT) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let deleted = folder.clone();
        let index = Cache::builder()
            .name("blocks")
            .max_capacity(size)
            .weigher(|_, size| *size)
            .eviction_listener(move |digest, _, cause| {
                if cause != RemovalCause::Replaced {
                    // The file may already be deleted.
                    let _ = fs::remove_file(path(&deleted, &digest));
                }
            })
            .build();
        for shelf in fs::read_dir(&folder)? {
            let shelf = shelf?.path();
            // An entry that is not a folder is a temporary file of a write that did not end.
            let Ok(files) = fs::read_dir(&shelf) else {
                fs::remove_file(&shelf)?;
                continue;
            };
            for file in files {
                let file = file?;
                match digest_of(&file.path()) {
                    Some(digest) => {
                        index.insert(digest, u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX))
                    }
                    None => fs::remove_file(file.path())?,
                }
            }
        }
        index.run_pending_tasks();
        Ok(Self { folder, index, queue: Arc::new(Semaphore::new(QUEUE)), next: Arc::default() })
    }

    pub(super) fn size(&self) -> u64 {
        self.index.run_pending_tasks();
        self.index.weighted_size()
    }

    pub(super) fn has(&self, name: &BlockName) -> bool {
        self.index.contains_key(&name.digest())
    }

    /// Returns the block. `None` means that it is missing, or that the content of its file is not what was
    /// written.
    pub(super) async fn read(&self, name: &BlockName) -> Option<Bytes> {
        let digest = name.digest();
        self.index.get(&digest)?;
        let (path, len) = (path(&self.folder, &digest), name.len() as usize);
        let read = tokio::task::spawn_blocking(move || read(&path, &digest, len)).await;
        match read {
            Ok(Ok(Some(bytes))) => Some(bytes),
            _ => {
                self.index.invalidate(&digest);
                None
            }
        }
    }

    /// Writes the block in the background, or not at all.
    pub(super) fn keep(&self, name: &BlockName, bytes: &Bytes) {
        let digest = name.digest();
        let Ok(permit) = self.queue.clone().try_acquire_owned() else { return };
        let (folder, index, bytes, next) =
            (self.folder.clone(), self.index.clone(), bytes.clone(), self.next.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let path = path(&folder, &digest);
            // A person may have deleted a file that the index still lists.
            if index.contains_key(&digest) && path.exists() {
                return;
            }
            let draft = folder.join(format!("draft-{}", next.fetch_add(1, Ordering::Relaxed)));
            match write(&draft, &path, &digest, &bytes) {
                Ok(size) => index.insert(digest, size),
                Err(error) => {
                    let _ = fs::remove_file(&draft);
                    tracing::debug!(%error, "a block was not kept on disk");
                }
            }
        });
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Returns the path of a block. There are 256 folders, so that none becomes large.
fn path(folder: &Path, digest: &[u8; 32]) -> PathBuf {
    folder.join(hex::encode(&digest[..1])).join(hex::encode(&digest[1..]))
}

fn digest_of(path: &Path) -> Option<[u8; 32]> {
    let (shelf, file) = (path.parent()?.file_name()?.to_str()?, path.file_name()?.to_str()?);
    let mut digest = [0; 32];
    hex::decode_to_slice(format!("{shelf}{file}"), &mut digest).ok()?;
    Some(digest)
}

fn sum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Crc64Nvme);
    hasher.update(bytes);
    let mut sum = [0; 8];
    sum.copy_from_slice(hasher.finish().bytes());
    sum
}

fn write(draft: &Path, path: &Path, digest: &[u8; 32], bytes: &[u8]) -> io::Result<u32> {
    // Both folders may have been deleted.
    let shelf = path.parent().unwrap_or(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    for piece in [MAGIC.as_slice(), digest, &sum(bytes), bytes] {
        file.write_all(piece)?;
    }
    fs::rename(draft, path)?;
    Ok(u32::try_from(HEADER + bytes.len()).unwrap_or(u32::MAX))
}

fn read(path: &Path, digest: &[u8; 32], len: usize) -> io::Result<Option<Bytes>> {
    let mut all = Vec::with_capacity(HEADER + len + 1);
    fs::File::open(path)?.take(HEADER as u64 + len as u64 + 1).read_to_end(&mut all)?;
    let all = Bytes::from(all);
    if all.len() != HEADER + len {
        return Ok(None);
    }
    let (header, bytes) = (all.slice(..HEADER), all.slice(HEADER..));
    let expected = [MAGIC.as_slice(), digest, &sum(&bytes)].concat();
    Ok((header == expected).then_some(bytes))
}
