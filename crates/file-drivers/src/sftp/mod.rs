//! SFTP servers: files over SSH. The client is the driver's own; it speaks version 3 of the protocol and
//! OpenSSH's extensions.
//!
//! This driver owns connections, authentication of both sides, and the meaning of requests; SSH itself is
//! done by `russh`. It knows nothing of S3.
//!
//! Guarantees and their limits:
//! - paths never follow a symbolic link (see [`remote`]), and a file is checked again after it was opened for
//!   reading;
//! - a file is replaced in one step, or not at all on servers that cannot do that (see [`draft`]);
//! - times have a precision of seconds: a file that is changed in place while it is read, with the same size
//!   and second, is not detected.

mod connect;
mod draft;
mod failure;
mod hosts;
mod listing;
mod packet;
mod pool;
mod reading;
mod remote;
mod requests;
mod session;
mod slots;
mod writing;

pub use hosts::HostKeys;

use crate::backend::{
    Traffic,
    codec::{Names, join},
    tree::files::{Draft, DraftName, Entry, EntryKind, Files, OWN, Opened, Service, Slots, Stat},
};
use crate::{
    model::{Secret, Span},
    store::Result,
};
use async_trait::async_trait;
use draft::SftpDraft;
use failure::Failure;
use futures_util::stream::BoxStream;
use packet::FOR_READING;
use reading::Reading;
use remote::{FolderPath, ROUNDS, Remote, parent};
use requests::Open;
use slots::SftpSlots;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The number of bytes in one copy request: the server answers no other request of the session meanwhile.
const COPIED_AT_ONCE: u64 = 32 << 20;

#[derive(Debug, Clone)]
pub struct SftpSettings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<Secret>,
    /// The text of a private key, in the format of OpenSSH, PEM or PuTTY.
    pub private_key: Option<Secret>,
    pub passphrase: Option<Secret>,
    /// The socket of an SSH agent.
    pub agent: Option<PathBuf>,
    pub host_keys: HostKeys,
    /// An absolute path, or one relative to the user's home directory on the server.
    pub root: String,
    /// The server must send something within this time.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// The maximum number of attempts for an operation that may be repeated.
    pub attempts: u32,
    pub max_connections: usize,
    /// The maximum number of operations and open files at once.
    pub max_requests: usize,
}

#[derive(Debug)]
pub struct SftpFiles {
    remote: Arc<Remote>,
    slots: SftpSlots,
}

impl SftpFiles {
    /// Opens the backend. The first operation makes the first connection.
    pub fn open(settings: SftpSettings) -> Result<Self> {
        let remote = Remote::new(settings)?;
        Ok(Self { slots: SftpSlots { remote: remote.clone() }, remote })
    }

    /// Opens a regular file without following links, and checks that the opened file is the one that was
    /// checked before.
    async fn opened(
        &self,
        lease: pool::Lease,
        path: &str,
        ahead: Option<Span>,
    ) -> std::result::Result<Option<Reading>, Failure> {
        let at = self.remote.at(path);
        let mut last = Failure::Lost("the file was replaced again and again");
        for _ in 0..ROUNDS {
            let Some(seen) = self.seen(&lease, path).await?.filter(|seen| seen.kind == EntryKind::File)
            else {
                return Ok(None);
            };
            let open = match requests::present(Open::file(lease.clone(), &at, FOR_READING).await) {
                Ok(Some(open)) => open,
                Ok(None) => return Ok(None),
                Err(failure @ Failure::Refused(_)) => {
                    // The path may have changed since it was checked.
                    last = failure;
                    self.remote.forget_way(parent(path));
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let reading = Reading::begin(open, ahead).await?;
            // Between check and open, the path was replaced by another file or by a link, which must not be
            // followed.
            if *reading.stat() == seen {
                return Ok(Some(reading));
            }
            self.remote.forget_way(parent(path));
        }
        Err(last)
    }

    async fn seen(&self, lease: &pool::Lease, path: &str) -> std::result::Result<Option<Stat>, Failure> {
        let (at, mut last) = (self.remote.at(path), Failure::Missing);
        for _ in 0..ROUNDS {
            let (way, found) =
                futures_util::future::join(self.remote.way(lease, parent(path)), lease.lstat(&at)).await;
            match (way?, found) {
                // This happens when a folder in the path was replaced by a file a moment ago.
                (FolderPath::Clear, Err(failure @ Failure::Refused(_))) => last = failure,
                (FolderPath::Clear, found) => return found,
                // Entries behind a link are never read.
                (FolderPath::Missing | FolderPath::File | FolderPath::Barred, _) => return Ok(None),
            }
            self.remote.forget_way(parent(path));
        }
        Err(last)
    }
}

#[async_trait]
impl Files for SftpFiles {
    fn service(&self) -> Service {
        Service {
            names: Names::Posix,
            folds_names: false,
            max_size: i64::MAX as u64,
            precision: 1000,
            exact_tags: false,
            read_only: false,
            flows: 0,
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.remote.traffic())
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        self.remote.repeat("looking at a file", |lease, _| async move { self.seen(&lease, path).await }).await
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        let reading =
            self.remote.repeat("opening a file", |lease, _| self.opened(lease, path, ahead)).await?;
        Ok(reading.map(|reading| Box::new(reading) as Box<dyn Opened>))
    }

    async fn create(&self, name: &DraftName, _path: &str, _size: Option<u64>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(SftpDraft::create(self.remote.clone(), draft_at(name)).await?))
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        if !self.remote.pool.lease().await?.features.copy_data {
            return Ok(None);
        }
        let source = self.remote.at(from);
        let mut draft = SftpDraft::create(self.remote.clone(), draft_at(name)).await?;
        let Some(writing) = draft.writing() else { return Ok(None) };
        let copied = async {
            let lease = writing.open.lease.clone();
            if !self.seen(&lease, from).await?.is_some_and(|seen| is_file(&seen, expected)) {
                return Ok(false);
            }
            let Some(open) = requests::present(Open::file(lease, &source, FOR_READING).await)? else {
                return Ok(false);
            };
            if !is_file(&open.stat().await?, expected) {
                return Ok(false);
            }
            let mut offset = 0;
            while offset < expected.size {
                let length = (expected.size - offset).min(COPIED_AT_ONCE);
                writing.open.copy_from(open.handle(), offset, length).await?;
                offset += length;
            }
            writing.seek(expected.size).await?;
            Ok(is_file(&open.stat().await?, expected) && writing.open.stat().await?.size == expected.size)
        };
        let copied = match copied.await {
            Err(Failure::Unsupported) => Ok(false),
            copied => copied,
        };
        let is_copied = draft::explained(&self.remote, writing, copied, 1).await?;
        if is_copied {
            Ok(Some(Box::new(draft)))
        } else {
            Box::new(draft).discard().await;
            Ok(None)
        }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let (old, new) = (&self.remote.at(from), &self.remote.at(to));
        let renamed = self.remote.repeat("renaming a file", |lease, repeated| async move {
            match self.seen(&lease, from).await? {
                Some(stat) if stat.kind == EntryKind::File => match lease.rename(old, new).await {
                    Ok(()) => Ok(Some(stat)),
                    Err(Failure::Missing) => Ok(None),
                    Err(failure) => Err(failure),
                },
                // The previous attempt was carried out, and only its reply was lost.
                None if repeated => Ok(lease.lstat(new).await?.filter(|stat| stat.kind == EntryKind::File)),
                _ => Ok(None),
            }
        });
        renamed.await
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let at = &self.remote.at(path);
        let removed = self.remote.repeat("removing a file", |lease, repeated| async move {
            match self.seen(&lease, path).await? {
                Some(stat) if stat.kind == EntryKind::File => match requests::present(lease.remove(at).await)
                {
                    Ok(removed) => Ok(removed.is_some() || repeated),
                    // The file may have been removed, or replaced by a folder.
                    Err(failure @ Failure::Refused(_)) => match self.seen(&lease, path).await? {
                        Some(stat) if stat.kind == EntryKind::File => Err(failure),
                        _ => Ok(repeated),
                    },
                    Err(failure) => Err(failure),
                },
                Some(_) => Ok(false),
                None => Ok(repeated),
            }
        });
        removed.await
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        if path.is_empty() {
            return Ok(false);
        }
        let at = &self.remote.at(path);
        let removed = self.remote.repeat("removing a folder", |lease, _| async move {
            match self.seen(&lease, path).await? {
                None => return Ok(true),
                Some(stat) if stat.kind != EntryKind::Folder => return Ok(false),
                Some(_) => {}
            }
            self.remote.forget(path);
            match lease.remove_folder(at).await {
                Ok(()) | Err(Failure::Missing) => Ok(true),
                Err(failure @ Failure::Lost(_)) => Err(failure),
                // The folder has entries, as far as servers report the reason.
                Err(_) => Ok(false),
            }
        });
        removed.await
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let made = self.remote.repeat("making a folder", |lease, _| async move {
            if path.is_empty() {
                return self.remote.make_root(&lease).await;
            }
            match self.remote.make_folders(&lease, path).await? {
                FolderPath::Clear => Ok(()),
                FolderPath::Missing => Err(draft::unmakable(&self.remote, path)),
                FolderPath::File => Err(Failure::Refused("a file has the name of a folder".to_owned())),
                FolderPath::Barred => Err(draft::barred()),
            }
        });
        made.await
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        listing::list(&self.remote, folder)
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        let folder = drafts();
        for entry in listing::whole(&self.remote, &folder).await? {
            if entry.name.starts_with(instance) {
                self.remove(&join(&folder, &entry.name)).await?;
            }
        }
        Ok(())
    }

    fn slots(&self) -> Option<&dyn Slots> {
        Some(&self.slots)
    }
}

fn drafts() -> String {
    format!("{OWN}/tmp")
}

fn draft_at(name: &DraftName) -> String {
    format!("{OWN}/tmp/{}", name.0)
}

fn is_file(stat: &Stat, expected: &Stat) -> bool {
    stat.kind == EntryKind::File && stat.is_same(expected)
}
