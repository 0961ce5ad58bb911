//! Files in folders of a WebDAV server (RFC 4918): Nextcloud, ownCloud, Apache, rclone, WsgiDAV and similar
//! ones.
//!
//! A file is uploaded into the driver's own folder, and MOVE makes it the file of a path. The server decides
//! how atomic that is: RFC 4918 lets it delete the replaced file before it moves the new one, and most
//! servers do, so for a moment there is no file. Readers of this process do not notice ([`Claims`]): a file
//! counts as missing only if no publishing was in progress meanwhile. Other programs may see that moment, and
//! if the server crashes in it, the replaced file is lost.
//!
//! DELETE of a folder, and MOVE onto one, remove its content. So nothing is removed or replaced before
//! PROPFIND has reported what it is, this process makes no other change in between, and the server is asked
//! to check the strong tag of a file if it has one. Against other writers there is no further protection: a
//! file that another program creates in an empty folder at the moment of its removal is lost. For `absent`
//! the server is asked not to overwrite, which most servers check before they move.
//!
//! | file | owns |
//! |---|---|
//! | `client` | requests |
//! | `access` | credentials |
//! | `refusal` | statuses as kinds of errors |
//! | `hrefs` | addresses in replies |
//! | `properties` | PROPFIND |
//! | `reading` | downloads |
//! | `draft` | uploads |

mod access;
mod client;
mod draft;
mod hrefs;
mod properties;
mod reading;
mod refusal;

pub use access::Access;

use crate::backend::{
    claims::Claims,
    codec::join,
    tree::{
        files::{Draft, DraftName, Entry, EntryKind, FLOWS, Files, OWN, Opened, Service, Stat},
        late::Late,
    },
    wire::{Again, Wire, WireSettings},
};
use crate::{
    backend::{Traffic, codec::Names},
    model::{Endpoint, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use client::Client;
use draft::{Folders, WebdavDraft};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use http::StatusCode;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::OnceCell;

/// How often a file is opened again because it was replaced while it was opened.
const OPENINGS: usize = 4;

#[derive(Debug, Clone)]
pub struct WebdavSettings {
    /// The address of the folder that is the root. It has to exist.
    pub url: Endpoint,
    pub access: Access,
    /// Whether names with `?`, `#` or `;` are escaped.
    pub escapes_marks: bool,
    pub wire: WireSettings,
}

#[derive(Clone)]
pub struct WebdavFiles {
    client: Arc<Client>,
    claims: Arc<Claims>,
    /// Whether the driver's own folder was created or found. Servers may refuse to create it twice at once.
    own_folder: Arc<AtomicBool>,
    making_own_folder: Arc<tokio::sync::Mutex<()>>,
    /// Whether the server handles addresses with escaped `?`, `#` and `;` correctly; found by a probe.
    marks: Arc<OnceCell<bool>>,
    /// Whether the server does not accept bodies of unknown length: it refused one, or kept an empty file.
    wants_lengths: Arc<AtomicBool>,
    /// Drafts that could not be removed yet.
    late: Arc<Late>,
    service: Service,
}

impl WebdavFiles {
    /// Creates the driver without a request to the server.
    pub fn new(settings: WebdavSettings) -> Result<Self> {
        let client = Client::new(Wire::new(settings.wire)?, settings.access.signer()?, settings.url)?;
        let names = if settings.escapes_marks { Names::Unmarked } else { Names::Printable };
        let service = Service {
            names,
            folds_names: false,
            max_size: u64::MAX,
            precision: 1000,
            exact_tags: false,
            read_only: false,
            flows: FLOWS,
        };
        Ok(Self {
            client: Arc::new(client),
            claims: Arc::default(),
            own_folder: Arc::default(),
            making_own_folder: Arc::default(),
            marks: Arc::default(),
            wants_lengths: Arc::default(),
            late: Arc::default(),
            service,
        })
    }

    /// Returns what the server reports of a path now.
    async fn look(&self, path: &str) -> Result<Option<Stat>> {
        properties::stat(&self.client, path).await
    }

    /// Returns whether MOVE works with `?`, `#` and `;` in names. Some servers decode the `Destination`
    /// before they parse it, so that the file would get only the part of its name before such a mark. A draft
    /// is moved once to find out.
    async fn understands_marks(&self, draft: &str) -> Result<bool> {
        let tried = self.marks.get_or_try_init(|| async {
            let marked = format!("{draft};a#b?c");
            let there = self.client.file("MOVE", draft).to(&marked, false).send(Again::OnlyIfRefused).await?;
            if !refusal::is_done(&there) || self.look(&marked).await?.is_none() {
                return Ok(false);
            }
            let back = self.client.file("MOVE", &marked).to(draft, false).send(Again::OnlyIfRefused).await?;
            refusal::done(back).await.map(|()| true)
        });
        tried.await.copied()
    }

    async fn make_own_folder(&self, anew: bool) -> Result<()> {
        if anew {
            self.forget_own_folder();
        }
        if !self.own_folder.load(Ordering::Acquire) {
            let _making = self.making_own_folder.lock().await;
            if self.own_folder.load(Ordering::Acquire) {
                return Ok(());
            }
            self.make(&drafts()).await?;
            self.own_folder.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn forget_own_folder(&self) {
        self.own_folder.store(false, Ordering::Release);
    }

    async fn make_parents(&self, path: &str) -> Result<Folders> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.make(parent).await,
            // The driver does not create the root.
            None => Ok(Folders::There),
        }
    }

    /// Creates a folder and those above it. The innermost one is tried first, so mostly one request is
    /// enough.
    async fn make(&self, path: &str) -> Result<Folders> {
        let mut missing = vec![path];
        let mut made = Folders::There;
        // Each folder is tried at most twice.
        for _ in 0..2 * (path.matches('/').count() + 1) {
            let Some(folder) = missing.last().copied() else { return Ok(made) };
            let reply = self.client.folder("MKCOL", folder).send(Again::Harmless).await?;
            if refusal::is_done(&reply) {
                made = Folders::Made;
                missing.pop();
                continue;
            }
            let refusal = refusal::read(reply).await;
            if matches!(refusal.status.as_u16(), 401 | 423 | 429 | 503 | 507) {
                return Err(refusal.into());
            }
            // Servers use different statuses for a folder that exists and for a missing parent.
            match (self.look(folder).await?.map(|found| found.kind), folder.rsplit_once('/')) {
                (Some(EntryKind::Folder), _) => {
                    missing.pop();
                }
                (Some(_), _) => return Ok(Folders::Obstructed),
                (None, Some((parent, _))) if made == Folders::There => missing.push(parent),
                (None, _) => return Err(refusal.into()),
            }
        }
        if missing.is_empty() {
            Ok(made)
        } else {
            Err(StoreError::new(StoreErrorKind::Busy, "others change these folders all the time"))
        }
    }

    /// Sends DELETE. The caller owns the path and has seen a file there. `false`: the file has another tag
    /// now.
    async fn delete(&self, path: &str, tag: Option<&str>) -> Result<bool> {
        let reply = self.client.file("DELETE", path).only_if(tag).send(Again::Harmless).await?;
        match reply.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(true),
            StatusCode::PRECONDITION_FAILED if tag.is_some() => Ok(false),
            _ => refusal::done(reply).await.map(|()| true),
        }
    }
}

fn drafts() -> String {
    join(OWN, "tmp")
}

fn draft_path(name: &DraftName) -> String {
    join(&drafts(), &name.0)
}

impl fmt::Debug for WebdavFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebdavFiles").field("client", &self.client).finish_non_exhaustive()
    }
}

#[async_trait]
impl Files for WebdavFiles {
    fn service(&self) -> Service {
        if self.wants_lengths.load(Ordering::Acquire) {
            Service { flows: 0, ..self.service }
        } else {
            self.service
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.client.traffic())
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        let watch = self.claims.watch(path);
        let found = self.look(path).await?;
        if found.is_some() || watch.is_unchanged() {
            return Ok(found);
        }
        let _claim = self.claims.share(path).await;
        self.look(path).await
    }

    /// Requests the properties and the first bytes at once. A reply that does not match the properties is
    /// dropped.
    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        for attempt in 1.. {
            let watch = Arc::new(self.claims.watch(path));
            let first = async {
                let span = ahead.filter(|span| !span.is_empty())?;
                reading::get(&self.client, path, span, None).await.ok()
            };
            let (found, first) = tokio::join!(self.stat(path), first);
            let Some(stat) = found?.filter(|stat| stat.kind == EntryKind::File) else { return Ok(None) };
            let ahead = match first.and_then(|reply| Some((reading::extent(&reply, &stat).ok()?, reply))) {
                Some((span, reply)) => {
                    reading::settled(self, path, &stat, &watch, reply).await.ok().map(|reply| (span, reply))
                }
                None => None,
            };
            if ahead.is_some() || watch.is_unchanged() || attempt == OPENINGS {
                return Ok(Some(Box::new(reading::WebdavOpened {
                    files: self.clone(),
                    path: path.to_owned(),
                    stat,
                    watch,
                    ahead,
                })));
            }
        }
        Ok(None)
    }

    async fn create(&self, name: &DraftName, _path: &str, size: Option<u64>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(WebdavDraft::new(self.clone(), name, size)))
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        self.make_own_folder(false).await?;
        let to = draft_path(name);
        let draft = WebdavDraft::stored(self.clone(), name);
        let reply = self
            .client
            .file("COPY", from)
            .header("depth", "0")
            .to(&to, false)
            .send(Again::OnlyIfRefused)
            .await?;
        if !refusal::is_done(&reply) {
            let refusal = refusal::read(reply).await;
            return if matches!(refusal.status.as_u16(), 423 | 429 | 503 | 507) {
                Err(refusal.into())
            } else {
                Ok(None)
            };
        }
        // If the source is unchanged after the copy, it was unchanged during the copy.
        let (source, copy) = tokio::try_join!(self.look(from), self.look(&to))?;
        let whole = copy.is_some_and(|copy| copy.kind == EntryKind::File && copy.size == expected.size);
        if source.is_some_and(|source| source.kind == EntryKind::File && source.is_same(expected)) && whole {
            Ok(Some(Box::new(draft)))
        } else {
            Box::new(draft).discard().await;
            Ok(None)
        }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let _claim = self.claims.own(&[from, to]).await;
        if !self.look(from).await?.is_some_and(|found| found.kind == EntryKind::File) {
            return Ok(None);
        }
        let reply = self.client.file("MOVE", from).to(to, false).send(Again::OnlyIfRefused).await?;
        refusal::done(reply).await?;
        self.look(to).await
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let _claim = self.claims.own(&[path]).await;
        let Some(found) = self.look(path).await? else { return Ok(false) };
        if found.kind != EntryKind::File {
            return Ok(false);
        }
        if self.delete(path, found.tag.as_deref()).await? {
            return Ok(true);
        }
        match self.look(path).await? {
            None => Ok(true),
            // The server does not accept its own tags in a condition.
            Some(again) if again == found => self.delete(path, None).await,
            Some(_) => Err(StoreError::new(StoreErrorKind::Busy, "somebody else changes this file")),
        }
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        // The folder is in use: a file is being published in it, or another task removes it.
        let Some(_claim) = self.claims.try_own(path).await else { return Ok(false) };
        match self.look(path).await? {
            None => return Ok(true),
            Some(found) if found.kind != EntryKind::Folder => return Ok(false),
            Some(_) => {}
        }
        let mut entries = properties::list(self.client.clone(), path.to_owned());
        while let Some(some) = entries.try_next().await? {
            if !some.is_empty() {
                return Ok(false);
            }
        }
        let reply = self.client.folder("DELETE", path).send(Again::OnlyIfRefused).await?;
        match reply.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(true),
            _ => refusal::done(reply).await.map(|()| true),
        }
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let _claim = self.claims.share(path).await;
        match self.make(path).await? {
            Folders::Made | Folders::There => Ok(()),
            Folders::Obstructed => {
                Err(StoreError::new(StoreErrorKind::InvalidRequest, "a file has the name of this folder"))
            }
        }
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        properties::list(self.client.clone(), folder.to_owned())
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        let mut entries = self.list(&drafts());
        while let Some(some) = entries.next().await {
            for entry in some?
                .into_iter()
                .filter(|entry| entry.stat.kind == EntryKind::File && entry.name.starts_with(instance))
            {
                self.delete(&join(&drafts(), &entry.name), None).await?;
            }
        }
        Ok(())
    }
}
