//! What the fake holds: files and folders by lower-case path, every version of a file by its revision,
//! sessions.

use super::wire::Refusal;
use bytes::Bytes;
use causeway::model::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct Entry {
    /// As it is spelled.
    pub name: String,
    /// `None`: a folder.
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
    /// By path without the first `/`, in lower case.
    pub entries: BTreeMap<String, Entry>,
    pub versions: BTreeMap<String, Bytes>,
    pub sessions: BTreeMap<String, Vec<u8>>,
    /// Listings that go on: the folder, and after which path.
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

    /// A path as Dropbox writes it, in lower case and without its first `/`.
    pub fn key(path: &str) -> Result<String, Refusal> {
        let inner = path.strip_prefix('/').ok_or_else(|| Refusal::of("path/malformed_path"))?;
        for name in inner.split('/') {
            check_name(name)?;
        }
        Ok(inner.to_lowercase())
    }

    /// Makes the folders on the way, as they are spelled here unless they are there.
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

    /// A new version of the file of a path.
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
        // What is replaced keeps its spelling.
        let entry = self.entries.entry(key.clone()).or_insert(Entry { name, file: None });
        entry.file = Some(file);
        let mut shown = self.show(&key);
        shown.as_object_mut().expect("an object").remove(".tag");
        Ok(shown)
    }

    pub fn show(&self, key: &str) -> Value {
        let entry = &self.entries[key];
        // As the documents warn, what is above the last name may be spelled in any way.
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

    /// With everything below it.
    pub fn remove(&mut self, key: &str) {
        let below = format!("{key}/");
        self.entries.retain(|known, _| known != key && !known.starts_with(&below));
    }

    /// The path of an entry, as it is spelled.
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
