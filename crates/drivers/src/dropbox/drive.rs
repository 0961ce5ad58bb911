//! Paths and their entries. Dropbox finds `A` under `a`, while the two are different objects, and of the
//! folders in a path it only promises to spell the last name right: so each is checked by itself, and
//! remembered for a while.

use super::{item::Item, refusal::Refusal};
use crate::{
    backend::{
        claims::Claims,
        codec::join,
        oauth::{Api, Call},
        tree::files::Kind,
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

/// Dropbox gives up to 2,000.
const PAGE: u32 = 1000;
/// How long another program's respelling of a folder may go unnoticed.
const FRESH: Duration = Duration::from_secs(60);
/// Folders that are remembered.
const MANY: usize = 10_000;

#[derive(Debug)]
pub(super) struct Drive {
    pub(super) api: Arc<Api<Refusal>>,
    content: Endpoint,
    pub(super) claims: Arc<Claims>,
    /// Begins with a `/`, or is empty.
    root: String,
    /// Folders that were seen to be spelled like this.
    spelled: Mutex<BTreeMap<String, Instant>>,
}

#[derive(Debug)]
pub(super) enum Look {
    Nothing,
    /// Something that is spelled otherwise, it or a folder on the way.
    Spelled,
    Item(Item),
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Folders, or nothing.
    Free,
    /// A file.
    Obstructed,
    /// A folder or file that is spelled otherwise.
    Spelled,
}

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) entries: Vec<Item>,
    cursor: String,
    has_more: bool,
}

impl Page {
    pub(super) fn next(&self) -> Option<String> {
        self.has_more.then(|| self.cursor.clone())
    }
}

/// The reply to moves, copies, deletions and new folders.
#[derive(Deserialize)]
pub(super) struct Changed {
    pub(super) metadata: Item,
}

impl Drive {
    pub(super) fn new(api: Arc<Api<Refusal>>, content: Endpoint, root: String) -> Self {
        Self { api, content, claims: Arc::default(), root, spelled: Mutex::default() }
    }

    /// Returns the path as Dropbox writes it.
    pub(super) fn whole(&self, path: &str) -> String {
        if path.is_empty() { self.root.clone() } else { format!("{}/{path}", self.root) }
    }

    pub(super) fn call(&self, function: &str, argument: &impl Serialize) -> Call<Refusal> {
        self.api.call(Method::POST, &format!("/2/files/{function}")).json(argument)
    }

    /// A function that takes or gives bytes.
    pub(super) fn content(&self, function: &str, argument: &Value) -> Call<Refusal> {
        let path = format!("{}/2/files/{function}", self.content.path());
        self.api.at(&self.content, Method::POST, &path).header("dropbox-api-arg", &ascii(argument))
    }

    /// Returns the entry at a path, perhaps with another spelling. Not for the root.
    async fn any(&self, path: &str) -> Result<Option<Item>> {
        found(
            self.call("get_metadata", &json!({ "path": self.whole(path) }))
                .read::<Item>(Again::Harmless)
                .await?,
        )
    }

    pub(super) async fn look(&self, path: &str) -> Result<Look> {
        Ok(match self.any(path).await? {
            None => Look::Nothing,
            Some(item) if item.name != split(path).1 || !self.is_exact(split(path).0).await? => Look::Spelled,
            Some(item) => {
                if item.kind() == Kind::Folder {
                    self.learn(path);
                }
                Look::Item(item)
            }
        })
    }

    pub(super) async fn file(&self, path: &str) -> Result<Option<Item>> {
        match self.look(path).await? {
            Look::Item(item) if item.is_file() => Ok(Some(item)),
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
        Ok(self.way_to(&join(folder, "x")).await? == Way::Free)
    }

    /// From the outside in: what is below nothing needs no look.
    pub(super) async fn way_to(&self, path: &str) -> Result<Way> {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            if self.is_known(folder) {
                continue;
            }
            match self.any(folder).await? {
                None => return Ok(Way::Free),
                Some(item) if item.name != split(folder).1 => return Ok(Way::Spelled),
                Some(item) if item.kind() != Kind::Folder => return Ok(Way::Obstructed),
                Some(_) => self.learn(folder),
            }
        }
        Ok(Way::Free)
    }

    /// Returns a page of a folder's entries; `cursor` is the one that the page before named.
    pub(super) async fn page(&self, folder: &str, cursor: Option<&str>) -> Result<Option<Page>> {
        let call = match cursor {
            Some(cursor) => self.call("list_folder/continue", &json!({ "cursor": cursor })),
            None if !folder.is_empty() && !self.is_exact(folder).await? => return Ok(None),
            None => self.call("list_folder", &json!({ "path": self.whole(folder), "limit": PAGE })),
        };
        match call.read::<Page>(Again::Harmless).await? {
            Ok(page) => Ok(Some(page)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// A folder and those above it.
    pub(super) async fn make(&self, path: &str) -> Result<Way> {
        let way = self.way_to(&join(path, "x")).await?;
        if way != Way::Free || path.is_empty() || self.is_known(path) {
            return Ok(way);
        }
        match self
            .call("create_folder_v2", &json!({ "path": self.whole(path), "autorename": false }))
            .send(Again::Harmless)
            .await?
        {
            Ok(_) => Ok(Way::Free),
            // By us, by the attempt before, or by somebody else.
            Err(refusal) if refusal.says("conflict") => match self.way_to(&join(path, "x")).await? {
                Way::Free if !self.is_known(path) => Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "a folder was removed while it was made",
                )),
                way => Ok(way),
            },
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Gives a file another path, which nothing has.
    pub(super) async fn relocate(
        &self,
        from: &str,
        to: &str,
    ) -> Result<std::result::Result<Changed, Refusal>> {
        let change = json!({ "from_path": self.whole(from), "to_path": self.whole(to), "autorename": false });
        self.call("move_v2", &change).read::<Changed>(Again::OnlyIfRefused).await
    }

    /// `None`: there was nothing. `Some(false)`: it is not that version any more.
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

/// A refusal because there is no such thing is an answer.
pub(super) fn found<T>(answer: std::result::Result<T, Refusal>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.is_not_found() => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The folder of a path, and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// JSON for a header: what is not printable ASCII is escaped.
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
