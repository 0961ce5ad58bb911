//! A file or folder as Drive reports it, and the rule that selects one of several files with one name.

use crate::{
    backend::tree::files::{EntryKind, Stat},
    model::Timestamp,
};
use serde::{Deserialize, Deserializer};
use std::{cmp::Reverse, collections::BTreeMap};

pub(super) const FOLDER: &str = "application/vnd.google-apps.folder";
const NATIVE: &str = "application/vnd.google-apps.";

/// The fields that are requested for every file.
pub(super) const FIELDS: &str =
    "id,name,mimeType,size,md5Checksum,modifiedTime,createdTime,headRevisionId,trashed,parents,properties";

/// The property of published files: a number that is higher than that of the file that was replaced.
pub(super) const GENERATION: &str = "causewayGeneration";
/// The property with the id of the file that was replaced.
pub(super) const REPLACES: &str = "causewayReplaces";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DriveFile {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    mime_type: String,
    #[serde(default, deserialize_with = "number")]
    size: Option<u64>,
    md5_checksum: Option<String>,
    modified_time: Option<String>,
    #[serde(default)]
    created_time: String,
    head_revision_id: Option<String>,
    #[serde(default)]
    pub(super) trashed: bool,
    #[serde(default)]
    pub(super) parents: Vec<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

/// Parses a number. In Google's JSON, numbers of 64 bits are strings.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

impl DriveFile {
    /// Returns the kind. Google's own documents have no bytes, and shortcuts lead to other files, so neither
    /// can be served.
    pub(super) fn kind(&self) -> EntryKind {
        match (self.mime_type.as_str(), self.size) {
            (FOLDER, _) => EntryKind::Folder,
            (native, _) if native.starts_with(NATIVE) => EntryKind::Other,
            (_, Some(_)) => EntryKind::File,
            (_, None) => EntryKind::Other,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind() == EntryKind::File
    }

    pub(super) fn stat(&self) -> Stat {
        let kind = self.kind();
        if kind == EntryKind::Folder {
            return Stat { kind, size: 0, modified: None, tag: None, md5: None };
        }
        let md5 = self.md5_checksum.as_deref().and_then(|text| {
            let mut md5 = [0; 16];
            hex::decode_to_slice(text, &mut md5).ok().map(|()| md5)
        });
        let modified = self.modified_time.as_deref().and_then(Timestamp::parse_iso8601);
        let tag = self.head_revision_id.as_ref().map(|revision| format!("{}:{revision}", self.id));
        Stat { kind, size: self.size.unwrap_or(0), modified, tag, md5 }
    }

    /// Returns the generation; 0 for files that were created outside Causeway.
    pub(super) fn generation(&self) -> u64 {
        self.properties.get(GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(super) fn replaces(&self) -> Option<&str> {
        self.properties.get(REPLACES).map(String::as_str)
    }

    /// Drive allows several files in a folder to have one name. The file of a path is the one that Causeway
    /// published last, else the oldest, else the one with the smallest id. Every reader that uses this rule
    /// selects the same file, and publishing is one step.
    pub(super) fn rank(&self) -> impl Ord + '_ {
        (Reverse(self.generation()), self.created_time.as_str(), self.id.as_str())
    }

    pub(super) fn is_in(&self, parent: &str, name: &str) -> bool {
        !self.trashed && self.name == name && self.parents.iter().any(|id| id == parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(json: &str) -> DriveFile {
        serde_json::from_str(json).expect("an item")
    }

    #[test]
    fn what_drive_tells_is_read_and_native_documents_are_no_files() {
        let file = item(
            r#"{"id":"1","name":"a","mimeType":"text/plain","size":"3","md5Checksum":"900150983cd24fb0d6963f7d28e17f72",
            "modifiedTime":"2024-05-01T10:20:30.123Z","headRevisionId":"r1"}"#,
        );
        let stat = file.stat();
        assert_eq!(
            (stat.kind, stat.size, stat.tag.as_deref(), stat.modified.map(Timestamp::millis)),
            (EntryKind::File, 3, Some("1:r1"), Some(1_714_558_830_123))
        );
        assert_eq!(stat.md5.map(hex::encode).as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(
            item(r#"{"id":"1","mimeType":"application/vnd.google-apps.document","size":"1024"}"#).kind(),
            EntryKind::Other
        );
        assert_eq!(
            item(r#"{"id":"1","mimeType":"application/vnd.google-apps.shortcut"}"#).kind(),
            EntryKind::Other
        );
        assert_eq!(
            item(r#"{"id":"1","mimeType":"application/vnd.google-apps.folder"}"#).kind(),
            EntryKind::Folder
        );
    }

    #[test]
    fn of_several_with_one_name_the_same_one_is_chosen_in_any_order() {
        let mut items = [
            item(r#"{"id":"b","createdTime":"2024-01-01T00:00:00.000Z"}"#),
            item(r#"{"id":"a","createdTime":"2024-01-01T00:00:00.000Z"}"#),
            item(r#"{"id":"c","createdTime":"2023-01-01T00:00:00.000Z"}"#),
            item(
                r#"{"id":"d","createdTime":"2025-01-01T00:00:00.000Z","properties":{"causewayGeneration":"7","causewayReplaces":"c"}}"#,
            ),
            item(
                r#"{"id":"e","createdTime":"2026-01-01T00:00:00.000Z","properties":{"causewayGeneration":"12"}}"#,
            ),
        ];
        items.sort_by(|a, b| a.rank().cmp(&b.rank()));
        assert_eq!(items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["e", "d", "c", "a", "b"]);
        assert_eq!(items[1].replaces(), Some("c"));
    }
}
