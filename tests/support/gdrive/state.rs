//! The content of the fake: files and folders by id, each in one folder, where several may have one name.

use super::wire::Refusal;
use bytes::Bytes;
use causeway::model::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const FOLDER: &str = "application/vnd.google-apps.folder";
pub const MY_DRIVE: &str = "0AMyDriveRootFolder";

#[derive(Debug, Clone)]
pub struct File {
    pub id: String,
    pub name: String,
    pub mime: String,
    /// `None` for the top folder of a drive.
    pub parent: Option<String>,
    /// `None` for folders and Google's own documents.
    pub content: Option<Bytes>,
    pub md5: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub revision: u64,
    pub trashed: bool,
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct State {
    pub files: BTreeMap<String, File>,
    /// The shared drives. The id of each is that of its top folder.
    pub drives: BTreeSet<String>,
    /// Ids that were issued, and not used yet.
    pub reserved: BTreeSet<String>,
    pub uploads: BTreeMap<String, Upload>,
    pub quota: Option<u64>,
    /// The number of the last change of each file, deleted ones included.
    pub changes: BTreeMap<String, u64>,
    /// Changes before this number are no longer known.
    pub forgotten: u64,
    pub next: u64,
}

#[derive(Debug, Clone)]
pub struct Upload {
    pub target: Target,
    pub announced: Option<u64>,
    pub received: Vec<Bytes>,
    pub fields: String,
}

/// The file that an upload creates or changes.
#[derive(Debug, Clone)]
pub enum Target {
    New(Value),
    Content(String),
}

impl Default for State {
    fn default() -> Self {
        let mut state = Self {
            files: BTreeMap::new(),
            drives: BTreeSet::new(),
            reserved: BTreeSet::new(),
            uploads: BTreeMap::new(),
            quota: None,
            changes: BTreeMap::new(),
            forgotten: 0,
            next: 0,
        };
        state.add_top(MY_DRIVE, "My Drive");
        state
    }
}

impl State {
    pub fn add_top(&mut self, id: &str, name: &str) {
        let now = Timestamp::now();
        let top = File {
            id: id.to_owned(),
            name: name.to_owned(),
            mime: FOLDER.to_owned(),
            parent: None,
            content: None,
            md5: String::new(),
            created: now,
            modified: now,
            revision: 0,
            trashed: false,
            properties: BTreeMap::new(),
        };
        self.files.insert(id.to_owned(), top);
    }

    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Records a change of a file.
    pub fn note(&mut self, id: &str) {
        let number = self.number();
        self.changes.insert(id.to_owned(), number);
    }

    /// New ids are in no order.
    pub fn new_id(&mut self) -> String {
        let number = self.number();
        format!("1{}", &hex::encode(Md5::digest(number.to_le_bytes()))[..27])
    }

    /// A file, if the caller may see it.
    pub fn file(&self, id: &str, all_drives: bool) -> Result<&File, Refusal> {
        let id = if id == "root" { MY_DRIVE } else { id };
        let file = self.files.get(id).ok_or_else(|| Refusal::not_found(id))?;
        match self.drive_of(file) {
            Some(_) if !all_drives => Err(Refusal::not_found(id)),
            _ => Ok(file),
        }
    }

    /// The shared drive of a file.
    pub fn drive_of(&self, file: &File) -> Option<String> {
        let mut at = file;
        while let Some(parent) = at.parent.as_ref().and_then(|parent| self.files.get(parent)) {
            at = parent;
        }
        self.drives.get(&at.id).cloned()
    }

    /// Whether the file or a folder above it is in the trash.
    pub fn is_trashed(&self, file: &File) -> bool {
        let above = file.parent.as_ref().and_then(|parent| self.files.get(parent));
        file.trashed || above.is_some_and(|above| self.is_trashed(above))
    }

    fn depth(&self, id: &str) -> usize {
        std::iter::successors(self.files.get(id), |file| self.files.get(file.parent.as_ref()?)).count()
    }

    pub fn used(&self) -> u64 {
        self.files.values().filter_map(|file| file.content.as_ref()).map(|content| content.len() as u64).sum()
    }

    pub fn check_quota(&self, more: u64) -> Result<(), Refusal> {
        match self.quota {
            Some(quota) if self.used() + more > quota => Err(Refusal::new(
                403,
                "storageQuotaExceeded",
                "The user's Drive storage quota has been exceeded.",
            )),
            _ => Ok(()),
        }
    }

    /// Creates a file from the metadata of a request.
    pub fn create(&mut self, metadata: &Value, content: Option<Bytes>) -> Result<String, Refusal> {
        for name in metadata.as_object().ok_or_else(|| Refusal::invalid("no metadata"))?.keys() {
            if !["id", "name", "mimeType", "parents", "properties"].contains(&name.as_str()) {
                return Err(Refusal::invalid(format!("the fake does not know {name}")));
            }
        }
        let parents = metadata["parents"]
            .as_array()
            .map_or(vec![MY_DRIVE], |parents| parents.iter().filter_map(Value::as_str).collect());
        let &[parent] = parents.as_slice() else {
            return Err(Refusal::invalid("A file must have exactly one parent."));
        };
        let parent = self.folder(parent)?;
        if metadata["mimeType"] == FOLDER && self.depth(&parent) >= 100 {
            return Err(Refusal::new(
                403,
                "myDriveHierarchyDepthLimitExceeded",
                "The hierarchy is too deep.",
            ));
        }
        self.check_quota(content.as_ref().map_or(0, |content| content.len() as u64))?;
        let id = match metadata["id"].as_str() {
            Some(id) if self.files.contains_key(id) => {
                return Err(Refusal::new(409, "fileIdInUse", "A file already exists with the provided ID."));
            }
            Some(id) if self.reserved.remove(id) => id.to_owned(),
            Some(_) => return Err(Refusal::invalid("The provided file ID is not usable.")),
            None => self.new_id(),
        };
        let (now, revision) = (Timestamp::now(), self.number());
        let mime = metadata["mimeType"].as_str().unwrap_or("application/octet-stream").to_owned();
        let content = if mime.starts_with("application/vnd.google-apps.") {
            None
        } else {
            Some(content.unwrap_or_default())
        };
        let mut file = File {
            id: id.clone(),
            name: metadata["name"].as_str().unwrap_or("Untitled").to_owned(),
            md5: content.as_ref().map(md5).unwrap_or_default(),
            content,
            mime,
            parent: Some(parent),
            created: now,
            modified: now,
            revision,
            trashed: false,
            properties: BTreeMap::new(),
        };
        set_properties(&mut file, &metadata["properties"]);
        self.files.insert(id.clone(), file);
        self.note(&id);
        Ok(id)
    }

    pub fn folder(&self, id: &str) -> Result<String, Refusal> {
        let folder = self.file(id, true)?;
        if folder.mime == FOLDER {
            Ok(folder.id.clone())
        } else {
            Err(Refusal::new(403, "parentNotAFolder", "The specified parent is not a folder."))
        }
    }

    /// Deletes a file or folder with everything below it.
    pub fn delete(&mut self, id: &str) {
        self.files.remove(id);
        self.note(id);
        let below: Vec<String> = self
            .files
            .values()
            .filter(|file| file.parent.as_deref() == Some(id))
            .map(|file| file.id.clone())
            .collect();
        below.iter().for_each(|id| self.delete(id));
    }

    pub fn show(&self, file: &File) -> Value {
        let mut shown = json!({
            "kind": "drive#file",
            "id": file.id,
            "name": file.name,
            "mimeType": file.mime,
            "createdTime": file.created.iso8601(),
            "modifiedTime": file.modified.iso8601(),
            "trashed": self.is_trashed(file),
            "parents": file.parent.iter().collect::<Vec<_>>(),
        });
        if !file.properties.is_empty() {
            shown["properties"] = json!(file.properties);
        }
        if let Some(content) = &file.content {
            shown["size"] = json!(content.len().to_string());
            shown["md5Checksum"] = json!(file.md5);
            shown["headRevisionId"] =
                json!(format!("0B{:016x}", file.revision.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        shown
    }
}

impl File {
    /// Stores the content of a new revision.
    pub fn fill(&mut self, content: Bytes, revision: u64) {
        (self.md5, self.content) = (md5(&content), Some(content));
        (self.revision, self.modified) = (revision, Timestamp::now());
    }
}

fn md5(content: &Bytes) -> String {
    hex::encode(Md5::digest(content))
}

/// Sets properties. Those with null are removed.
pub fn set_properties(file: &mut File, properties: &Value) {
    for (name, value) in properties.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(value) => file.properties.insert(name.clone(), value.to_owned()),
            None => file.properties.remove(name),
        };
    }
}
