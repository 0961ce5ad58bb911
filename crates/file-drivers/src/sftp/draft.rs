//! Drafts: files in the driver's own folder, which a rename or a link publishes.
//!
//! How a draft gets its name:
//! - replacing a file: `posix-rename@openssh.com`, in one step. A server without it renames only to a free
//!   name (or replaces the file, against the protocol): the existing file then stays, and the result is
//!   `NotImplemented`. Moving the old file aside first would leave the key without a file for a moment, or
//!   for longer after a crash;
//! - where no file may exist: `hardlink@openssh.com`, which fails if the name is taken. Without it: a check,
//!   then a rename, one at a time in this process. Other processes are excluded only by servers whose rename
//!   refuses to replace, as the protocol demands.

use super::{
    failure::Failure,
    packet::{EMPTIED, FOR_WRITING, MADE_IF_MISSING},
    pool::Lease,
    remote::{FolderPath, ROUNDS, Remote, parent},
    requests::Open,
    writing::Writing,
};
use crate::{
    backend::{
        tree::files::{Draft, EntryKind, Published, Stat},
        wire::pause,
    },
    store::Result,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

pub(super) struct SftpDraft {
    remote: Arc<Remote>,
    /// The path of the draft, below the root.
    at: String,
    writing: Option<Writing>,
    stat: Option<Stat>,
    /// The file existed before it became a draft: it is not removed if the draft is dropped unpublished.
    stays: bool,
    /// The draft was renamed or removed.
    is_gone: bool,
}

/// The result of an attempt to give the draft its final name.
enum MoveOutcome {
    There,
    IsFolder,
    Obstructed,
    Exists,
}

impl SftpDraft {
    pub(super) async fn create(remote: Arc<Remote>, at: String) -> Result<Self> {
        let open = open_own(&remote, &at, FOR_WRITING | MADE_IF_MISSING | EMPTIED).await?;
        Ok(Self { remote, at, writing: Some(Writing::new(open)), stat: None, stays: false, is_gone: false })
    }

    /// Makes a draft of a file that existed before.
    pub(super) fn of(remote: Arc<Remote>, at: String, writing: Writing) -> Self {
        Self { remote, at, writing: Some(writing), stat: None, stays: true, is_gone: false }
    }

    /// Returns the open file, or `None` if the draft has ended.
    pub(super) fn writing(&mut self) -> Option<&mut Writing> {
        self.writing.as_mut()
    }

    async fn place(
        &self,
        lease: &Lease,
        path: &str,
        absent: bool,
        repeated: bool,
    ) -> std::result::Result<MoveOutcome, Failure> {
        let (from, to) = (self.remote.at(&self.at), self.remote.at(path));
        let mut last = Failure::Missing;
        for _ in 0..ROUNDS {
            match self.remote.way(lease, parent(path)).await? {
                FolderPath::Clear => {}
                FolderPath::Missing => match self.remote.make_folders(lease, parent(path)).await? {
                    FolderPath::Clear => {}
                    FolderPath::Missing => continue,
                    FolderPath::File => return Ok(MoveOutcome::Obstructed),
                    FolderPath::Barred => return Err(barred()),
                },
                FolderPath::File => return Ok(MoveOutcome::Obstructed),
                FolderPath::Barred => return Err(barred()),
            }
            let renamed = match (absent, lease.features.hardlink, lease.features.posix_rename) {
                (true, true, _) => match lease.link(&from, &to).await {
                    Ok(()) => Ok(()),
                    Err(failure @ (Failure::Lost(_) | Failure::Missing)) => Err(failure),
                    // The name is taken, or the file system has no hard links: servers do not report which.
                    Err(_) => self.rename_to_free(lease, &from, &to).await,
                },
                (true, false, _) => self.rename_to_free(lease, &from, &to).await,
                (false, _, true) => lease.replace(&from, &to).await,
                (false, _, false) => lease.rename(&from, &to).await,
            };
            let failure = match renamed {
                Ok(()) => return Ok(MoveOutcome::There),
                Err(failure @ Failure::Lost(_)) => return Err(failure),
                Err(failure) => failure,
            };
            // The server does not report the reason, so it is found by checking the paths.
            let draft = lease.lstat(&from).await?;
            let found = match lease.lstat(&to).await {
                // The check itself was refused, for example below a path that is no longer a folder.
                Err(Failure::Refused(_)) => None,
                found => found?,
            };
            match (draft, found) {
                // An earlier attempt, whose reply was lost, has renamed the draft: no other client knows its
                // name.
                (None, Some(_)) if repeated => return Ok(MoveOutcome::There),
                (None, _) => return Err(Failure::Refused("what was written is gone".to_owned())),
                (Some(_), Some(found)) if found.kind == EntryKind::Folder => {
                    return Ok(MoveOutcome::IsFolder);
                }
                (Some(_), Some(_)) if absent && repeated && self.is_linked(lease, &from, &to).await? => {
                    return Ok(MoveOutcome::There);
                }
                (Some(_), Some(_)) if absent => return Ok(MoveOutcome::Exists),
                (Some(_), Some(_)) if !lease.features.posix_rename => return Err(Failure::Unsupported),
                // The folders in the path may have changed since they were checked.
                _ if matches!(failure, Failure::Missing | Failure::Refused(_)) => {}
                _ => return Err(failure),
            }
            last = failure;
            self.remote.forget_way(parent(path));
        }
        Err(last)
    }

    /// Renames to a free name, on servers without hard links.
    async fn rename_to_free(
        &self,
        lease: &Lease,
        from: &[u8],
        to: &[u8],
    ) -> std::result::Result<(), Failure> {
        let _alone = self.remote.one_by_one.lock().await;
        match lease.lstat(to).await? {
            Some(_) => Err(Failure::Refused("the name is taken".to_owned())),
            None => lease.rename(from, to).await,
        }
    }

    /// Returns whether both names belong to one file: then a change of the time of one shows in the other.
    async fn is_linked(&self, lease: &Lease, from: &[u8], to: &[u8]) -> std::result::Result<bool, Failure> {
        let seconds =
            |stat: &Stat| stat.modified.and_then(|time| u32::try_from(time.seconds()).ok()).unwrap_or(0);
        let Some(was) = self.stat.as_ref().map(seconds) else { return Ok(false) };
        let mark = if was > 1 { was - 1 } else { was + 1 };
        lease.set_modified(from, mark).await?;
        let found = lease.lstat(to).await?;
        lease.set_modified(from, was).await?;
        Ok(found.as_ref().map(seconds) == Some(mark))
    }
}

#[async_trait]
impl Draft for SftpDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let Some(writing) = &mut self.writing else {
            return Err(Failure::Lost("a draft that has ended is not written to").during("writing a file"));
        };
        let length: usize = bytes.iter().map(Bytes::len).sum();
        let written = writing.write(bytes).await;
        explained(&self.remote, writing, written, length).await
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        if let Some(mut writing) = self.writing.take() {
            let settled = writing.settle().await;
            explained(&self.remote, &writing, settled, 1).await?;
            let size = writing.position();
            let (synced, stat) = futures_util::future::join(writing.open.sync(), async {
                writing.open.stat_later().await?.await
            })
            .await;
            explained(&self.remote, &writing, synced, 1).await?;
            // `stat` was requested after the sync, but servers may reply in any order: the size shows whether
            // all bytes were written before it.
            let stat =
                stat.and_then(super::requests::stat).map_err(|failure| failure.during("writing a file"))?;
            writing.open.close().await.map_err(|failure| failure.during("writing a file"))?;
            if stat.size != size {
                return Err(Failure::Refused("a file has not the size that was written".to_owned())
                    .during("writing a file"));
            }
            self.stat = Some(stat);
        }
        match &self.stat {
            Some(stat) => Ok(Some(stat.clone())),
            None => Err(Failure::Lost("its writing failed before").during("writing a file")),
        }
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        let Some(stat) = self.finish().await? else {
            return Err(Failure::Lost("it was not finished").during("publishing a file"));
        };
        let attempts = self.remote.pool.settings().attempts;
        for attempt in 1.. {
            let lease = self.remote.pool.lease().await?;
            match self.place(&lease, path, absent, attempt > 1).await {
                Ok(MoveOutcome::There) => {
                    // A draft that was published by a link still has its first name, which is removed now or
                    // later.
                    self.is_gone = !(absent && lease.features.hardlink)
                        || lease.remove(&self.remote.at(&self.at)).await.is_ok();
                    return Ok(Published::As(stat));
                }
                Ok(MoveOutcome::IsFolder) => return Ok(Published::IsFolder(self)),
                Ok(MoveOutcome::Obstructed) => return Ok(Published::Obstructed(self)),
                Ok(MoveOutcome::Exists) => return Ok(Published::Exists(self)),
                Err(Failure::Lost(why)) if attempt < attempts => {
                    tracing::debug!(why, attempt, "publishing a file was lost on the way; it is tried again");
                    tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
                }
                Err(failure) => return Err(failure.during("publishing a file")),
            }
        }
        Err(Failure::Lost("it has no attempts").during("publishing a file"))
    }

    async fn discard(mut self: Box<Self>) {
        self.is_gone = true;
        drop(self.writing.take());
        if !self.stays {
            discard(&self.remote, &self.at).await;
        }
    }
}

impl Drop for SftpDraft {
    fn drop(&mut self) {
        if self.is_gone || self.stays {
            return;
        }
        drop(self.writing.take());
        let (remote, at) = (self.remote.clone(), std::mem::take(&mut self.at));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { discard(&remote, &at).await });
        }
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
    let path = &remote.at(at);
    let removed = remote.repeat("removing a draft", |lease, _| async move {
        match lease.remove(path).await {
            Err(Failure::Missing) => Ok(()),
            removed => removed,
        }
    });
    removed
        .await
        .inspect_err(|error| tracing::debug!(%error, "a draft was not removed; it is tried again later"))
        .is_ok()
}

/// Opens a file in the driver's own folder, which is created if it is missing.
pub(super) async fn open_own(remote: &Remote, at: &str, flags: u32) -> Result<Open> {
    let path = &remote.at(at);
    remote
        .repeat("making a file", |lease, _| async move {
            match remote.way(&lease, parent(at)).await? {
                FolderPath::Clear => {}
                FolderPath::Missing => match remote.make_folders(&lease, parent(at)).await? {
                    FolderPath::Clear => {}
                    _ => return Err(unmakable(remote, parent(at))),
                },
                _ => return Err(barred()),
            }
            match Open::file(lease, path, flags).await {
                Err(Failure::Missing) if flags & MADE_IF_MISSING != 0 => {
                    // Another program removed the folder. It is checked again and created by the next
                    // attempt.
                    remote.forget_way(parent(at));
                    Err(Failure::Lost("our own folder was removed"))
                }
                opened => opened,
            }
        })
        .await
}

/// Finds the reason of a failed write: version 3 has no code for a full disk.
pub(super) async fn explained<T>(
    remote: &Remote,
    writing: &Writing,
    result: std::result::Result<T, Failure>,
    bytes: usize,
) -> Result<T> {
    let failure = match result {
        Ok(done) => return Ok(done),
        Err(Failure::Refused(_)) if writing.open.lease.is_full(&remote.at(""), bytes as u64).await => {
            Failure::Full
        }
        Err(failure) => failure,
    };
    Err(failure.during("writing a file"))
}

/// The error names the whole path: the most likely reason is a `root` in which the user may not create
/// folders.
pub(super) fn unmakable(remote: &Remote, folder: &str) -> Failure {
    Failure::Refused(format!("the folder {} cannot be made", String::from_utf8_lossy(&remote.at(folder))))
}

pub(super) fn barred() -> Failure {
    Failure::Refused("a link, or what is neither file nor folder, is in the way".to_owned())
}
