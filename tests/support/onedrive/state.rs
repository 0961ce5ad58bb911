//! The content of the fake drive: items by id. In a folder, names are unique without regard to case.

use super::wire::{Behaviour, Refusal};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use causeway::model::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const ROOT: &str = "01ROOT";
pub const DRIVE: &str = "b!drive";

#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    pub name: String,
    /// `None` for the top folder.
    pub parent: Option<String>,
    /// `None` for a folder.
    pub content: Option<Bytes>,
    /// The hash of the content.
    pub hash: String,
    pub modified: Timestamp,
    /// The numbers of the last change of the item, and of the last change of its bytes.
    pub changes: u64,
    pub version: u64,
}

#[derive(Debug)]
pub struct State {
    pub items: BTreeMap<String, Item>,
    pub uploads: BTreeMap<String, Upload>,
    /// The jobs of copies: how often each is still reported as running, and whether it succeeds.
    pub jobs: BTreeMap<String, (usize, bool)>,
    pub quota: Option<u64>,
    next: u64,
}

#[derive(Debug, Clone)]
pub struct Upload {
    pub folder: String,
    pub name: String,
    pub behaviour: Behaviour,
    pub total: Option<u64>,
    pub received: Vec<Bytes>,
}

impl Default for State {
    fn default() -> Self {
        let top = Item {
            id: ROOT.into(),
            name: "root".into(),
            parent: None,
            content: None,
            hash: String::new(),
            modified: Timestamp::now(),
            changes: 0,
            version: 0,
        };
        let items = [(ROOT.to_owned(), top)].into();
        Self { items, uploads: BTreeMap::new(), jobs: BTreeMap::new(), quota: None, next: 0 }
    }
}

impl State {
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn item(&self, id: &str) -> Result<&Item, Refusal> {
        self.items.get(id).ok_or_else(Refusal::not_found)
    }

    pub fn folder(&self, id: &str) -> Result<&Item, Refusal> {
        self.item(id)
            .and_then(|item| if item.content.is_none() { Ok(item) } else { Err(Refusal::not_found()) })
    }

    pub fn child(&self, folder: &str, name: &str) -> Option<&Item> {
        let name = name.to_lowercase();
        self.items
            .values()
            .find(|item| item.parent.as_deref() == Some(folder) && item.name.to_lowercase() == name)
    }

    pub fn at(&self, path: &str) -> Result<&Item, Refusal> {
        let mut at = &self.items[ROOT];
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.child(&at.id, name).ok_or_else(Refusal::not_found)?;
        }
        Ok(at)
    }

    pub fn path(&self, item: &Item) -> String {
        let mut path = item.name.clone();
        let mut at = item;
        while let Some(parent) =
            at.parent.as_ref().map(|parent| &self.items[parent]).filter(|parent| parent.parent.is_some())
        {
            path = format!("{}/{path}", parent.name);
            at = parent;
        }
        path
    }

    pub fn check_quota(&self, more: u64) -> Result<(), Refusal> {
        let used: u64 =
            self.items.values().filter_map(|item| Some(item.content.as_ref()?.len() as u64)).sum();
        match self.quota {
            Some(quota) if used + more > quota => {
                Err(Refusal::new(507, "quotaLimitReached", "Insufficient Space Available"))
            }
            _ => Ok(()),
        }
    }

    /// Makes room for a name: an item of that name is deleted, or is an error.
    pub fn make_room(
        &mut self,
        folder: &str,
        name: &str,
        behaviour: Behaviour,
        for_item: Option<&str>,
    ) -> Result<(), Refusal> {
        self.folder(folder)?;
        check_name(name)?;
        if self.path(&self.items[folder]).encode_utf16().count() + 1 + name.encode_utf16().count() > 400 {
            return Err(Refusal::new(400, "pathIsTooLong", "The path is too long"));
        }
        let there = self.child(folder, name).filter(|there| Some(there.id.as_str()) != for_item).cloned();
        match there {
            None => Ok(()),
            Some(there) if behaviour == Behaviour::Replace && there.content.is_some() => {
                self.delete(&there.id);
                Ok(())
            }
            Some(_) => Err(Refusal::exists()),
        }
    }

    pub fn create(
        &mut self,
        folder: &str,
        name: &str,
        content: Option<Bytes>,
        behaviour: Behaviour,
    ) -> Result<String, Refusal> {
        self.check_quota(content.as_ref().map_or(0, |content| content.len() as u64))?;
        // New bytes of an existing file are a new version of it.
        if let (Some(content), Behaviour::Replace) = (&content, behaviour)
            && let Some(there) =
                self.child(folder, name).filter(|there| there.content.is_some()).map(|there| there.id.clone())
        {
            self.fill(&there, content.clone());
            return Ok(there);
        }
        self.make_room(folder, name, behaviour, None)?;
        let number = self.number();
        let id = format!("01{:X}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (parent, modified) = (Some(folder.to_owned()), Timestamp::now());
        let hash = content.as_deref().map(quick_xor).unwrap_or_default();
        let item = Item {
            id: id.clone(),
            name: name.to_owned(),
            parent,
            content,
            hash,
            modified,
            changes: number,
            version: number,
        };
        self.items.insert(id.clone(), item);
        Ok(id)
    }

    pub fn fill(&mut self, id: &str, content: Bytes) {
        let number = self.number();
        let item = self.items.get_mut(id).expect("is there");
        item.hash = quick_xor(&content);
        item.content = Some(content);
        (item.changes, item.version, item.modified) = (number, number, Timestamp::now());
    }

    /// Deletes an item with everything below it.
    pub fn delete(&mut self, id: &str) {
        self.items.remove(id);
        let below: Vec<String> = self
            .items
            .values()
            .filter(|item| item.parent.as_deref() == Some(id))
            .map(|item| item.id.clone())
            .collect();
        below.iter().for_each(|id| self.delete(id));
    }

    pub fn e_tag(item: &Item) -> String {
        format!("\"{{{}}},{}\"", item.id, item.changes)
    }

    /// Paths are encoded or not, and hashes are shown or not: the service does both.
    pub fn show(&self, item: &Item, quirks: Quirks, download: Option<String>) -> Value {
        let mut shown = json!({
            "id": item.id,
            "name": item.name,
            "size": item.content.as_ref().map_or(0, Bytes::len),
            "eTag": Self::e_tag(item),
            "lastModifiedDateTime": item.modified.iso8601(),
            "createdDateTime": item.modified.iso8601(),
        });
        match item.parent.as_ref().map(|parent| &self.items[parent]) {
            None => shown["root"] = json!({}),
            Some(parent) => {
                let folder = if parent.parent.is_some() { self.path(parent) } else { String::new() };
                let encoded = |name: &str| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
                let told = if quirks.encodes_paths {
                    folder.split('/').map(encoded).collect::<Vec<_>>().join("/")
                } else {
                    folder
                };
                let path =
                    if told.is_empty() { "/drive/root:".to_owned() } else { format!("/drive/root:/{told}") };
                shown["parentReference"] =
                    json!({ "driveId": DRIVE, "driveType": "business", "id": parent.id, "path": path });
            }
        }
        match &item.content {
            None => {
                let children =
                    self.items.values().filter(|child| child.parent.as_ref() == Some(&item.id)).count();
                shown["folder"] = json!({ "childCount": children });
            }
            Some(_) => {
                shown["cTag"] = json!(format!("\"c:{{{}}},{}\"", item.id, item.version));
                let hashes =
                    if quirks.tells_hashes { json!({ "quickXorHash": item.hash }) } else { json!({}) };
                shown["file"] = json!({ "mimeType": "application/octet-stream", "hashes": hashes });
                if let Some(download) = download {
                    shown["@microsoft.graph.downloadUrl"] = json!(download);
                }
            }
        }
        shown
    }
}

/// The differences between drives.
#[derive(Debug, Clone, Copy)]
pub struct Quirks {
    /// Whether `replace` works when items are moved.
    pub replaces: bool,
    pub encodes_paths: bool,
    pub tells_hashes: bool,
}

/// The rules of "Restrictions and limitations in OneDrive and SharePoint".
fn check_name(name: &str) -> Result<(), Refusal> {
    let lower = name.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    let device = matches!(stem, "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    let refused = name.is_empty()
        || name.chars().any(|c| "\"*:<>?/\\|".contains(c) || c.is_control())
        || name.starts_with(' ')
        || name.ends_with([' ', '.'])
        || lower.starts_with("~$")
        || lower.contains("_vti_")
        || matches!(lower.as_str(), ".lock" | "desktop.ini")
        || device
        || name.encode_utf16().count() > 255;
    if refused {
        Err(Refusal::invalid(format!("The provided name cannot contain or be '{name}'")))
    } else {
        Ok(())
    }
}

/// The hash combines bits by XOR and repeats after 160 bytes, so later bytes fall on the same positions.
fn quick_xor(content: &[u8]) -> String {
    let mut round = [0u8; 160];
    for piece in content.chunks(160) {
        round.iter_mut().zip(piece).for_each(|(all, byte)| *all ^= byte);
    }
    let mut ring = [0u8; 20];
    for (n, byte) in round.iter().enumerate() {
        for bit in 0..8 {
            let at = (n * 11 + bit) % 160;
            ring[at / 8] ^= (byte >> bit & 1) << (at % 8);
        }
    }
    ring[12..]
        .iter_mut()
        .zip((content.len() as u64).to_le_bytes())
        .for_each(|(byte, length)| *byte ^= length);
    STANDARD.encode(ring)
}
