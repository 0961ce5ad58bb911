//! From paths to ids: finding and creating folders, looking up names, removing files.
//!
//! Drive's searches may be seconds behind its changes, but a request for an id is not: a file that was just
//! written is found by its id, and one that was just removed is left out of the results of searches.

use super::{
    client::Client,
    ids::Ids,
    item::{DriveFile, FIELDS, FOLDER},
    refusal::Refusal,
};
use crate::{
    backend::{
        claims::Claims,
        codec::join,
        locks::Locks,
        oauth::{Call, Refusal as _},
        pages::Pages,
        tree::files::EntryKind,
        wire::Again,
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Google's largest page.
const PAGE: &str = "1000";
/// The number of levels of folders that Drive allows.
pub(super) const DEEPEST: usize = 100;
/// The number of ids that are requested at once.
const BATCH: &str = "100";
/// The most pages of files with one name in one folder; real folders have fewer.
const MOST_OF_ONE_NAME: u64 = 100;

#[derive(Debug)]
pub(super) struct Drive {
    pub(super) client: Arc<Client>,
    pub(super) ids: Ids,
    pub(super) claims: Arc<Claims>,
    /// Locks of names in folders. A lock is held while a folder is created, because Drive would allow two
    /// folders with one name.
    making: Arc<Locks<String>>,
    /// Ids for new files: a request that names the id of its file can be repeated.
    fresh: Mutex<Vec<String>>,
    root: OnceCell<String>,
    /// The id of a shared drive, if the root is in one.
    drive: Option<String>,
    beginning: Beginning,
    pub(super) trash: bool,
}

/// The location of the root.
#[derive(Debug, Clone, Default)]
pub(super) struct Beginning {
    /// The id of a folder, or `None` for the top of the drive.
    pub(super) id: Option<String>,
    /// Folders from there to the root; they are created if they are missing.
    pub(super) path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilesPage {
    #[serde(default)]
    pub(super) files: Vec<DriveFile>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Fresh {
    #[serde(default)]
    ids: Vec<String>,
}

/// The result of creating folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    Folder(String),
    /// One of them is a file.
    Obstructed,
}

impl Drive {
    pub(super) fn new(client: Client, drive: Option<String>, beginning: Beginning, trash: bool) -> Self {
        Self {
            client: Arc::new(client),
            ids: Ids::default(),
            claims: Arc::default(),
            making: Arc::default(),
            fresh: Mutex::default(),
            root: OnceCell::new(),
            drive,
            beginning,
            trash,
        }
    }

    pub(super) async fn root(&self) -> Result<&str> {
        let found = self.root.get_or_try_init(|| async {
            let top = self.beginning.id.as_deref().or(self.drive.as_deref()).unwrap_or("root");
            // The id is requested because `root` is only an alias for it.
            let Some(top) = self.get(top).await?.filter(|top| top.kind() == EntryKind::Folder) else {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the drive or folder of this backend is not there",
                ));
            };
            let mut id = top.id;
            for name in self.beginning.path.split('/').filter(|name| !name.is_empty()) {
                id = match self.make_child(&id, name).await? {
                    Made::Folder(id) => id,
                    Made::Obstructed => {
                        return Err(StoreError::new(
                            StoreErrorKind::InvalidRequest,
                            "the root of this backend is a file",
                        ));
                    }
                };
            }
            Ok(id)
        });
        found.await.map(String::as_str)
    }

    /// Returns the current state of a file by its id. A file in the trash counts as missing.
    pub(super) async fn get(&self, id: &str) -> Result<Option<DriveFile>> {
        let item = self
            .client
            .file(Method::GET, id)
            .query("fields", FIELDS)
            .read::<DriveFile>(Again::Harmless)
            .await?;
        found(item).map(|item| item.filter(|item| !item.trashed))
    }

    /// Returns the id of the folder at a path.
    pub(super) async fn folder(&self, path: &str) -> Result<Option<String>> {
        if is_too_deep(path) {
            return Ok(None);
        }
        let mut id = self.root().await?.to_owned();
        let mut at = String::new();
        // Begins at the innermost folder whose id is known.
        let mut rest: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        for known in (1..=rest.len()).rev() {
            let prefix = rest[..known].join("/");
            if let Some(found) = self.ids.recall(&prefix).filter(|found| found.is_folder) {
                (id, at) = (found.id, prefix);
                rest.drain(..known);
                break;
            }
        }
        for name in rest {
            at = join(&at, name);
            match self.children(&id, name).await?.into_iter().next() {
                Some(item) if item.kind() == EntryKind::Folder => id = item.id,
                _ => return Ok(None),
            }
            self.ids.learn(&at, &id, true);
        }
        Ok(Some(id))
    }

    /// Returns the entry at a path other than the root.
    pub(super) async fn resolve(&self, path: &str) -> Result<Option<DriveFile>> {
        let (parent, name) = split(path);
        let Some(parent) = self.folder(parent).await? else { return Ok(None) };
        if let Some(known) = self.ids.recall(path) {
            if let Some(item) = self.get(&known.id).await?.filter(|item| item.is_in(&parent, name)) {
                return Ok(Some(item));
            }
            self.ids.forget(path);
        }
        let found = self.children(&parent, name).await?.into_iter().next();
        if let Some(item) = &found {
            self.ids.learn(path, &item.id, item.kind() == EntryKind::Folder);
        }
        Ok(found)
    }

    /// Returns all entries of a folder with this name. The first one is the entry of the path.
    pub(super) async fn children(&self, parent: &str, name: &str) -> Result<Vec<DriveFile>> {
        let query =
            format!("'{}' in parents and name = '{}' and trashed = false", quoted(parent), quoted(name));
        let mut items = Vec::new();
        let mut token = None;
        let mut pages = Pages::at_most("looking for a name", MOST_OF_ONE_NAME);
        loop {
            let page = self.page(&query, token.as_deref(), FIELDS).await?;
            // Drive's `=` ignores case.
            items.extend(
                page.files.into_iter().filter(|item| item.is_in(parent, name) && !self.ids.is_gone(&item.id)),
            );
            token = page.next_page_token;
            match &token {
                Some(token) => pages.next(token)?,
                None => break,
            }
        }
        items.sort_by(|a, b| a.rank().cmp(&b.rank()));
        Ok(items)
    }

    /// Returns a page of the entries of a folder.
    pub(super) async fn page_of(&self, folder: &str, token: Option<&str>) -> Result<FilesPage> {
        let query = format!("'{}' in parents and trashed = false", quoted(folder));
        let mut page = self.page(&query, token, FIELDS).await?;
        page.files.retain(|item| !item.trashed && !self.ids.is_gone(&item.id));
        Ok(page)
    }

    async fn page(&self, query: &str, token: Option<&str>, fields: &str) -> Result<FilesPage> {
        let mut call = self
            .client
            .files(Method::GET, "")
            .query("q", query)
            .query("pageSize", PAGE)
            .query("spaces", "drive");
        call = call
            .query("fields", format!("nextPageToken,files({fields})"))
            .query("includeItemsFromAllDrives", "true");
        if self.drive.is_some() {
            call = self.in_its_drive(call).query("corpora", "drive");
        }
        if let Some(token) = token {
            call = call.query("pageToken", token);
        }
        match call.read::<FilesPage>(Again::Harmless).await? {
            Ok(page) => Ok(page),
            // The folder does not exist any more.
            Err(refusal) if refusal.is_not_found() => {
                Ok(FilesPage { files: Vec::new(), next_page_token: None })
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) fn in_its_drive(&self, call: Call<Refusal>) -> Call<Refusal> {
        match &self.drive {
            Some(drive) => call.query("driveId", drive.as_str()),
            None => call,
        }
    }

    /// Returns an id that no file has yet.
    pub(super) async fn fresh_id(&self) -> Result<String> {
        let kept = || self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = kept().pop() {
            return Ok(id);
        }
        let call = self
            .client
            .files(Method::GET, "/generateIds")
            .query("count", BATCH)
            .query("space", "drive")
            .query("type", "files");
        let mut more = call.read::<Fresh>(Again::Harmless).await??.ids;
        let id = more
            .pop()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "Google Drive gives out no ids"))?;
        kept().extend(more);
        Ok(id)
    }

    /// Creates a folder and those above it.
    pub(super) async fn make(&self, path: &str) -> Result<Made> {
        if is_too_deep(path) {
            return Err(StoreError::new(StoreErrorKind::KeyTooLong, "Google Drive has no folders so deep"));
        }
        if let Some(id) = self.folder(path).await? {
            return Ok(Made::Folder(id));
        }
        let mut id = self.root().await?.to_owned();
        let mut at = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = join(&at, name);
            id = match self.ids.recall(&at).filter(|known| known.is_folder) {
                Some(known) => known.id,
                None => match self.make_child(&id, name).await? {
                    Made::Folder(id) => id,
                    Made::Obstructed => return Ok(Made::Obstructed),
                },
            };
            self.ids.learn(&at, &id, true);
        }
        Ok(Made::Folder(id))
    }

    async fn make_child(&self, parent: &str, name: &str) -> Result<Made> {
        let _making = self.making.lock(&format!("{parent}/{name}")).await;
        match self.children(parent, name).await?.into_iter().next() {
            Some(item) if item.kind() == EntryKind::Folder => return Ok(Made::Folder(item.id)),
            Some(_) => return Ok(Made::Obstructed),
            None => {}
        }
        let id = self.fresh_id().await?;
        let folder = json!({ "id": id, "name": name, "mimeType": FOLDER, "parents": [parent] });
        match self
            .client
            .files(Method::POST, "")
            .query("fields", "id")
            .json(&folder)
            .send(Again::Harmless)
            .await?
        {
            Ok(_) => {}
            // An earlier attempt created the folder, and its reply was lost.
            Err(refusal) if refusal.status == StatusCode::CONFLICT => {}
            Err(refusal) => return Err(refusal.into()),
        }
        Ok(Made::Folder(id))
    }

    /// Moves a file to the trash, or deletes it. A file that is already gone counts as removed.
    pub(super) async fn remove(&self, id: &str, trash: bool) -> Result<()> {
        let mut outcome = if trash {
            self.trash(id).await?
        } else {
            self.client.file(Method::DELETE, id).send(Again::Harmless).await?.map(drop)
        };
        // In shared drives few users may delete files, but everybody who may write may move them to the
        // trash.
        if outcome.as_ref().is_err_and(|refusal| {
            refusal.status == StatusCode::FORBIDDEN && !trash && !refusal.is_rate_limit()
        }) {
            outcome = self.trash(id).await?;
        }
        match outcome {
            Err(refusal) if !refusal.is_not_found() => Err(refusal.into()),
            _ => {
                self.ids.removed(id);
                Ok(())
            }
        }
    }

    async fn trash(&self, id: &str) -> Result<std::result::Result<(), Refusal>> {
        let call =
            self.client.file(Method::PATCH, id).query("fields", "id").json(&json!({ "trashed": true }));
        Ok(call.send(Again::Harmless).await?.map(drop))
    }
}

/// Converts a refusal because the file does not exist into `None`.
pub(super) fn found<T>(answer: std::result::Result<T, Refusal>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.is_not_found() => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Returns whether the path has more levels than Drive allows. It is checked before any folder is created.
fn is_too_deep(path: &str) -> bool {
    path.split('/').count() > DEEPEST
}

/// Splits a path into its folder and its name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Escapes a text for the quotes of Drive's query language.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(quoted(r"a\' or name != 'x"), r"a\\\' or name != \'x");
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("c"), ("", "c"));
    }
}
