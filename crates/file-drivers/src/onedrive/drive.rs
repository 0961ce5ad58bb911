//! Paths and their entries: looking up items, finding and creating folders, and changes that the service
//! makes asynchronously.
//!
//! OneDrive finds `A` under `a`, while the two are different objects: an entry with another spelling is not
//! the requested one.

use super::{
    item::{DriveItem, FIELDS},
    refusal::Refusal,
};
use crate::{
    backend::{
        claims::Claims,
        codec::join,
        oauth::{Api, Call},
        tree::files::EntryKind,
        wire::{self, Again, Reply},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

const PAGE: &str = "1000";
/// The longest path with all its folders, in UTF-16 units.
const LONGEST_PATH: usize = 400;
/// The number of folders whose ids are remembered.
const MANY: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a copy may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Drive {
    pub(super) api: Arc<Api<Refusal>>,
    pub(super) claims: Arc<Claims>,
    /// `/me/drive` or `/drives/…`.
    base: String,
    /// The folders from the top of the drive to the root, as configured.
    root: String,
    found: OnceCell<Root>,
    folders: Mutex<HashMap<String, String>>,
    /// The spool for bodies of unknown length.
    pub(super) spool: PathBuf,
}

#[derive(Debug)]
struct Root {
    id: String,
    /// The path with its exact spelling.
    path: String,
}

#[derive(Debug)]
pub(super) enum Look {
    Nothing,
    /// The entry, or a folder above it, has another spelling.
    Spelled,
    DriveItem(Box<DriveItem>),
}

/// The result of creating folders.
#[derive(Debug)]
pub(super) enum Made {
    Folder(String),
    /// One of them is a file.
    Obstructed,
    /// One of them has another spelling.
    Spelled,
}

#[derive(Deserialize)]
pub(super) struct ItemsPage {
    #[serde(default)]
    pub(super) value: Vec<DriveItem>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    #[serde(default)]
    status: String,
}

impl Drive {
    pub(super) fn new(api: Arc<Api<Refusal>>, base: String, root: String, spool: PathBuf) -> Self {
        Self {
            api,
            claims: Arc::default(),
            base,
            root,
            found: OnceCell::new(),
            folders: Mutex::default(),
            spool,
        }
    }

    pub(super) fn call(&self, method: Method, below: &str) -> Call<Refusal> {
        self.api.call(method, &format!("{}{below}", self.base))
    }

    pub(super) fn item(&self, method: Method, id: &str, below: &str) -> Call<Refusal> {
        self.call(method, &format!("/items/{}{below}", wire::encode_path(id)))
    }

    /// Begins a request for an entry of a folder. The entry may not exist yet.
    pub(super) fn child(&self, method: Method, folder: &str, name: &str, below: &str) -> Call<Refusal> {
        self.item(method, folder, &format!(":/{}:{below}", wire::encode_path(name)))
    }

    /// Begins a request for a path below the top of the drive.
    fn at(&self, method: Method, path: &str, below: &str) -> Call<Refusal> {
        match path {
            "" => self.call(method, &format!("/root{below}")),
            path if below.is_empty() => self.call(method, &format!("/root:/{}", wire::encode_path(path))),
            path => self.call(method, &format!("/root:/{}:{below}", wire::encode_path(path))),
        }
    }

    async fn root(&self) -> Result<&Root> {
        let found = self.found.get_or_try_init(|| async {
            let is_file =
                || StoreError::new(StoreErrorKind::InvalidRequest, "the root of this backend is a file");
            let top = found(self.at(Method::GET, "", "").read::<DriveItem>(Again::Harmless).await?)?;
            let missing =
                || StoreError::new(StoreErrorKind::Unavailable, "the drive of this backend is not there");
            let mut root = Root { id: top.ok_or_else(missing)?.id, path: String::new() };
            for name in self.root.split('/').filter(|name| !name.is_empty()) {
                let path = join(&root.path, name);
                let mut item =
                    found(self.at(Method::GET, &path, "").read::<DriveItem>(Again::Harmless).await?)?;
                if item.is_none() {
                    drop(self.make_child(&root.id, name).await?);
                    item = found(self.at(Method::GET, &path, "").read::<DriveItem>(Again::Harmless).await?)?;
                }
                let item = item.ok_or_else(missing)?;
                if item.kind() != EntryKind::Folder {
                    return Err(is_file());
                }
                root = Root { path: join(&root.path, &item.name), id: item.id };
            }
            Ok(root)
        });
        found.await
    }

    /// Returns the path below the top of the drive. `None`: it is longer than OneDrive allows.
    pub(super) async fn whole(&self, path: &str) -> Result<Option<String>> {
        let whole = match path {
            "" => self.root().await?.path.clone(),
            path => join(&self.root().await?.path, path),
        };
        Ok((whole.encode_utf16().count() <= LONGEST_PATH).then_some(whole))
    }

    pub(super) async fn look(&self, path: &str) -> Result<Look> {
        let Some(whole) = self.whole(path).await? else { return Ok(Look::Nothing) };
        Ok(match found(self.at(Method::GET, &whole, "").read::<DriveItem>(Again::Harmless).await?)? {
            None => Look::Nothing,
            Some(item) if whole.is_empty() || item.is_at(&whole) => Look::DriveItem(Box::new(item)),
            Some(_) => Look::Spelled,
        })
    }

    pub(super) async fn file(&self, path: &str) -> Result<Option<DriveItem>> {
        match self.look(path).await? {
            Look::DriveItem(item) if item.is_file() => Ok(Some(*item)),
            _ => Ok(None),
        }
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<DriveItem>> {
        found(self.item(Method::GET, id, "").read::<DriveItem>(Again::Harmless).await?)
    }

    /// Returns a page of a folder's entries; `next` is what the page before named.
    pub(super) async fn page(&self, folder: &str, next: Option<&str>) -> Result<ItemsPage> {
        let Some(whole) = self.whole(folder).await? else {
            return Ok(ItemsPage { value: Vec::new(), next: None });
        };
        let call = match next {
            None => self.at(Method::GET, &whole, "/children").query("$top", PAGE).query("$select", FIELDS),
            Some(next) => {
                let uri = next.parse::<http::Uri>().ok();
                let target = uri.as_ref().and_then(|uri| Some(uri.path_and_query()?.as_str()));
                let unexpected = || {
                    StoreError::new(StoreErrorKind::Internal, "OneDrive does not say where a listing goes on")
                };
                self.api.named(Method::GET, target.ok_or_else(unexpected)?)
            }
        };
        let mut page = found(call.read::<ItemsPage>(Again::Harmless).await?)?
            .unwrap_or(ItemsPage { value: Vec::new(), next: None });
        if page.value.first().is_some_and(|item| !item.is_in(&whole)) {
            page = ItemsPage { value: Vec::new(), next: None };
        }
        Ok(page)
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, path: &str, id: &str) {
        let mut folders = self.folders();
        if folders.len() >= MANY {
            folders.clear();
        }
        folders.insert(path.to_owned(), id.to_owned());
    }

    /// Forgets a folder, those above it and those below.
    pub(super) fn forget_along(&self, path: &str) {
        let is_along = |known: &str| {
            let below = |inner: &str, outer: &str| {
                inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            below(known, path) || below(path, known)
        };
        self.folders().retain(|known, _| !is_along(known));
    }

    /// Creates a folder and those above it.
    pub(super) async fn make(&self, path: &str) -> Result<Made> {
        if self.whole(path).await?.is_none() {
            return Err(too_long());
        }
        let mut id = self.root().await?.id.clone();
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        // Begins at the innermost folder whose id is known.
        let mut depth = 0;
        for known in (1..=names.len()).rev() {
            if let Some(found) = self.folders().get(&names[..known].join("/")).cloned() {
                (id, depth) = (found, known);
                break;
            }
        }
        while depth < names.len() {
            depth += 1;
            let at = names[..depth].join("/");
            let mut look = self.look(&at).await?;
            if let Look::Nothing = look {
                if let Some(made) = self.make_child(&id, names[depth - 1]).await? {
                    look = Look::DriveItem(Box::new(made));
                } else {
                    look = self.look(&at).await?;
                }
            }
            id = match look {
                Look::DriveItem(item) if item.kind() == EntryKind::Folder => item.id,
                Look::DriveItem(_) => return Ok(Made::Obstructed),
                Look::Spelled => return Ok(Made::Spelled),
                Look::Nothing => {
                    self.forget_along(&at);
                    return Err(StoreError::new(
                        StoreErrorKind::Unavailable,
                        "a folder was removed while others were made in it",
                    ));
                }
            };
            self.learn(&at, &id);
        }
        Ok(Made::Folder(id))
    }

    /// Creates a folder in another one. `None`: the name is taken, or the parent does not exist any more.
    async fn make_child(&self, parent: &str, name: &str) -> Result<Option<DriveItem>> {
        let folder = json!({ "name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail" });
        match self
            .item(Method::POST, parent, "/children")
            .json(&folder)
            .read::<DriveItem>(Again::Harmless)
            .await?
        {
            Ok(item) => Ok(Some(item)),
            Err(refusal) if refusal.is_conflict() || refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) async fn own_folder(&self) -> Result<String> {
        match self.make(&super::drafts()).await? {
            Made::Folder(id) => Ok(id),
            _ => Err(StoreError::new(
                StoreErrorKind::Internal,
                "something else has the name of our own folder",
            )),
        }
    }

    /// Moves an item to a folder and a name. With `replace`, a file that has the name is replaced, but never
    /// a folder.
    pub(super) async fn relocate(
        &self,
        id: &str,
        parent: Option<&str>,
        name: &str,
        behaviour: &str,
    ) -> Result<Answered> {
        let mut change = json!({ "name": name, "@microsoft.graph.conflictBehavior": behaviour });
        if let Some(parent) = parent {
            change["parentReference"] = json!({ "id": parent });
        }
        // Graph's documentation has this parameter in the address, and its examples in the body, so both are
        // sent.
        let call = self
            .item(Method::PATCH, id, "")
            .query("@microsoft.graph.conflictBehavior", behaviour)
            .json(&change);
        call.read::<DriveItem>(Again::Harmless).await
    }

    /// Copies an item and waits until the copy is complete. `Err`: the reason for a refusal.
    pub(super) async fn copy(
        &self,
        source: &DriveItem,
        parent: &str,
        name: &str,
        behaviour: &str,
    ) -> Result<std::result::Result<(), Refusal>> {
        let mut place = json!({ "id": parent });
        if let Some(drive) = &source.parent_reference.drive_id {
            place["driveId"] = json!(drive);
        }
        let call = self
            .item(Method::POST, &source.id, "/copy")
            .query("@microsoft.graph.conflictBehavior", behaviour);
        let call = call.json(&json!({ "parentReference": place, "name": name })).patiently();
        let reply = match call.send(Again::OnlyIfRefused).await? {
            Ok(reply) => reply,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match reply.header(header::LOCATION).map(str::to_owned) {
            Some(monitor) => self.wait_for(&monitor).await,
            None => Ok(Ok(())),
        }
    }

    async fn wait_for(&self, monitor: &str) -> Result<std::result::Result<(), Refusal>> {
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        while begun.elapsed() < PATIENCE {
            let reply: Reply = match self.api.unsigned(Method::GET, monitor)?.send(Again::Harmless).await? {
                Ok(reply) => reply,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if reply.status == StatusCode::SEE_OTHER {
                return Ok(Ok(()));
            }
            let document = reply.bytes(64 << 10).await?;
            let job: Job = crate::backend::oauth::parse::<_, Refusal>(&document)?;
            match job.status.as_str() {
                "completed" => return Ok(Ok(())),
                "failed" | "deleteFailed" => {
                    return Ok(Err(crate::backend::oauth::Refusal::read(
                        StatusCode::CONFLICT,
                        None,
                        &document,
                    )));
                }
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "OneDrive takes too long to copy a file"))
    }

    /// Deletes an item. `None`: it did not exist. `Some(false)`: it has another tag now.
    pub(super) async fn delete(&self, id: &str, e_tag: Option<&str>) -> Result<Option<bool>> {
        let mut call = self.item(Method::DELETE, id, "");
        if let Some(tag) = e_tag {
            call = call.header("if-match", tag);
        }
        match call.send(Again::Harmless).await? {
            Ok(_) => Ok(Some(true)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => Ok(Some(false)),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

pub(super) type Answered = std::result::Result<DriveItem, Refusal>;

/// Converts a refusal because the item does not exist into `None`.
pub(super) fn found<T>(answer: std::result::Result<T, Refusal>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.is_not_found() => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

pub(super) fn too_long() -> StoreError {
    StoreError::new(StoreErrorKind::KeyTooLong, super::TOO_LONG)
}

/// Splits a path into its folder and its name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
