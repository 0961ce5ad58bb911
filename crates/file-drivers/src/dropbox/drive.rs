//! Paths and their entries. Dropbox finds `A` under `a`, while the two are different objects. In replies only
//! the last name of a path is sure to have its exact spelling, so each folder is checked by itself, and
//! remembered for a while.

use super::{item::DropboxItem, refusal::Refusal};
use crate::{
    backend::{
        claims::Claims,
        codec::join,
        oauth::{Api, Call},
        tree::files::EntryKind,
        wire::Again,
    },
    model::Endpoint,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The entries per page; Dropbox allows up to 2,000.
const PAGE: u32 = 1000;
/// How long the driver may not notice that another program has renamed a folder to another spelling.
const FRESH: Duration = Duration::from_secs(60);
/// The number of folders that are remembered.
const MANY: usize = 10_000;

#[derive(Debug)]
pub(super) struct Drive {
    pub(super) api: Arc<Api<Refusal>>,
    content: Endpoint,
    pub(super) claims: Arc<Claims>,
    /// The root: empty, or a path that begins with a `/`.
    root: String,
    /// Folders whose exact spelling was checked, and when.
    spelled: Mutex<BTreeMap<String, Instant>>,
}

#[derive(Debug)]
pub(super) enum Look {
    Nothing,
    /// The entry, or a folder above it, has another spelling.
    Spelled,
    DropboxItem(DropboxItem),
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderPath {
    /// They are folders, or do not exist.
    Free,
    /// One of them is a file.
    Obstructed,
    /// One of them has another spelling.
    Spelled,
}

#[derive(Deserialize)]
pub(super) struct ItemsPage {
    pub(super) entries: Vec<DropboxItem>,
    cursor: String,
    has_more: bool,
}

impl ItemsPage {
    pub(super) fn next(&self) -> Option<String> {
        self.has_more.then(|| self.cursor.clone())
    }
}

/// The reply to moves, copies, deletions and new folders.
#[derive(Deserialize)]
pub(super) struct Changed {
    pub(super) metadata: DropboxItem,
}

impl Drive {
    pub(super) fn new(api: Arc<Api<Refusal>>, content: Endpoint, root: String) -> Self {
        Self { api, content, claims: Arc::default(), root, spelled: Mutex::default() }
    }

    /// Returns the path in the form that Dropbox uses.
    pub(super) fn whole(&self, path: &str) -> String {
        if path.is_empty() { self.root.clone() } else { format!("{}/{path}", self.root) }
    }

    pub(super) fn call(&self, function: &str, argument: &impl Serialize) -> Call<Refusal> {
        self.api.call(Method::POST, &format!("/2/files/{function}")).json(argument)
    }

    /// Begins a request to a function that receives or returns bytes.
    pub(super) fn content(&self, function: &str, argument: &Value) -> Call<Refusal> {
        let path = format!("{}/2/files/{function}", self.content.path());
        self.api.at(&self.content, Method::POST, &path).header("dropbox-api-arg", &ascii(argument))
    }

    /// Returns the entry at a path, perhaps with another spelling. It cannot be used for the root.
    async fn any(&self, path: &str) -> Result<Option<DropboxItem>> {
        found(
            self.call("get_metadata", &json!({ "path": self.whole(path) }))
                .read::<DropboxItem>(Again::Harmless)
                .await?,
        )
    }

    pub(super) async fn look(&self, path: &str) -> Result<Look> {
        Ok(match self.any(path).await? {
            None => Look::Nothing,
            Some(item) if item.name != split(path).1 || !self.is_exact(split(path).0).await? => Look::Spelled,
            Some(item) => {
                if item.kind() == EntryKind::Folder {
                    self.learn(path);
                }
                Look::DropboxItem(item)
            }
        })
    }

    pub(super) async fn file(&self, path: &str) -> Result<Option<DropboxItem>> {
        match self.look(path).await? {
            Look::DropboxItem(item) if item.is_file() => Ok(Some(item)),
            _ => Ok(None),
        }
    }

    fn spelled(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Instant>> {
        self.spelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, folder: &str) {
        let mut spelled = self.spelled();
        if spelled.len() >= MANY {
            spelled.clear();
        }
        spelled.insert(folder.to_owned(), Instant::now());
    }

    pub(super) fn forget(&self, folder: &str) {
        let below = format!("{folder}/");
        self.spelled().retain(|known, _| known != folder && !known.starts_with(&below));
    }

    fn is_known(&self, folder: &str) -> bool {
        self.spelled().get(folder).is_some_and(|since| since.elapsed() < FRESH)
    }

    /// Returns whether a folder and those above it have exactly this spelling.
    async fn is_exact(&self, folder: &str) -> Result<bool> {
        Ok(self.way_to(&join(folder, "x")).await? == FolderPath::Free)
    }

    /// Checks the folders in a path, beginning with the outermost one. Below a missing folder nothing is
    /// checked.
    pub(super) async fn way_to(&self, path: &str) -> Result<FolderPath> {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            if self.is_known(folder) {
                continue;
            }
            match self.any(folder).await? {
                None => return Ok(FolderPath::Free),
                Some(item) if item.name != split(folder).1 => return Ok(FolderPath::Spelled),
                Some(item) if item.kind() != EntryKind::Folder => return Ok(FolderPath::Obstructed),
                Some(_) => self.learn(folder),
            }
        }
        Ok(FolderPath::Free)
    }

    /// Returns a page of a folder's entries; `cursor` is the one that the page before named.
    pub(super) async fn page(&self, folder: &str, cursor: Option<&str>) -> Result<Option<ItemsPage>> {
        let call = match cursor {
            Some(cursor) => self.call("list_folder/continue", &json!({ "cursor": cursor })),
            None if !folder.is_empty() && !self.is_exact(folder).await? => return Ok(None),
            None => self.call("list_folder", &json!({ "path": self.whole(folder), "limit": PAGE })),
        };
        match call.read::<ItemsPage>(Again::Harmless).await? {
            Ok(page) => Ok(Some(page)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Creates a folder and those above it.
    pub(super) async fn make(&self, path: &str) -> Result<FolderPath> {
        let way = self.way_to(&join(path, "x")).await?;
        if way != FolderPath::Free || path.is_empty() || self.is_known(path) {
            return Ok(way);
        }
        match self
            .call("create_folder_v2", &json!({ "path": self.whole(path), "autorename": false }))
            .send(Again::Harmless)
            .await?
        {
            Ok(_) => Ok(FolderPath::Free),
            // The folder was created by another task, by an earlier attempt, or by another program.
            Err(refusal) if refusal.says("conflict") => match self.way_to(&join(path, "x")).await? {
                FolderPath::Free if !self.is_known(path) => Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "a folder was removed while it was made",
                )),
                way => Ok(way),
            },
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Moves a file to a path that is free.
    pub(super) async fn relocate(
        &self,
        from: &str,
        to: &str,
    ) -> Result<std::result::Result<Changed, Refusal>> {
        let change = json!({ "from_path": self.whole(from), "to_path": self.whole(to), "autorename": false });
        self.call("move_v2", &change).read::<Changed>(Again::OnlyIfRefused).await
    }

    /// Deletes an entry. `None`: it did not exist. `Some(false)`: it has another revision now.
    pub(super) async fn delete(&self, path: &str, rev: Option<&str>) -> Result<Option<bool>> {
        let mut change = json!({ "path": self.whole(path) });
        if let Some(rev) = rev {
            change["parent_rev"] = json!(rev);
        }
        match self.call("delete_v2", &change).send(Again::Harmless).await? {
            Ok(_) => Ok(Some(true)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) if refusal.says("conflict") => Ok(Some(false)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// Converts a refusal because the path does not exist into `None`.
pub(super) fn found<T>(answer: std::result::Result<T, Refusal>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.is_not_found() => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Splits a path into its folder and its name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Returns JSON for a header: all characters that are not printable ASCII are escaped.
fn ascii(argument: &Value) -> String {
    let mut text = String::new();
    for c in argument.to_string().chars() {
        match c {
            ' '..='~' => text.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_headers_are_ascii_and_mean_the_same() {
        let argument = json!({ "path": "/ü 😀\u{7f}\"\\/x" });
        let text = ascii(&argument);
        assert!(text.is_ascii() && text.contains("\\ud83d\\ude00") && text.contains("\\u007f"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), argument);
    }
}
