//! Drafts: bytes in the spool, which are sent to the service when they are published.
//!
//! How a draft gets its name: a lock keeps all other tasks of this process from changing that name, the
//! current file is checked, and then the draft is uploaded in one step ([`Writing::Direct`]), or into the
//! driver's own folder and renamed ([`Writing::Renamed`]). A change of the same name by another program
//! between the check and the upload is not detected: these services have no means to detect it.

use super::{
    remote::{Limit, Remote, Twice},
    services::Writing,
    spool::Spooled,
};
use crate::{
    backend::{
        codec::join,
        tree::files::{Draft, DraftName, EntryKind, OWN, Published, Stat},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{sync::Arc, time::Instant};

pub(super) struct OpenDalDraft {
    pub(super) remote: Arc<Remote>,
    pub(super) name: DraftName,
    pub(super) file: Arc<Spooled>,
}

enum MoveOutcome {
    There(Stat),
    IsFolder,
    Obstructed,
    Exists,
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

pub(super) fn drafts() -> String {
    format!("{OWN}/tmp")
}

impl OpenDalDraft {
    async fn place(&self, path: &str, absent: bool) -> Result<MoveOutcome> {
        let remote = &*self.remote;
        remote.check(path)?;
        let _gate = remote.gate.read().await;
        let _lock = remote.locks.lock(&path.to_owned()).await;
        match remote.look(path).await? {
            Some(stat) if stat.kind == EntryKind::Folder => return Ok(MoveOutcome::IsFolder),
            Some(_) if absent => return Ok(MoveOutcome::Exists),
            Some(_) => {}
            // Flat storage would accept the file and then have both, `a` and `a/b`.
            None if remote.service.is_flat() && remote.obstacle(path).await? => {
                return Ok(MoveOutcome::Obstructed);
            }
            None => {}
        }
        let put = match self.put(path).await {
            Ok(()) => Ok(()),
            // Services report in many ways that a folder in the path is missing or is a file.
            Err(_) if !remote.service.is_flat() && remote.obstacle(path).await? => {
                return Ok(MoveOutcome::Obstructed);
            }
            Err(error) if !remote.service.is_flat() && remote.look(parent(path)).await?.is_none() => {
                remote.make_folder(parent(path)).await?;
                self.put(path).await.map_err(|_| error)
            }
            Err(error) => Err(error),
        };
        put?;
        match remote.look(path).await? {
            Some(stat) if stat.kind == EntryKind::File && stat.size == self.file.size() => {
                remote.known_folders.cleared(parent(path), Instant::now());
                Ok(MoveOutcome::There(stat))
            }
            // Another program replaced the file at once, or the service stored other bytes than it received.
            _ => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "what was written is not what lies there now",
            )),
        }
    }

    async fn put(&self, path: &str) -> Result<()> {
        let remote = &*self.remote;
        match remote.service.writing {
            Writing::Direct => remote.upload(path, &self.file).await,
            Writing::Renamed => {
                let at = &join(&drafts(), &self.name.0);
                remote.upload(at, &self.file).await?;
                let renamed = remote.call(
                    "renaming a file",
                    Twice::OnlyIfRefused,
                    Limit::Short,
                    |operator| async move { operator.rename(at, path).await },
                );
                match renamed.await {
                    Ok(Some(())) => Ok(()),
                    Ok(None) => Err(StoreError::new(
                        StoreErrorKind::Unavailable,
                        "renaming a file: it is gone, or the folder is",
                    )),
                    Err(error) => {
                        if let Err(left) = remote.delete(at).await {
                            tracing::warn!(error = %left, "a draft stays until the next start");
                        }
                        Err(error)
                    }
                }
            }
            Writing::Never(why) => Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                format!("nothing is written here: {why}"),
            )),
        }
    }
}

#[async_trait]
impl Draft for OpenDalDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let file = Arc::get_mut(&mut self.file);
        file.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Internal, "a draft is written to while it is sent")
        })?
        .write(bytes)
        .await
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn publish(self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        Ok(match self.place(path, absent).await? {
            MoveOutcome::There(stat) => Published::As(stat),
            MoveOutcome::IsFolder => Published::IsFolder(self),
            MoveOutcome::Obstructed => Published::Obstructed(self),
            MoveOutcome::Exists => Published::Exists(self),
        })
    }

    async fn discard(self: Box<Self>) {}
}
