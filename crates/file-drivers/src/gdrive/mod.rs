//! Files in folders of Google Drive (REST API v3): of My Drive, a shared drive, or one folder.
//!
//! Drive knows ids, not paths, and allows several files in a folder to have one name. One rule selects the
//! file of a path ([`item::DriveFile::rank`]): the one that Causeway published last, else the oldest, else the one
//! with the smallest id. So publishing is one request that moves a complete draft to its folder and name and
//! gives it a higher number: from then on it is the file for every reader that uses the rule. After that, the
//! replaced file is moved to the trash or deleted. If that fails it stays hidden, and is removed together
//! with the new file.
//!
//! The alternative is new content for the existing id. It is one step for all other programs too, but it has
//! to name its target before the first byte is sent, cannot use a copy that Drive has made, and leaves
//! nothing that could be published elsewhere. The disadvantage of the chosen way is that a replaced file has
//! another id, so links to it lead to the trash.
//!
//! Foreign files that have one name are never removed for that reason. When the file of a key is deleted, the
//! next one of them becomes visible.
//!
//! Drive has no condition for `absent`: this process checks first, and publishes nothing else at the path
//! meanwhile. If two gateways publish at once, both may succeed; then the object that was published last is
//! visible.
//!
//! Folders are moved to the trash and never deleted, because both remove their content. This process makes no
//! change between the check and the removal, and a file that another program created at that moment can be
//! restored.
//!
//! | file | owns |
//! |---|---|
//! | `client` | addresses |
//! | `refusal` | Drive's error reasons as kinds of errors |
//! | `item` | what Drive reports of a file, and which one of several is selected |
//! | `ids` | which ids are known for paths |
//! | `drive` | from paths to ids |
//! | `reading` | downloads |
//! | `draft` | uploads |
//! | `feed` | the change feed |

mod client;
mod draft;
mod drive;
mod feed;
mod ids;
mod item;
mod reading;
mod refusal;

use crate::backend::{
    codec::join,
    oauth::{Api, Authority, Grant, Tokens},
    tree::files::{Draft, DraftName, Entry, EntryKind, FLOWS, Feed, Files, OWN, Opened, Service, Stat},
    wire::{Again, Wire, WireSettings},
};
use crate::{
    backend::{Traffic, codec::Names, pages::Pages},
    model::{Endpoint, Span},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use client::Client;
use draft::GdriveDraft;
use drive::{Beginning, Drive, Made, split};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use http::Method;
use item::{DriveFile, FIELDS, GENERATION, REPLACES};
use serde_json::json;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

/// The scope to see and change all files of a drive, whoever created them.
pub const SCOPE: &str = "https://www.googleapis.com/auth/drive";
/// The scope to see and change files that this application has created: the only one that Google permits for
/// devices.
pub const DEVICE_SCOPE: &str = "https://www.googleapis.com/auth/drive.file";

#[derive(Debug, Clone)]
pub struct GdriveSettings {
    /// The address of the API.
    pub endpoint: Endpoint,
    /// The endpoint for tokens.
    pub token_endpoint: Endpoint,
    pub grant: Grant,
    /// The id of a shared drive. Without it, My Drive is used.
    pub drive: Option<String>,
    /// The id of the folder where the root begins. Without it, the root begins at the top of the drive.
    pub folder: Option<String>,
    /// Folders from there to the root; they are created if they are missing.
    pub root: String,
    /// Whether deleted and replaced files go to the trash.
    pub trash: bool,
    pub wire: WireSettings,
}

/// The most pages of the listing of one folder, which may have 500,000 files.
const MOST_PAGES: u64 = 10_000;
/// The largest file: 5 TB ("Store and upload").
const LARGEST: u64 = 5_000_000_000_000;

#[derive(Debug, Clone)]
pub struct GdriveFiles {
    drive: Arc<Drive>,
}

impl GdriveFiles {
    /// Creates the driver without a request to Google.
    pub fn new(settings: GdriveSettings) -> Result<Self> {
        let authority = Authority {
            name: "Google",
            url: settings.token_endpoint,
            scope: SCOPE.to_owned(),
            renewals: None,
        };
        let tokens = Tokens::new(Wire::new(settings.wire.clone())?, authority, settings.grant)?;
        let client = Client::new(Api::new(Wire::new(settings.wire)?, tokens, settings.endpoint));
        let root = settings.root.trim_matches('/').to_owned();
        if root.split('/').any(|name| matches!(name, "." | "..") || (name.is_empty() && !root.is_empty())) {
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, "the root is no path of folders"));
        }
        let beginning = Beginning { id: settings.folder, path: root };
        Ok(Self { drive: Arc::new(Drive::new(client, settings.drive, beginning, settings.trash)) })
    }

    /// Returns the files at this path that must not become visible when `shown` is removed: files that
    /// Causeway published, and those that they replaced.
    async fn hidden(&self, parent: &str, name: &str, shown: &DriveFile) -> Result<Vec<DriveFile>> {
        let all = self.drive.children(parent, name).await?;
        let replaced: HashSet<&str> = all.iter().chain([shown]).filter_map(DriveFile::replaces).collect();
        let ours = |item: &&DriveFile| {
            item.is_file()
                && item.id != shown.id
                && (item.generation() > 0 || replaced.contains(item.id.as_str()))
        };
        Ok(all.iter().filter(ours).cloned().collect())
    }
}

/// Returns whether the name can be part of a path: Drive allows any text as a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..")
}

fn drafts() -> String {
    join(OWN, "tmp")
}

#[async_trait]
impl Files for GdriveFiles {
    fn service(&self) -> Service {
        Service {
            names: Names::Printable,
            folds_names: false,
            max_size: LARGEST,
            precision: 1,
            exact_tags: true,
            read_only: false,
            flows: FLOWS,
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.drive.client.traffic())
    }

    fn feed(&self) -> Option<&dyn Feed> {
        Some(self)
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        if path.is_empty() {
            self.drive.root().await?;
            return Ok(Some(Stat { kind: EntryKind::Folder, size: 0, modified: None, tag: None, md5: None }));
        }
        Ok(self.drive.resolve(path).await?.map(|item| item.stat()))
    }

    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        if path.is_empty() {
            return Ok(None);
        }
        let Some(item) = self.drive.resolve(path).await?.filter(DriveFile::is_file) else { return Ok(None) };
        let stat = item.stat();
        Ok(Some(Box::new(reading::GdriveOpened::new(self.drive.clone(), item.id, stat, ahead).await)))
    }

    async fn create(&self, name: &DraftName, _path: &str, size: Option<u64>) -> Result<Box<dyn Draft>> {
        Ok(Box::new(GdriveDraft::new(self.drive.clone(), name, size)))
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        let Some(source) =
            self.drive.resolve(from).await?.filter(|item| item.is_file() && item.stat().is_same(expected))
        else {
            return Ok(None);
        };
        let (parent, id) = (draft::own_folder(&self.drive).await?, self.drive.fresh_id().await?);
        // A copy gets the properties of its source, unless the request sets others.
        let copy = json!({ "id": id, "name": name.0, "parents": [parent], "properties": { GENERATION: null, REPLACES: null } });
        let below = format!("/{}/copy", crate::backend::wire::encode_path(&source.id));
        let call =
            self.drive.client.files(Method::POST, &below).query("fields", FIELDS).json(&copy).patiently();
        let copied = match call.read::<DriveFile>(Again::Harmless).await? {
            Ok(item) => item,
            Err(refusal) if refusal.status == http::StatusCode::CONFLICT => {
                match self.drive.get(&id).await? {
                    Some(item) => item,
                    None => return Ok(None),
                }
            }
            Err(refusal) => {
                let error = StoreError::from(refusal);
                return if matches!(error.kind(), StoreErrorKind::Busy | StoreErrorKind::StorageFull) {
                    Err(error)
                } else {
                    Ok(None)
                };
            }
        };
        let (made, told) = (copied.stat(), source.stat());
        let draft = GdriveDraft::stored(self.drive.clone(), name, copied);
        // If the source is unchanged after the copy, it was unchanged during the copy.
        let still = self.drive.get(&source.id).await?.is_some_and(|item| item.stat().is_same(&told));
        if still
            && made.size == told.size
            && (made.md5.is_none() || told.md5.is_none() || made.md5 == told.md5)
        {
            return Ok(Some(Box::new(draft)));
        }
        Box::new(draft).discard().await;
        Ok(None)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let _claim = self.drive.claims.own(&[from, to]).await;
        let Some(item) = self.drive.resolve(from).await?.filter(DriveFile::is_file) else { return Ok(None) };
        let call = self
            .drive
            .client
            .file(Method::PATCH, &item.id)
            .query("fields", FIELDS)
            .json(&json!({ "name": split(to).1 }));
        let Some(renamed) = drive::found(call.read::<DriveFile>(Again::Harmless).await?)? else {
            return Ok(None);
        };
        self.drive.ids.forget(from);
        self.drive.ids.learn(to, &renamed.id, false);
        Ok(Some(renamed.stat()))
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        let _claim = self.drive.claims.own(&[path]).await;
        let (folder, name) = split(path);
        let Some(item) = self.drive.resolve(path).await?.filter(DriveFile::is_file) else { return Ok(false) };
        if let Some(parent) = self.drive.folder(folder).await? {
            for hidden in self.hidden(&parent, name, &item).await? {
                self.drive.remove(&hidden.id, self.drive.trash).await?;
            }
        }
        self.drive.remove(&item.id, self.drive.trash).await?;
        self.drive.ids.forget(path);
        Ok(true)
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        // The folder is in use: a file is being published in it, or another task removes it.
        let Some(_claim) = self.drive.claims.try_own(path).await else { return Ok(false) };
        match self.drive.resolve(path).await? {
            None => return Ok(true),
            Some(item) if item.kind() != EntryKind::Folder => return Ok(false),
            Some(item) => {
                if self.drive.ids.has_fresh_below(path) {
                    return Ok(false);
                }
                let mut token = None;
                let mut pages = Pages::of("looking into a folder");
                loop {
                    let page = self.drive.page_of(&item.id, token.as_deref()).await?;
                    if !page.files.is_empty() {
                        return Ok(false);
                    }
                    token = page.next_page_token;
                    match &token {
                        Some(token) => pages.next(token)?,
                        None => break,
                    }
                }
                self.drive.ids.forget(path);
                self.drive.remove(&item.id, true).await?;
            }
        }
        Ok(true)
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let _claim = self.drive.claims.share(path).await;
        match self.drive.make(path).await? {
            Made::Folder(_) => Ok(()),
            Made::Obstructed => {
                Err(StoreError::new(StoreErrorKind::InvalidRequest, "a file has the name of this folder"))
            }
        }
    }

    /// Lists only one of several files of the same name. Remembering the names takes a few bytes per file,
    /// and a folder may have 500,000.
    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        struct Listing {
            id: String,
            token: Option<String>,
            pages: Pages,
            seen: HashSet<u64>,
            hasher: RandomState,
        }
        let begin = (None::<Listing>, false);
        let folder = folder.to_owned();
        futures_util::stream::try_unfold(begin, move |(listing, ended)| {
            let folder = folder.clone();
            async move {
                if ended {
                    return Ok(None);
                }
                let mut listing = match listing {
                    Some(listing) => listing,
                    None => match self.drive.folder(&folder).await? {
                        Some(id) => Listing {
                            id,
                            token: None,
                            pages: Pages::at_most("listing a folder", MOST_PAGES),
                            seen: HashSet::new(),
                            hasher: RandomState::new(),
                        },
                        None => return Ok(None),
                    },
                };
                let page = self.drive.page_of(&listing.id, listing.token.as_deref()).await?;
                let mut entries = Vec::with_capacity(page.files.len());
                for item in page.files {
                    if !is_name(&item.name) {
                        continue;
                    }
                    let is_first = listing.seen.insert(listing.hasher.hash_one(&item.name));
                    entries.retain(|entry: &Entry| is_first || entry.name != item.name);
                    let item = if is_first {
                        Some(item)
                    } else {
                        self.drive.children(&listing.id, &item.name).await?.into_iter().next()
                    };
                    entries.extend(item.map(|item| Entry { stat: item.stat(), name: item.name }));
                }
                listing.token = page.next_page_token;
                if let Some(token) = &listing.token {
                    listing.pages.next(token)?;
                }
                let ended = listing.token.is_none();
                Ok(Some((entries, (Some(listing), ended))))
            }
        })
        .boxed()
    }

    async fn tidy(&self, instance: &str) -> Result<()> {
        let Some(folder) = self.drive.folder(&drafts()).await? else { return Ok(()) };
        let mut token = None;
        let mut pages = Pages::of("looking for what a killed process left");
        loop {
            let page = self.drive.page_of(&folder, token.as_deref()).await?;
            let left: Vec<&DriveFile> =
                page.files.iter().filter(|item| item.is_file() && item.name.starts_with(instance)).collect();
            futures_util::stream::iter(left.into_iter().map(Ok))
                .try_for_each_concurrent(4, |item| async move { self.drive.remove(&item.id, false).await })
                .await?;
            token = page.next_page_token;
            match &token {
                Some(token) => pages.next(token)?,
                None => return Ok(()),
            }
        }
    }
}
