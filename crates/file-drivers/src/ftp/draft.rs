//! Drafts: files in the driver's own folder, which a rename publishes.
//!
//! - A file is replaced by RNTO onto its name, on servers for which the probe found that this works. On other
//!   servers no object is replaced: the result is `NotImplemented`. Moving the old file aside first would
//!   leave the key without a file for a moment, or for longer after a crash.
//! - Where no file may exist, a lock makes checking and renaming one step among the clients of this process.
//!   The protocol has no way to exclude other programs.
//! - When the reply is lost, the draft shows the outcome: its name is gone, and its file exists.

use super::{
    data::Data,
    drafts,
    facts::RemoteEntry,
    failure::Failure,
    pool::{Lease, Use},
    remote::{FolderPath, ROUNDS, Remote, look, parent},
};
use crate::{
    backend::{
        codec::join,
        tree::files::{Draft, DraftName, Published, Stat},
        wire::pause,
    },
    store::Result,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Pauses between checks of a stored file: some servers report a smaller size for a short time.
const SETTLING: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

pub(super) struct FtpDraft {
    remote: Arc<Remote>,
    /// The path of the draft, below the root.
    at: String,
    writing: Option<Writing>,
    /// Set once the draft is complete.
    seen: Option<RemoteEntry>,
    /// The draft was renamed or removed.
    is_gone: bool,
}

struct Writing {
    lease: Lease,
    data: Data,
    position: u64,
}

/// The result of an attempt to rename a draft to its final name.
enum MoveOutcome {
    There(RemoteEntry),
    IsFolder,
    Obstructed,
    Exists,
}

impl FtpDraft {
    pub(super) async fn create(remote: &Arc<Remote>, name: &DraftName) -> Result<Self> {
        let first = &join(&drafts(), &name.0);
        let writing = remote.repeat(Use::Writing, "making a file", |mut lease, repeated| async move {
            // An earlier attempt whose reply was lost may still be running on the server: it must not
            // truncate the file of this attempt. So a repeated attempt uses another name.
            let mut random = [0; 4];
            getrandom::fill(&mut random).map_err(|_| Failure::Lost("no randomness"))?;
            let at = if repeated { format!("{first}-{}", hex::encode(random)) } else { first.clone() };
            if repeated {
                let (remote, lost) = (remote.clone(), first.clone());
                tokio::spawn(async move { discard(&remote, &lost).await });
            }
            let path = lease.at(&at);
            remote.prepare(&mut lease).await?;
            let begun = match Data::begin(&mut lease, &remote.passive, ("STOR", &path), 0).await {
                Err(Failure::Refused(_)) => {
                    // Another program may have removed the folder.
                    remote.is_prepared.store(false, Ordering::Relaxed);
                    remote.prepare(&mut lease).await?;
                    Data::begin(&mut lease, &remote.passive, ("STOR", &path), 0).await
                }
                begun => begun,
            };
            Ok((Writing { data: begun?, lease, position: 0 }, at))
        });
        let (writing, at) = writing.await?;
        Ok(Self { writing: Some(writing), remote: remote.clone(), at, seen: None, is_gone: false })
    }

    async fn place(
        &self,
        lease: &mut Lease,
        path: &str,
        absent: bool,
        repeated: bool,
    ) -> std::result::Result<MoveOutcome, Failure> {
        let mut last = Failure::Refused("folders come and go where it belongs".to_owned());
        for _ in 0..ROUNDS {
            match look(lease, path).await? {
                Some(seen) if seen.is_folder() => return Ok(MoveOutcome::IsFolder),
                // An earlier attempt, whose reply was lost, may have renamed the draft already.
                Some(seen) if repeated && self.is_same(&seen) && look(lease, &self.at).await?.is_none() => {
                    return Ok(MoveOutcome::There(seen));
                }
                Some(_) if absent => return Ok(MoveOutcome::Exists),
                Some(_) if !self.remote.quirks.get().is_some_and(|quirks| quirks.replaces) => {
                    return Err(Failure::Unsupported(
                        "it renames no file onto another, so nothing can be replaced".to_owned(),
                    ));
                }
                Some(_) | None => {}
            }
            self.remote.readers.change(path);
            let failure = match lease.rename(&self.at, path).await {
                Ok(()) => {
                    let found = look(lease, path).await?;
                    return match found.filter(|found| self.is_same(found)) {
                        Some(found) => Ok(MoveOutcome::There(found)),
                        None => Err(Failure::Refused("what was published is not there".to_owned())),
                    };
                }
                Err(failure) if failure.is_passing() => return Err(failure),
                Err(failure) => failure,
            };
            // The server does not report the reason, so it is found by checking the paths.
            if look(lease, &self.at).await?.is_none() {
                return Err(Failure::Refused("what was written is gone".to_owned()));
            }
            match self.remote.way(lease, parent(path)).await? {
                FolderPath::Clear if matches!(failure, Failure::Refused(_)) => {}
                FolderPath::Clear => return Err(failure),
                FolderPath::Missing => match self.remote.make_folders(lease, parent(path)).await? {
                    FolderPath::Clear | FolderPath::Missing => {}
                    FolderPath::Barred => return Ok(MoveOutcome::Obstructed),
                },
                FolderPath::Barred => return Ok(MoveOutcome::Obstructed),
            }
            last = failure;
        }
        Err(last)
    }

    /// Compares size and, if the server reports it, file identity. Times are not compared: some servers
    /// change them on a rename.
    fn is_same(&self, found: &RemoteEntry) -> bool {
        self.seen.as_ref().is_some_and(|seen| {
            let differ = matches!((&seen.unique, &found.unique), (Some(a), Some(b)) if a != b);
            found.is_file() && seen.stat.size == found.stat.size && !differ
        })
    }
}

#[async_trait]
impl Draft for FtpDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let Some(mut writing) = self.writing.take() else {
            return Err(Failure::Lost("a draft that has ended is not written to").during("writing a file"));
        };
        for piece in bytes {
            let length = piece.len() as u64;
            if let Err(failure) = writing.data.write(piece).await {
                return Err(writing.data.why(&mut writing.lease, failure).await.during("writing a file"));
            }
            writing.position += length;
        }
        // A cancelled write leaves `writing` empty, so it is never continued.
        self.writing = Some(writing);
        Ok(())
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        if let Some(Writing { mut lease, data, position }) = self.writing.take() {
            let stored = async {
                data.stored(&mut lease).await?;
                look(&mut lease, &self.at).await
            };
            let mut seen = stored.await.map_err(|failure| {
                self.remote.is_prepared.store(false, Ordering::Relaxed);
                failure.during("writing a file")
            })?;
            drop(lease);
            let is_whole = |seen: &Option<RemoteEntry>| {
                seen.as_ref().is_some_and(|seen| seen.is_file() && seen.stat.size == position)
            };
            // Some servers confirm a transfer shortly before the file shows all of its bytes.
            for wait in SETTLING {
                if is_whole(&seen) {
                    break;
                }
                tokio::time::sleep(wait).await;
                let at = &self.at;
                let again = self.remote.repeat(Use::Short, "looking at a file", |mut lease, _| async move {
                    look(&mut lease, at).await
                });
                seen = again.await?;
            }
            if !is_whole(&seen) {
                let there = seen.map_or_else(
                    || "is not there".to_owned(),
                    |seen| format!("has {} bytes", seen.stat.size),
                );
                let words = format!("a file of which {position} bytes were written {there}");
                return Err(Failure::Lost("what was written is not what is there")
                    .during("writing a file")
                    .with_source(words));
            }
            self.seen = seen;
        }
        match &self.seen {
            Some(seen) => Ok(Some(seen.stat.clone())),
            None => Err(Failure::Lost("its writing failed before").during("writing a file")),
        }
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        self.finish().await?;
        if !absent {
            // Checks whether the server can replace a file.
            self.remote.quirks().await?;
        }
        let attempts = self.remote.pool.settings().attempts;
        for attempt in 1.. {
            let mut lease = self.remote.pool.lease(Use::Short).await?;
            let guard = self.remote.locks.lock(&path.to_owned()).await;
            let placed = self.place(&mut lease, path, absent, attempt > 1).await;
            drop((guard, lease));
            match placed {
                Ok(MoveOutcome::There(seen)) => {
                    self.is_gone = true;
                    return Ok(Published::As(seen.stat));
                }
                Ok(MoveOutcome::IsFolder) => return Ok(Published::IsFolder(self)),
                Ok(MoveOutcome::Obstructed) => return Ok(Published::Obstructed(self)),
                Ok(MoveOutcome::Exists) => return Ok(Published::Exists(self)),
                Err(failure) if failure.is_passing() && attempt < attempts => {
                    tracing::debug!(%failure, attempt, "publishing a file was lost on the way; it is tried again");
                    self.remote.pool.forget_idle();
                    tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
                }
                Err(failure) => return Err(failure.during("publishing a file")),
            }
        }
        Err(Failure::Lost("it has no attempts").during("publishing a file"))
    }

    async fn discard(mut self: Box<Self>) {
        self.is_gone = true;
        give_up(self.writing.take()).await;
        discard(&self.remote, &self.at).await;
    }
}

impl Drop for FtpDraft {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let (remote, at, writing) = (self.remote.clone(), std::mem::take(&mut self.at), self.writing.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                give_up(writing).await;
                discard(&remote, &at).await;
            });
        }
    }
}

/// Ends the transfer and waits for the server: some servers create the file only then, and it has to be
/// removed.
async fn give_up(writing: Option<Writing>) {
    if let Some(Writing { mut lease, data, .. }) = writing {
        data.cut(&mut lease).await;
    }
}

async fn discard(remote: &Arc<Remote>, at: &str) {
    if !remove(remote, at).await {
        let remote = remote.clone();
        remote.late.clone().remove(at.to_owned(), move |at| {
            let remote = remote.clone();
            Box::pin(async move { remove(&remote, &at).await })
        });
    }
}

/// Returns whether the file is gone.
async fn remove(remote: &Remote, at: &str) -> bool {
    let removed = remote.repeat(Use::Short, "removing a draft", |mut lease, _| async move {
        let path = lease.at(at);
        match lease.tell("DELE", &path).await {
            // A server that has not noticed yet that the writer is gone may refuse to delete the file, or
            // create it again.
            Err(failure @ Failure::Refused(_)) if look(&mut lease, at).await?.is_some() => {
                Err(Failure::Later(failure.to_string()))
            }
            Err(Failure::Refused(_)) | Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        }
    });
    removed
        .await
        .inspect_err(|error| tracing::debug!(%error, "a draft was not removed; it is tried again later"))
        .is_ok()
}
