//! The services that OpenDAL's drivers reach, as files in folders. Each service and its properties are a row
//! of [`services`].
//!
//! | file | owns |
//! |---|---|
//! | `services` | the table |
//! | `operators` | OpenDAL's types, one per cargo feature |
//! | `transport`, `hosts`, `pace` | HTTP by the gateway's own client |
//! | `mend` | corrections of OpenDAL's drivers |
//! | `remote` | one operation: panics, limits, repeats, credentials |
//! | `known_folders` | folders that need no second check |
//! | `spool`, `draft` | writing |
//! | `reading`, `listing` | reading |
//! | `failure` | errors |
//! | `guide` | the table as a page |
//!
//! No type of OpenDAL is visible outside this module.

mod draft;
mod failure;
mod guide;
mod hosts;
mod known_folders;
mod listing;
mod mend;
mod operators;
mod pace;
mod reading;
mod remote;
mod services;
mod spool;
mod swift;
mod transport;
mod writing;

pub use guide::page;
pub use services::{Evidence, Service, ServiceOption, service, services};

use crate::backend::{
    Traffic, WireSettings,
    codec::join,
    tree::files::{self, Draft, DraftName, Entry, EntryKind, Files, Opened, Stat},
};
use crate::{
    model::{Endpoint, Secret, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use draft::{OpenDalDraft, drafts};
use futures_util::{TryStreamExt, stream::BoxStream};
use reading::Reading;
use remote::{Limit, Remote, Twice};
use services::{Identity, Removal, Renaming};
use spool::Spooled;
use std::{path::PathBuf, sync::Arc};
use writing::MARKER;

#[derive(Debug, Clone)]
pub struct OpenDalSettings {
    pub service: &'static Service,
    /// The options, by the names in the service's row. Any of them may be secret.
    pub options: Vec<(String, Secret)>,
    pub root: String,
    /// Replacements of hosts.
    pub hosts: Vec<(String, Endpoint)>,
    /// The maximum number of requests per second.
    pub rate: Option<u32>,
    /// The directory of the spool.
    pub spool: PathBuf,
    pub spool_size: u64,
    pub wire: WireSettings,
}

#[derive(Debug)]
pub struct OpenDalFiles {
    remote: Arc<Remote>,
}

impl OpenDalFiles {
    /// Opens the backend. The first operation makes the first connection.
    pub fn open(settings: OpenDalSettings) -> Result<Self> {
        Ok(Self { remote: Remote::open(settings)? })
    }

    fn writes(&self) -> Result<()> {
        match self.remote.service.writing {
            services::Writing::Never(why) => Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                format!("nothing is written here: {why}"),
            )),
            _ => Ok(()),
        }
    }

    async fn is_empty(&self, folder: &str) -> Result<bool> {
        let mut entries = listing::list(&self.remote, folder);
        while let Some(entries) = entries.try_next().await? {
            if !entries.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies a file to another name, by the service or through this process. `false`: it does not exist.
    async fn doubled(&self, from: &str, to: &str) -> Result<bool> {
        if self.remote.service.renaming == Renaming::Copied {
            self.remote.check(to)?;
            self.remote.known_folders.taken(to);
            let copied =
                self.remote.call("copying a file", Twice::Harmless, Limit::Flowing, |operator| async move {
                    operator.copy(from, to).await.map(drop)
                });
            return Ok(copied.await?.is_some());
        }
        let Some(reading) = Reading::open(&self.remote, from, None).await? else { return Ok(false) };
        let (span, mut file) = (Span::whole(reading.stat().size), Spooled::new(&self.remote.spool));
        let mut bytes = Box::new(reading).read(span).await?;
        while let Some(piece) = bytes.try_next().await? {
            file.write(vec![piece]).await?;
        }
        self.remote.upload(to, &Arc::new(file)).await?;
        Ok(true)
    }
}

#[async_trait]
impl Files for OpenDalFiles {
    fn service(&self) -> files::Service {
        let Service { names, folds_names, max_size, precision, identity, .. } = *self.remote.service;
        let (exact_tags, read_only) = (identity == Identity::Tag, self.remote.service.is_read_only());
        files::Service { names, folds_names, max_size, precision, exact_tags, read_only, flows: 0 }
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        self.remote.look(path).await
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        Ok(Reading::open(&self.remote, path, ahead)
            .await?
            .map(|reading| Box::new(reading) as Box<dyn Opened>))
    }

    async fn create(&self, name: &DraftName, path: &str, _size: Option<u64>) -> Result<Box<dyn Draft>> {
        self.writes()?;
        self.remote.check(path)?;
        let file = Arc::new(Spooled::new(&self.remote.spool));
        Ok(Box::new(OpenDalDraft { remote: self.remote.clone(), name: name.clone(), file }))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        self.writes()?;
        let remote = &*self.remote;
        let _gate = remote.gate.read().await;
        // All tasks lock names in this order, so that they cannot deadlock.
        let (first, second) = if from < to { (from, to) } else { (to, from) };
        let _first = remote.locks.lock(&first.to_owned()).await;
        let _second = remote.locks.lock(&second.to_owned()).await;
        let Some(stat) = remote.look(from).await?.filter(|stat| stat.kind == EntryKind::File) else {
            return Ok(None);
        };
        if remote.service.renaming == Renaming::Native {
            let renamed =
                remote.call("renaming a file", Twice::OnlyIfRefused, Limit::Short, |operator| async move {
                    operator.rename(from, to).await
                });
            return match renamed.await? {
                Some(()) => remote.look(to).await,
                None => Ok(None),
            };
        }
        if !self.doubled(from, to).await? {
            return Ok(None);
        }
        match remote.look(to).await? {
            Some(new) if new.kind == EntryKind::File && new.size == stat.size => {
                remote.delete(from).await?;
                Ok(Some(new))
            }
            _ => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "renaming a file: its copy is not what it was",
            )),
        }
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        self.writes()?;
        let _lock = self.remote.locks.lock(&path.to_owned()).await;
        if !self.remote.is_file(path).await? {
            return Ok(false);
        }
        self.remote.delete(path).await?;
        Ok(true)
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        self.writes()?;
        let remote = &*self.remote;
        if path.is_empty() {
            return Ok(false);
        }
        let _alone = match remote.service.removal {
            Removal::Recursive => Some(remote.gate.write().await),
            Removal::Empty => None,
        };
        let kind = remote.look(path).await?.map(|stat| stat.kind);
        if kind != Some(EntryKind::Folder) {
            return Ok(kind.is_none());
        }
        if !self.is_empty(path).await? {
            return Ok(false);
        }
        if remote.service.is_flat() {
            remote.delete(&join(path, MARKER)).await?;
        }
        // On flat storage, another program may have created a marker for the folder.
        if !remote.service.is_flat() || remote.look(path).await?.is_some() {
            let removed = remote.delete(&format!("{path}/")).await;
            return match (remote.look(path).await?, removed) {
                (None, _) => Ok(true),
                (Some(_), Ok(())) => Ok(false),
                // The folder may have got an entry meanwhile, which services report in many ways.
                (Some(_), Err(error)) => {
                    if self.is_empty(path).await? {
                        Err(error)
                    } else {
                        Ok(false)
                    }
                }
            };
        }
        Ok(true)
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        self.writes()?;
        let _gate = self.remote.gate.read().await;
        self.remote.make_folder(path).await
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        listing::list(&self.remote, folder)
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.remote.traffic())
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        // On other services drafts are in the spool, and end with the process.
        if self.remote.service.writing != services::Writing::Renamed {
            return Ok(());
        }
        let folder = drafts();
        let entries: Vec<Entry> = listing::list(&self.remote, &folder).try_concat().await?;
        for entry in entries.iter().filter(|entry| entry.name.starts_with(instance)) {
            self.remove(&join(&folder, &entry.name)).await?;
        }
        Ok(())
    }
}
