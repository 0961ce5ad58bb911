//! Files in folders of Dropbox, by its API v2.
//!
//! A draft is an open upload session. It is invisible, and finishing it creates the file of a path in one
//! step. Dropbox decides whether that may replace a file or needs a free path (`mode`, `strict_conflict`). If
//! it refuses, the session is unchanged and can be finished at another path. A few bytes are held in memory
//! and sent when they are published. Sessions that are never finished expire after days.
//!
//! Every read is of one revision, which cannot change. Every removal names a revision too, and removes
//! nothing if the file has another one.
//!
//! Dropbox treats `a` and `A` as one name. An entry with another spelling is not found here, and conflicts
//! with a draft. Between the check and the finishing of a session, another program could still change the
//! spelling.
//!
//! Removing a folder removes its content. This process makes no change between the check and the removal, and
//! a file that another program created at that moment can be restored at Dropbox.
//!
//! | file | owns |
//! |---|---|
//! | `refusal` | Dropbox's error summaries as kinds of errors |
//! | `item` | what Dropbox reports of a file; its hash |
//! | `drive` | paths and their spelling |
//! | `reading` | downloads |
//! | `draft` | uploads |

mod draft;
mod drive;
mod item;
mod reading;
mod refusal;

use crate::backend::{
    Traffic,
    codec::{Names, join},
    oauth::{Api, Authority, Grant, Tokens},
    pages::Pages,
    tree::files::{Draft, DraftName, Entry, EntryKind, FLOWS, Files, OWN, Opened, Service, Stat},
    wire::{Again, Wire, WireSettings},
};
use crate::{
    model::{Endpoint, Secret, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use draft::DropboxDraft;
use drive::{Changed, Drive, FolderPath, Look};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use serde_json::json;
use std::sync::Arc;

/// The scope: reading and writing files, folders and their metadata.
pub const SCOPE: &str = "files.metadata.read files.metadata.write files.content.read files.content.write";

/// The largest file: "350 GB".
const LARGEST: u64 = 350_000_000_000;
/// How often a removal is repeated because other programs replace the file.
const ROUNDS: usize = 4;

#[derive(Debug, Clone)]
pub struct DropboxSettings {
    /// The address of the functions that exchange JSON only.
    pub endpoint: Endpoint,
    /// The address of the functions that receive or return bytes.
    pub content_endpoint: Endpoint,
    /// The endpoint for tokens.
    pub token_endpoint: Endpoint,
    /// The id of the application. `refresh_token` is what a user has granted to it.
    pub app_key: String,
    pub app_secret: Option<Secret>,
    pub refresh_token: Secret,
    /// The folder that is the root; it is created if it is missing.
    pub root: String,
    pub wire: WireSettings,
}

#[derive(Debug, Clone)]
pub struct DropboxFiles {
    drive: Arc<Drive>,
}

impl DropboxFiles {
    /// Creates the driver without a request to Dropbox.
    pub fn new(settings: DropboxSettings) -> Result<Self> {
        let root = settings.root.trim_matches('/').to_owned();
        if root.split('/').any(|name| matches!(name, "." | "..") || (name.is_empty() && !root.is_empty())) {
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, "the root is no path of folders"));
        }
        let root = if root.is_empty() { root } else { format!("/{root}") };
        let grant = Grant::Refresh {
            client_id: settings.app_key,
            client_secret: settings.app_secret,
            refresh_token: settings.refresh_token,
        };
        let authority =
            Authority { name: "Dropbox", url: settings.token_endpoint, scope: String::new(), renewals: None };
        let tokens = Tokens::new(Wire::new(settings.wire.clone())?, authority, grant)?;
        let api = Api::new(Wire::new(settings.wire)?, tokens, settings.endpoint);
        Ok(Self { drive: Arc::new(Drive::new(api, settings.content_endpoint, root)) })
    }
}

fn drafts() -> String {
    join(OWN, "tmp")
}

#[async_trait]
impl Files for DropboxFiles {
    fn service(&self) -> Service {
        Service {
            names: Names::Dropbox,
            folds_names: true,
            max_size: LARGEST,
            precision: 1000,
            exact_tags: true,
            read_only: false,
            flows: FLOWS,
        }
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        if path.is_empty() {
            return Ok(Some(Stat { kind: EntryKind::Folder, size: 0, modified: None, tag: None, md5: None }));
        }
        Ok(match self.drive.look(path).await? {
            Look::DropboxItem(item) => Some(item.stat()),
            Look::Nothing | Look::Spelled => None,
        })
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        if path.is_empty() {
            return Ok(None);
        }
        let Some(item) = self.drive.file(path).await? else { return Ok(None) };
        Ok(Some(Box::new(reading::DropboxOpened::new(self.drive.clone(), &item, ahead).await)))
    }

    async fn create(&self, _name: &DraftName, _path: &str, _size: Option<u64>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(DropboxDraft::new(self.drive.clone())))
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        let Some(source) = self.drive.file(from).await?.filter(|item| item.stat().is_same(expected)) else {
            return Ok(None);
        };
        // A copy that Dropbox made can be moved only to a free path. To replace a file, its bytes have to
        // pass through this process, so the default is used.
        if let Look::DropboxItem(_) | Look::Spelled = self.drive.look(path).await? {
            return Ok(None);
        }
        let place = join(&drafts(), &name.0);
        let change = json!({ "from_path": self.drive.whole(from), "to_path": self.drive.whole(&place), "autorename": false });
        let made = match self
            .drive
            .call("copy_v2", &change)
            .patiently()
            .read::<Changed>(Again::OnlyIfRefused)
            .await?
        {
            Ok(Changed { metadata }) => metadata,
            Err(refusal) => {
                let error = StoreError::from(refusal);
                return if matches!(error.kind(), StoreErrorKind::Busy | StoreErrorKind::StorageFull) {
                    Err(error)
                } else {
                    Ok(None)
                };
            }
        };
        let draft = DropboxDraft::stored(self.drive.clone(), name, made.clone());
        // The hash of the copy decides, even if the source has changed meanwhile.
        let stat = source.stat();
        if stat.tag.as_deref().is_some_and(|hash| made.is_of(hash, stat.size)) {
            return Ok(Some(Box::new(draft)));
        }
        Box::new(draft).discard().await;
        Ok(None)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let _claim = self.drive.claims.own(&[from, to]).await;
        let Some(item) = self.drive.file(from).await? else { return Ok(None) };
        let stat = item.stat();
        match self.drive.relocate(from, to).await {
            Ok(Ok(Changed { metadata })) => Ok(Some(metadata.stat())),
            Ok(Err(refusal)) if refusal.is_not_found() => Ok(None),
            Ok(Err(refusal)) if refusal.status.is_client_error() => Err(refusal.into()),
            // The change may have been made although the reply was lost.
            other => {
                let there =
                    self.drive.file(to).await?.map(|item| item.stat()).filter(|there| there.tag == stat.tag);
                match (there, other) {
                    (Some(there), _) => Ok(Some(there)),
                    (None, Err(error)) => Err(error),
                    (None, Ok(answer)) => {
                        answer.map(|changed| Some(changed.metadata.stat())).map_err(StoreError::from)
                    }
                }
            }
        }
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let _claim = self.drive.claims.own(&[path]).await;
        for _ in 0..ROUNDS {
            let Some(item) = self.drive.file(path).await? else { return Ok(false) };
            // A file that is gone counts as removed.
            if self.drive.delete(path, item.rev.as_deref()).await? != Some(false) {
                return Ok(true);
            }
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others change this file all the time"))
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        // The folder is in use: a file is being published in it, or another task removes it.
        let Some(_claim) = self.drive.claims.try_own(path).await else { return Ok(false) };
        match self.drive.look(path).await? {
            Look::Nothing | Look::Spelled => return Ok(true),
            Look::DropboxItem(item) if item.kind() != EntryKind::Folder => return Ok(false),
            Look::DropboxItem(_) => {}
        }
        // An empty page may be followed by others.
        let mut cursor = None;
        let mut pages = Pages::of("looking into a folder");
        while let Some(page) = self.drive.page(path, cursor.as_deref()).await? {
            if !page.entries.is_empty() {
                return Ok(false);
            }
            cursor = page.next();
            match &cursor {
                Some(cursor) => pages.next(cursor)?,
                None => break,
            }
        }
        self.drive.forget(path);
        Ok(self.drive.delete(path, None).await? != Some(false))
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let _claim = self.drive.claims.share(path).await;
        let refused = |words| Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        match self.drive.make(path).await? {
            FolderPath::Free => Ok(()),
            FolderPath::Obstructed => refused("a file has the name of this folder"),
            FolderPath::Spelled => {
                refused("something has the name of this folder, but for the case of its letters")
            }
        }
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        let begin = (folder.to_owned(), None::<String>, Some(Pages::of("listing a folder")));
        futures_util::stream::try_unfold(begin, move |(folder, cursor, pages)| async move {
            let Some(mut pages) = pages else { return Ok(None) };
            let Some(page) = self.drive.page(&folder, cursor.as_deref()).await? else { return Ok(None) };
            let next = page.next();
            let is_name = |name: &str| !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..");
            let items = page.entries.into_iter().filter(|item| is_name(&item.name));
            let entries = items.map(|item| Entry { stat: item.stat(), name: item.name }).collect();
            let more = next.as_ref().map(|next| pages.next(next)).transpose()?;
            Ok(Some((entries, (folder, next, more.map(|()| pages)))))
        })
        .boxed()
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        let mut cursor = None;
        let mut pages = Pages::of("looking for what a killed process left");
        while let Some(page) = self.drive.page(&drafts(), cursor.as_deref()).await? {
            let left = page.entries.iter().filter(|item| item.is_file() && item.name.starts_with(instance));
            futures_util::stream::iter(left.map(Ok))
                .try_for_each_concurrent(4, |item| async move {
                    self.drive.delete(&join(&drafts(), &item.name), None).await.map(drop)
                })
                .await?;
            cursor = page.next();
            match &cursor {
                Some(cursor) => pages.next(cursor)?,
                None => break,
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.drive.api.traffic())
    }
}
