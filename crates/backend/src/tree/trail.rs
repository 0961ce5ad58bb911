//! The progress of a full scan of a bucket, kept on local disk, so that an interrupted scan continues from
//! there.
//!
//! Invariants: the keys that a trail lists as seen were indexed before they were written to it. The index
//! contains the trail's stamp; an index that was lost or created again does not. A trail that is damaged, old
//! or of another index is ignored, and the scan begins again.

use crate::{
    backend::Counts,
    model::{ObjectKey, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{fs, io::AsyncWriteExt};

/// The pause between two writes. A killed process loses at most this much progress.
const EVERY: Duration = Duration::from_secs(5);
/// The age from which a trail is not used: folders that were read earlier should be read again.
const OLDEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub(super) struct Trail {
    /// The path of the trail's files without their extension.
    path: PathBuf,
    seed: u64,
    writings: u64,
    /// A hash of eight bytes for every key that was seen.
    seen: HashSet<u64>,
    /// The folders that are still to be read; the last one is the next.
    pub(super) pending: Vec<String>,
    pub(super) counts: Counts,
    unwritten: Vec<u64>,
    written_at: Instant,
}

/// The values that are stored beside the seen keys.
#[derive(Serialize, Deserialize)]
struct Written {
    seed: u64,
    writings: u64,
    seen: u64,
    pending: Vec<String>,
    folders: u64,
    objects: u64,
    changed: u64,
    at: Timestamp,
}

impl Trail {
    /// Continues the stored trail if its stamp is the one in the index, or begins a new one.
    pub(super) async fn take_up(path: PathBuf, stamp: Option<&str>, now: Timestamp) -> Result<Self> {
        let mut trail = Self {
            path,
            seed: seed()?,
            writings: 0,
            seen: HashSet::new(),
            pending: vec![String::new()],
            counts: Counts::default(),
            unwritten: Vec::new(),
            written_at: Instant::now(),
        };
        match trail.read(stamp, now).await {
            Ok(true) => {}
            Ok(false) => trail.forget().await.map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        Ok(trail)
    }

    async fn read(&mut self, stamp: Option<&str>, now: Timestamp) -> io::Result<bool> {
        let absent = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) }
        };
        let words = fs::read(self.named("json")).await.or_else(absent)?;
        let Ok(written) = serde_json::from_slice::<Written>(&words) else { return Ok(false) };
        if stamp != Some(stamp_of(written.seed, written.writings).as_str()) {
            return Ok(false);
        }
        let seen = fs::read(self.named("seen")).await.or_else(absent)?;
        let whole = usize::try_from(written.seen)
            .ok()
            .and_then(|count| count.checked_mul(8))
            .and_then(|length| seen.get(..length));
        let age =
            Duration::from_millis(u64::try_from(now.millis() - written.at.millis()).unwrap_or_default());
        let Some(whole) = whole.filter(|_| age < OLDEST) else { return Ok(false) };
        self.seen = whole.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        // Keys that were appended after `Written` was saved may not be indexed, so they are cut off.
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(false).open(self.named("seen")).await?;
        file.set_len(whole.len() as u64).await?;
        self.seed = written.seed;
        self.writings = written.writings;
        self.pending = written.pending;
        self.counts = Counts { folders: written.folders, objects: written.objects, changed: written.changed };
        Ok(true)
    }

    pub(super) fn saw(&mut self, key: &ObjectKey) {
        let hash = self.hash(key);
        if self.seen.insert(hash) {
            self.unwritten.push(hash);
        }
    }

    pub(super) fn has_seen(&self, key: &ObjectKey) -> bool {
        self.seen.contains(&self.hash(key))
    }

    /// Hashes a key. The result is the same in every process, and nobody can create keys that collide,
    /// because of the seed.
    fn hash(&self, key: &ObjectKey) -> u64 {
        let digest: [u8; 16] =
            Md5::new().chain_update(self.seed.to_le_bytes()).chain_update(key.as_str()).finalize().into();
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(hash)
    }

    /// Stores the progress, if the last write is long enough ago. `pending` contains all folders that were
    /// not read completely. Returns the stamp that has to be stored in the index.
    pub(super) async fn write_at_times(&mut self, counts: Counts, now: Timestamp) -> Result<Option<String>> {
        if self.written_at.elapsed() < EVERY {
            return Ok(None);
        }
        self.counts = counts;
        self.write(now).await.map(Some).map_err(failed)
    }

    async fn write(&mut self, now: Timestamp) -> io::Result<String> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).await?;
        }
        let more: Vec<u8> = self.unwritten.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let mut seen = fs::OpenOptions::new().append(true).create(true).open(self.named("seen")).await?;
        seen.write_all(&more).await?;
        seen.flush().await?;
        self.unwritten.clear();
        let Counts { folders, objects, changed } = self.counts;
        self.writings += 1;
        let (seed, writings, seen, pending) =
            (self.seed, self.writings, self.seen.len() as u64, self.pending.clone());
        let written = Written { seed, writings, seen, pending, folders, objects, changed, at: now };
        fs::write(self.named("new"), serde_json::to_vec(&written)?).await?;
        fs::rename(self.named("new"), self.named("json")).await?;
        self.written_at = Instant::now();
        Ok(stamp_of(seed, writings))
    }

    /// Must be called when the scan is complete: removes the files.
    pub(super) async fn forget(&self) -> io::Result<()> {
        for extension in ["json", "new", "seen"] {
            match fs::remove_file(self.named(extension)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn named(&self, extension: &str) -> PathBuf {
        Path::with_extension(&self.path, extension)
    }
}

fn stamp_of(seed: u64, writings: u64) -> String {
    format!("{seed:016x}-{writings}")
}

pub(super) fn failed(error: io::Error) -> StoreError {
    StoreError::io("keeping how far a walk has come", error).in_data()
}

fn seed() -> Result<u64> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| {
        StoreError::new(StoreErrorKind::Internal, format!("there is no randomness: {error}"))
    })?;
    Ok(u64::from_le_bytes(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).expect("a key")
    }

    async fn walked(dir: &Path) -> (Trail, String) {
        let mut trail = Trail::take_up(dir.join("walks/7"), None, Timestamp::now()).await.expect("a trail");
        trail.saw(&key("a"));
        trail.saw(&key("b/c"));
        trail.pending = vec!["d".into(), "e/f".into()];
        trail.counts = Counts { folders: 3, objects: 2, changed: 1 };
        let stamp = trail.write(Timestamp::now()).await.expect("written");
        trail.saw(&key("later"));
        (trail, stamp)
    }

    #[tokio::test]
    async fn a_walk_goes_on_where_it_was_written_down() {
        let dir = tempfile::tempdir().expect("a directory");
        let (_, stamp) = walked(dir.path()).await;
        let trail = Trail::take_up(dir.path().join("walks/7"), Some(&stamp), Timestamp::now())
            .await
            .expect("a trail");
        assert_eq!(trail.pending, ["d", "e/f"]);
        assert_eq!(trail.counts, Counts { folders: 3, objects: 2, changed: 1 });
        assert_eq!(["a", "b/c", "later"].map(|name| trail.has_seen(&key(name))), [true, true, false]);
    }

    #[tokio::test]
    async fn a_trail_that_ended_or_is_old_or_torn_or_of_another_index_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let begins = async |stamp: Option<&str>, now| {
            let trail = Trail::take_up(dir.path().join("walks/7"), stamp, now).await.expect("a trail");
            assert_eq!((trail.pending.clone(), trail.has_seen(&key("a"))), (vec![String::new()], false));
        };
        let (trail, stamp) = walked(dir.path()).await;
        trail.forget().await.expect("forgotten");
        begins(Some(&stamp), Timestamp::now()).await;

        walked(dir.path()).await;
        begins(None, Timestamp::now()).await;
        let (_, before) = walked(dir.path()).await;
        walked(dir.path()).await;
        begins(Some(&before), Timestamp::now()).await;

        let (_, stamp) = walked(dir.path()).await;
        let later = Timestamp::from_millis(
            Timestamp::now().millis() + i64::try_from(OLDEST.as_millis()).expect("a day"),
        );
        begins(Some(&stamp), later).await;

        for (file, bytes) in [("walks/7.seen", "half of it"), ("walks/7.json", "{")] {
            let (_, stamp) = walked(dir.path()).await;
            std::fs::write(dir.path().join(file), bytes).expect("torn");
            begins(Some(&stamp), Timestamp::now()).await;
        }
    }
}
