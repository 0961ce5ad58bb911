//! Files in folders of OneDrive and of SharePoint's document libraries, by Microsoft Graph v1.0.
//!
//! A draft is a file in the driver's own folder, and one request moves it to its folder and name.
//! `conflictBehavior=replace` puts it in place of an existing file, `fail` publishes it only on a free path;
//! the service decides. `replace` is never sent where it could remove a folder: the path is checked first,
//! and if it was free, `fail` is sent. docs/decisions/0014 explains why other ways were not chosen. Some
//! drives cannot replace a file by a move: they are asked for a copy in place of the file, which Graph
//! documents for libraries and for OneDrive for work.
//!
//! OneDrive treats `a` and `A` as one name. An entry with another spelling is not found here, and conflicts
//! with a draft ([`Published::Spelled`]).
//!
//! Removing a folder removes its content. This process makes no change between the check and the removal, and
//! a file that another program created at that moment can be restored from the recycle bin, which receives
//! all removed files.
//!
//! | file | owns |
//! |---|---|
//! | `refusal` | Graph's error codes as kinds of errors |
//! | `item` | what Graph reports of a file |
//! | `hash` | QuickXorHash |
//! | `drive` | paths, folders, copies |
//! | `reading` | downloads |
//! | `upload` | upload sessions |
//! | `draft` | uploads |
//!
//! [`Published::Spelled`]: crate::backend::tree::files::Published::Spelled

mod draft;
mod drive;
mod hash;
mod item;
mod reading;
mod refusal;
mod upload;

use crate::backend::{
    Traffic,
    codec::{Names, join},
    oauth::{Api, Authority, Grant, Tokens},
    pages::Pages,
    tree::files::{Draft, DraftName, Entry, EntryKind, Files, OWN, Opened, Service, Stat},
    wire::{Wire, WireSettings},
};
use crate::{
    model::{Endpoint, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use draft::OnedriveDraft;
use drive::{Drive, Look, Made, split};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use std::{path::PathBuf, sync::Arc};

/// The scope of applications that act for themselves: everything that the application was granted.
pub const SCOPE: &str = "https://graph.microsoft.com/.default";

/// The scope of applications that act for a user.
pub const PERSONS_SCOPE: &str = "Files.ReadWrite.All offline_access";

/// The largest file: "Files up to 250 GB."
const LARGEST: u64 = 250 << 30;
const TOO_LONG: &str = "OneDrive has no paths of more than 400 characters";
/// How often a removal is repeated because other programs replace the file.
const ROUNDS: usize = 4;

#[derive(Debug, Clone)]
pub struct OnedriveSettings {
    /// The address of the API, with its version.
    pub endpoint: Endpoint,
    /// The endpoint for tokens.
    pub token_endpoint: Endpoint,
    pub grant: Grant,
    /// The id of a drive. Without it, the drive of the user who has granted access is used.
    pub drive: Option<String>,
    /// Folders from the top of the drive to the root; they are created if they are missing.
    pub root: String,
    /// A directory on local disk for this backend alone.
    pub dir: PathBuf,
    pub wire: WireSettings,
}

#[derive(Debug, Clone)]
pub struct OnedriveFiles {
    drive: Arc<Drive>,
}

impl OnedriveFiles {
    /// Creates the driver without a request to Microsoft.
    pub fn new(settings: OnedriveSettings) -> Result<Self> {
        let senseless = |words| StoreError::new(StoreErrorKind::InvalidRequest, words);
        let base = match (&settings.drive, &settings.grant) {
            (Some(drive), _) => format!("/drives/{}", crate::backend::wire::encode_path(drive)),
            (None, Grant::Client { .. }) => {
                return Err(senseless("an application that acts for itself has no drive: name one"));
            }
            (None, _) => "/me/drive".to_owned(),
        };
        let root = settings.root.trim_matches('/').to_owned();
        if root.split('/').any(|name| matches!(name, "." | "..") || (name.is_empty() && !root.is_empty())) {
            return Err(senseless("the root is no path of folders"));
        }
        let renewals = Some(settings.dir.join("refresh-token"));
        let authority =
            Authority { name: "Microsoft", url: settings.token_endpoint, scope: SCOPE.to_owned(), renewals };
        let tokens = Tokens::new(Wire::new(settings.wire.clone())?, authority, settings.grant)?;
        let api = Api::new(Wire::new(settings.wire)?, tokens, settings.endpoint);
        Ok(Self { drive: Arc::new(Drive::new(api, base, root, settings.dir.join("bodies"))) })
    }
}

fn drafts() -> String {
    join(OWN, "tmp")
}

#[async_trait]
impl Files for OnedriveFiles {
    fn service(&self) -> Service {
        Service {
            names: Names::OneDrive,
            folds_names: true,
            max_size: LARGEST,
            precision: 1000,
            exact_tags: true,
            read_only: false,
            flows: 0,
        }
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        Ok(match self.drive.look(path).await? {
            Look::DriveItem(item) => Some(item.stat()),
            Look::Nothing | Look::Spelled => None,
        })
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        let Some(item) = self.drive.file(path).await? else { return Ok(None) };
        Ok(Some(Box::new(reading::OnedriveOpened::new(self.drive.clone(), item, ahead).await)))
    }

    async fn create(&self, name: &DraftName, path: &str, size: Option<u64>) -> Result<Box<dyn Draft>> {
        // The length of the path is checked before any byte is received.
        match self.drive.whole(path).await? {
            Some(_) => Ok(Box::new(OnedriveDraft::new(self.drive.clone(), name, size))),
            None => Err(drive::too_long()),
        }
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        let Some(source) = self.drive.file(from).await?.filter(|item| item.stat().is_same(expected)) else {
            return Ok(None);
        };
        let folder = self.drive.own_folder().await?;
        if let Err(refusal) = self.drive.copy(&source, &folder, &name.0, "fail").await? {
            let error = StoreError::from(refusal);
            return if matches!(error.kind(), StoreErrorKind::Busy | StoreErrorKind::StorageFull) {
                Err(error)
            } else {
                Ok(None)
            };
        }
        let Some(copied) = self.drive.file(&join(&drafts(), &name.0)).await? else { return Ok(None) };
        let agree = copied.stat().size == source.stat().size
            && !matches!((copied.quick_xor(), source.quick_xor()), (Some(copied), Some(source)) if copied != source);
        let draft = OnedriveDraft::stored(self.drive.clone(), name, copied);
        // If the source is unchanged after the copy, it was unchanged during the copy.
        if agree && self.drive.get(&source.id).await?.is_some_and(|item| item.stat().is_same(&source.stat()))
        {
            return Ok(Some(Box::new(draft)));
        }
        Box::new(draft).discard().await;
        Ok(None)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let _claim = self.drive.claims.own(&[from, to]).await;
        if self.drive.whole(to).await?.is_none() {
            return Err(drive::too_long());
        }
        let Some(item) = self.drive.file(from).await? else { return Ok(None) };
        let renamed = self.drive.relocate(&item.id, None, split(to).1, "fail").await?;
        Ok(drive::found(renamed)?.map(|item| item.stat()))
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let _claim = self.drive.claims.own(&[path]).await;
        for _ in 0..ROUNDS {
            let Some(item) = self.drive.file(path).await? else { return Ok(false) };
            // A file that is gone counts as removed.
            if self.drive.delete(&item.id, item.e_tag.as_deref()).await? != Some(false) {
                return Ok(true);
            }
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others change this file all the time"))
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        // The folder is in use: a file is being published in it, or another task removes it.
        let Some(_claim) = self.drive.claims.try_own(path).await else { return Ok(false) };
        let item = match self.drive.look(path).await? {
            Look::Nothing | Look::Spelled => return Ok(true),
            Look::DriveItem(item) if item.kind() != EntryKind::Folder => return Ok(false),
            Look::DriveItem(item) => item,
        };
        if !self.drive.page(path, None).await?.value.is_empty() {
            return Ok(false);
        }
        self.drive.forget_along(path);
        Ok(self.drive.delete(&item.id, item.e_tag.as_deref()).await? != Some(false))
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let _claim = self.drive.claims.share(path).await;
        let refused = |words| Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        match self.drive.make(path).await? {
            Made::Folder(_) => Ok(()),
            Made::Obstructed => refused("a file has the name of this folder"),
            Made::Spelled => {
                refused("something has the name of this folder, but for the case of its letters")
            }
        }
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        let begin = (folder.to_owned(), None::<String>, Some(Pages::of("listing a folder")));
        futures_util::stream::try_unfold(begin, move |(folder, next, pages)| async move {
            let Some(mut pages) = pages else { return Ok(None) };
            let page = self.drive.page(&folder, next.as_deref()).await?;
            let is_name = |name: &str| !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..");
            let items = page.value.into_iter().filter(|item| is_name(&item.name));
            let entries = items.map(|item| Entry { stat: item.stat(), name: item.name }).collect();
            let more = page.next.as_ref().map(|next| pages.next(next)).transpose()?;
            Ok(Some((entries, (folder, page.next, more.map(|()| pages)))))
        })
        .boxed()
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        let mut next = None;
        let mut pages = Pages::of("looking for what a killed process left");
        loop {
            let page = self.drive.page(&drafts(), next.as_deref()).await?;
            let left = page.value.iter().filter(|item| item.is_file() && item.name.starts_with(instance));
            futures_util::stream::iter(left.map(Ok))
                .try_for_each_concurrent(4, |item| async move {
                    self.drive.delete(&item.id, None).await.map(drop)
                })
                .await?;
            next = page.next;
            match &next {
                Some(next) => pages.next(next)?,
                None => return Ok(()),
            }
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.drive.api.traffic())
    }
}
