//! The content of the fake: files and folders by lower-case path, every version of a file by its revision,
//! and sessions.

use super::wire::Refusal;
use bytes::Bytes;
use causeway::model::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct Entry {
    /// The name in its own spelling.
    pub name: String,
    /// `None` if the entry is a folder.
    pub file: Option<File>,
}

#[derive(Debug, Clone)]
pub struct File {
    pub content: Bytes,
    pub rev: String,
    pub modified: Timestamp,
}

#[derive(Debug, Default)]
pub struct State {
    /// The entries by path, in lower case and without the first `/`.
    pub entries: BTreeMap<String, Entry>,
    pub versions: BTreeMap<String, Bytes>,
    pub sessions: BTreeMap<String, Vec<u8>>,
    /// Unfinished listings: the folder, and the path after which the listing continues.
    pub cursors: BTreeMap<String, (String, String)>,
    pub quota: Option<u64>,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Add,
    Overwrite,
}

impl State {
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn check_quota(&self, more: u64) -> Result<(), Refusal> {
        let used: u64 =
            self.entries.values().filter_map(|entry| Some(entry.file.as_ref()?.content.len() as u64)).sum();
        match self.quota {
            Some(quota) if used + more > quota => Err(Refusal::of("path/insufficient_space")),
            _ => Ok(()),
        }
    }

    /// The lower-case path without its first `/`, from a path in Dropbox's form.
    pub fn key(path: &str) -> Result<String, Refusal> {
        let inner = path.strip_prefix('/').ok_or_else(|| Refusal::of("path/malformed_path"))?;
        for name in inner.split('/') {
            check_name(name)?;
        }
        Ok(inner.to_lowercase())
    }

    /// Creates the missing folders of a path, in this spelling.
    pub fn make_way(&mut self, path: &str) -> Result<(), Refusal> {
        let inner = path.trim_start_matches('/');
        for (at, _) in inner.match_indices('/') {
            let folder = &inner[..at];
            let name = folder.rsplit('/').next().unwrap_or_default().to_owned();
            let entry = self.entries.entry(folder.to_lowercase()).or_insert(Entry { name, file: None });
            if entry.file.is_some() {
                return Err(Refusal::of("path/conflict/file_ancestor"));
            }
        }
        Ok(())
    }

    /// Stores a new version of the file at a path.
    pub fn commit(&mut self, path: &str, content: Bytes, mode: Mode) -> Result<Value, Refusal> {
        let key = Self::key(path)?;
        self.check_quota(content.len() as u64)?;
        match self.entries.get(&key) {
            Some(Entry { file: None, .. }) => return Err(Refusal::of("path/conflict/folder")),
            Some(_) if mode == Mode::Add => return Err(Refusal::of("path/conflict/file")),
            _ => {}
        }
        self.make_way(path)?;
        let rev = format!("{:015x}", self.number());
        self.versions.insert(rev.clone(), content.clone());
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let file = File { content, rev, modified: Timestamp::now() };
        // An entry that is replaced keeps its spelling.
        let entry = self.entries.entry(key.clone()).or_insert(Entry { name, file: None });
        entry.file = Some(file);
        let mut shown = self.show(&key);
        shown.as_object_mut().expect("an object").remove(".tag");
        Ok(shown)
    }

    pub fn show(&self, key: &str) -> Value {
        let entry = &self.entries[key];
        // As the documents warn, the folders of a display path may be spelled in any way.
        let display = match key.rsplit_once('/') {
            Some((folder, _)) => format!("/{folder}/{}", entry.name),
            None => format!("/{}", entry.name),
        };
        let mut shown = json!({ "name": entry.name, "path_lower": format!("/{key}"), "path_display": display, "id": format!("id:{key}") });
        match &entry.file {
            None => shown[".tag"] = json!("folder"),
            Some(file) => {
                shown[".tag"] = json!("file");
                shown["rev"] = json!(file.rev);
                shown["size"] = json!(file.content.len());
                shown["server_modified"] = json!(seconds(file.modified));
                shown["client_modified"] = json!(seconds(file.modified));
                shown["content_hash"] = json!(content_hash(&file.content));
                shown["is_downloadable"] = json!(true);
            }
        }
        shown
    }

    /// Removes an entry with everything below it.
    pub fn remove(&mut self, key: &str) {
        let below = format!("{key}/");
        self.entries.retain(|known, _| known != key && !known.starts_with(&below));
    }

    /// The path of an entry in its own spelling.
    pub fn spelled(&self, key: &str) -> String {
        let ends = key.match_indices('/').map(|(at, _)| at).chain([key.len()]);
        let names: Vec<&str> = ends.map(|end| self.entries[&key[..end]].name.as_str()).collect();
        names.join("/")
    }
}

fn seconds(time: Timestamp) -> String {
    let whole = Timestamp::from_millis(time.millis() - time.millis().rem_euclid(1000));
    whole.iso8601().replace(".000Z", "Z")
}

fn content_hash(content: &[u8]) -> String {
    let blocks: Vec<u8> =
        content.chunks(4 << 20).flat_map(|block| digest(&SHA256, block).as_ref().to_vec()).collect();
    hex::encode(digest(&SHA256, &blocks))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let lower = name.to_lowercase();
    if name.is_empty()
        || matches!(name, "." | "..")
        || name.contains(['\\', '\0'])
        || name.ends_with(' ')
        || name.chars().count() > 255
    {
        return Err(Refusal::of("path/malformed_path"));
    }
    if [".dropbox", ".dropbox.cache", ".dropbox.attr", ".ds_store", "desktop.ini", "thumbs.db"]
        .contains(&lower.as_str())
    {
        return Err(Refusal::of("path/disallowed_name"));
    }
    Ok(())
}
