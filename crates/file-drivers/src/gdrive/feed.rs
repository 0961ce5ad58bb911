//! The change feed of Drive: its log of changes ("Retrieve changes" in its documentation).
//!
//! The log names files by id and reports their current state, not the former one. A file's path is computed
//! from its parents; its former path is known only if its id was remembered. When a folder is renamed, moved
//! or removed, its files change their paths without entries of their own: for such files only a full scan can
//! decide.

use super::{
    GdriveFiles,
    drive::{DEEPEST, Drive},
    is_name,
    item::{DriveFile, FIELDS},
};
use crate::{
    backend::{
        codec::join,
        tree::files::{Changes, EntryKind, Feed, OWN},
        wire::Again,
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::StatusCode;
use serde::Deserialize;
use std::collections::HashMap;

/// Google's largest page.
const PAGE: &str = "1000";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    start_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangesPage {
    #[serde(default)]
    changes: Vec<Change>,
    next_page_token: Option<String>,
    new_start_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// The id of a file. `None`: the change is about a shared drive.
    file_id: Option<String>,
    #[serde(default)]
    removed: bool,
    file: Option<DriveFile>,
}

#[async_trait]
impl Feed for GdriveFiles {
    async fn mark(&self) -> Result<String> {
        let call = self
            .drive
            .in_its_drive(self.drive.client.changes("/startPageToken"))
            .query("fields", "startPageToken");
        Ok(call.read::<Start>(Again::Harmless).await??.start_page_token)
    }

    async fn since(&self, mark: &str) -> Result<Option<Changes>> {
        let fields = format!("nextPageToken,newStartPageToken,changes(fileId,removed,file({FIELDS}))");
        let call = self
            .drive
            .in_its_drive(self.drive.client.changes(""))
            .query("pageToken", mark)
            .query("pageSize", PAGE);
        let call = call
            .query("spaces", "drive")
            .query("includeRemoved", "true")
            .query("includeItemsFromAllDrives", "true");
        let page = match call.query("fields", fields).read::<ChangesPage>(Again::Harmless).await? {
            Ok(page) => page,
            // Drive does not know this page token any more.
            Err(refusal)
                if matches!(
                    refusal.status,
                    StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::GONE
                ) =>
            {
                return Ok(None);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let more = page.next_page_token.is_some();
        let endless = || {
            StoreError::new(
                StoreErrorKind::Internal,
                "Google Drive does not say where its log of changes goes on",
            )
        };
        let mark = page.next_page_token.or(page.new_start_page_token).ok_or_else(endless)?;
        let mut changes = Changes { mark, more, ..Changes::default() };
        let mut ways = ItemPaths { drive: &self.drive, known: HashMap::new() };
        for change in page.changes {
            if !ways.sort(change, &mut changes).await? {
                return Ok(None);
            }
        }
        Ok(Some(changes))
    }
}

/// Computes paths of files, from their parents up to the root.
struct ItemPaths<'d> {
    drive: &'d Drive,
    /// The parent and the name of each folder. `None`: the folder is not below the root.
    known: HashMap<String, Option<(String, String)>>,
}

impl ItemPaths<'_> {
    /// Adds a change to `changes`. `false`: only a full scan can find out what it means.
    async fn sort(&mut self, change: Change, changes: &mut Changes) -> Result<bool> {
        let Some(id) = change.file_id.filter(|id| !self.drive.ids.is_gone(id)) else { return Ok(true) };
        let old_path = self.drive.ids.path_of(&id);
        let Some(item) = change.file.filter(|_| !change.removed) else {
            let is_lost = self.is_lost(&id, old_path.as_deref());
            changes.left.push(id);
            return Ok(!is_lost);
        };
        match (item.kind(), self.way(&item).await?) {
            (_, ItemPath::Ours) => {}
            (EntryKind::Folder, ItemPath::At(path)) if !item.trashed => match old_path {
                Some(old_path) if old_path == path => {}
                old_path if self.is_lost(&id, old_path.as_deref()) => return Ok(false),
                _ => changes.folders.push(path),
            },
            (EntryKind::Folder, way) => {
                return Ok(!self.is_lost(&id, old_path.as_deref()) && matches!(way, ItemPath::Elsewhere));
            }
            (EntryKind::File, ItemPath::At(path)) if !item.trashed => {
                // The file is not the one that was last known at this path, so it may have been at another
                // path before.
                if self.drive.ids.recall(&path).is_none_or(|known| known.id != id) {
                    changes.left.push(id);
                }
                changes.files.push((path, item.stat()));
            }
            (EntryKind::File, _) => changes.left.push(id),
            (EntryKind::Other | EntryKind::Nameless, _) => {}
        }
        Ok(true)
    }

    /// Returns whether this is a folder that was known at another path.
    fn is_lost(&self, id: &str, old_path: Option<&str>) -> bool {
        if let Some(old_path) = old_path {
            self.drive.ids.moved(id, old_path);
        }
        self.drive.ids.has_moved(id)
    }

    async fn way(&mut self, item: &DriveFile) -> Result<ItemPath> {
        let root = self.drive.root().await?;
        let mut names = vec![item.name.clone()];
        let mut at = item.parents.first().cloned();
        if at.is_none() {
            return Ok(ItemPath::Elsewhere);
        }
        while let Some(folder) = at.filter(|folder| folder != root) {
            // Drive does not allow so many levels, so these folders contain each other.
            if names.len() > DEEPEST {
                return Ok(ItemPath::Elsewhere);
            }
            if !self.known.contains_key(&folder) {
                let found = self.drive.get(&folder).await?;
                let way = found.and_then(|found| Some((found.parents.into_iter().next()?, found.name)));
                self.known.insert(folder.clone(), way);
            }
            let Some((parent, name)) = self.known.get(&folder).and_then(Clone::clone) else {
                return Ok(ItemPath::Elsewhere);
            };
            names.push(name);
            at = Some(parent);
        }
        if names.last().is_some_and(|name| name == OWN) {
            return Ok(ItemPath::Ours);
        }
        if names.iter().any(|name| !is_name(name)) {
            Ok(ItemPath::Elsewhere)
        } else {
            Ok(ItemPath::At(names.iter().rev().fold(String::new(), |path, name| join(&path, name))))
        }
    }
}

/// Where an item is.
enum ItemPath {
    /// At this path below the root.
    At(String),
    /// In the driver's own folder, whose files are ignored.
    Ours,
    Elsewhere,
}
