//! FTP servers, with or without TLS. The client is the driver's own: one control connection, and one data
//! connection for each transfer.
//!
//! This driver owns connections and the meaning of commands; TLS is done by `rustls`. It knows nothing of S3.
//!
//! Guarantees and their limits:
//! - a file is replaced in one step on servers whose RNTO does that, and not at all on others (see [`draft`],
//!   [`probe`]);
//! - a reader gets the file that was there when it was opened, or an error. Changes made outside the gateway
//!   are detected by size and time, in seconds (see [`reading`]);
//! - the server decides whether it follows symbolic links, and mostly does not report which names are links.
//!   It has to confine its users;
//! - nothing can be flushed: a file counts as stored when the server confirms the transfer.

mod connect;
mod data;
mod draft;
mod facts;
mod failure;
mod formats;
mod link;
mod listing;
mod pool;
mod probe;
mod quirks;
mod readers;
mod reading;
mod remote;
mod reply;
mod session;

use crate::backend::{
    Traffic,
    codec::{Names, join},
    tree::files::{Draft, DraftName, Entry, Files, OWN, Opened, Service, Stat},
};
use crate::{
    model::{Secret, Span},
    store::Result,
};
use async_trait::async_trait;
use draft::FtpDraft;
use facts::RemoteEntry;
use failure::Failure;
use futures_util::stream::BoxStream;
use pool::{Lease, Use};
use reading::Reading;
use remote::{FolderPath, Remote, look};
use std::{path::PathBuf, sync::Arc, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// The password and all files are sent in clear text.
    None,
    /// The connection begins in clear text and changes to TLS before the login.
    Explicit,
    /// The connection uses TLS from the first byte.
    Implicit,
}

#[derive(Debug, Clone)]
pub struct FtpSettings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<Secret>,
    /// An absolute path, or one relative to the user's home directory on the server.
    pub root: String,
    pub tls: Tls,
    /// PEM certificates to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    /// A reply, or the next bytes of a transfer, must arrive within this time.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// The maximum number of attempts for an operation that may be repeated.
    pub attempts: u32,
    pub max_connections: usize,
}

#[derive(Debug)]
pub struct FtpFiles {
    remote: Arc<Remote>,
}

impl FtpFiles {
    /// Opens the backend. The first operation makes the first connection.
    pub fn open(settings: FtpSettings) -> Result<Self> {
        if settings.tls == Tls::None && settings.password.is_some() {
            tracing::warn!(host = %settings.host, "FTP without TLS: the password and all files travel in clear text");
        }
        Ok(Self { remote: Remote::new(settings)? })
    }

    async fn seen(&self, path: &str, what: &str) -> Result<Option<RemoteEntry>> {
        self.remote.repeat(Use::Short, what, |mut lease, _| async move { look(&mut lease, path).await }).await
    }
}

impl Lease {
    /// Sends RNFR and RNTO, with paths below the root.
    async fn rename(&mut self, from: &str, to: &str) -> std::result::Result<(), Failure> {
        let (from, to) = (self.at(from), self.at(to));
        self.tell("RNFR", &from).await?;
        self.tell("RNTO", &to).await.map(drop)
    }
}

#[async_trait]
impl Files for FtpFiles {
    fn service(&self) -> Service {
        let flows = self.remote.pool.flows();
        Service {
            names: Names::Lines,
            folds_names: false,
            max_size: i64::MAX as u64,
            precision: 1000,
            exact_tags: false,
            read_only: false,
            flows,
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.remote.pool.meter.traffic())
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        Ok(self.seen(path, "looking at a file").await?.map(|seen| seen.stat))
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        let reading = Reading::open(&self.remote, path, ahead).await?;
        Ok(reading.map(|reading| Box::new(reading) as Box<dyn Opened>))
    }

    async fn create(&self, name: &DraftName, _path: &str, _size: Option<u64>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(FtpDraft::create(&self.remote, name).await?))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let _alone = self.remote.locks.lock(&from.to_owned()).await;
        let renamed = self.remote.repeat(Use::Short, "renaming a file", |mut lease, repeated| async move {
            match look(&mut lease, from).await? {
                Some(seen) if seen.is_file() => {
                    self.remote.readers.change(from);
                    match lease.rename(from, to).await {
                        Ok(()) => {}
                        // The file may have been removed, or replaced by a folder.
                        Err(failure @ Failure::Refused(_)) => {
                            return if look(&mut lease, from).await?.is_some_and(|seen| seen.is_file()) {
                                Err(failure)
                            } else {
                                Ok(None)
                            };
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                // The previous attempt renamed the file, and only its reply was lost.
                None if repeated => {}
                _ => return Ok(None),
            }
            Ok(look(&mut lease, to).await?.filter(RemoteEntry::is_file).map(|seen| seen.stat))
        });
        renamed.await
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let _alone = self.remote.locks.lock(&path.to_owned()).await;
        let removed = self.remote.repeat(Use::Short, "removing a file", |mut lease, repeated| async move {
            match look(&mut lease, path).await? {
                Some(seen) if seen.is_file() => {
                    self.remote.readers.change(path);
                    let at = lease.at(path);
                    match lease.tell("DELE", &at).await {
                        Ok(_) => Ok(true),
                        // The file may have been removed, or replaced by a folder.
                        Err(failure @ Failure::Refused(_)) => match look(&mut lease, path).await? {
                            Some(seen) if seen.is_file() => Err(failure),
                            _ => Ok(repeated),
                        },
                        Err(failure) => Err(failure),
                    }
                }
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
        match self.seen(path, "looking at a folder").await? {
            None => return Ok(true),
            Some(seen) if !seen.is_folder() => return Ok(false),
            Some(_) => {}
        }
        // Some servers remove a folder with its content: RMD is not sent to them.
        if !self.remote.quirks().await?.keeps_full_folders {
            return Ok(false);
        }
        let removed = self.remote.repeat(Use::Short, "removing a folder", |mut lease, _| async move {
            let at = lease.at(path);
            match lease.tell("RMD", &at).await {
                Ok(_) => Ok(true),
                Err(failure) if failure.is_passing() => Err(failure),
                // The server reports that the folder has entries, or it is gone already.
                Err(_) => Ok(look(&mut lease, path).await?.is_none()),
            }
        });
        removed.await
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let made = self.remote.repeat(Use::Short, "making a folder", |mut lease, _| async move {
            if path.is_empty() {
                return self.remote.make_root(&mut lease).await;
            }
            match self.remote.make_folders(&mut lease, path).await? {
                FolderPath::Clear => Ok(()),
                FolderPath::Missing => Err(remote::unmakable(&lease, path)),
                FolderPath::Barred => {
                    Err(Failure::Refused("something else has the name of a folder".to_owned()))
                }
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
}

fn drafts() -> String {
    format!("{OWN}/tmp")
}
