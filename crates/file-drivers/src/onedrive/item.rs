//! A file or folder as Microsoft Graph reports it (`driveItem`).

use crate::{
    backend::tree::files::{EntryKind, Stat},
    model::Timestamp,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// The fields that listings request.
pub(super) const FIELDS: &str =
    "id,name,size,eTag,cTag,lastModifiedDateTime,file,folder,package,remoteItem,parentReference";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DriveItem {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    size: u64,
    pub(super) e_tag: Option<String>,
    /// A tag that changes only with the bytes.
    c_tag: Option<String>,
    last_modified_date_time: Option<String>,
    file: Option<FileFacet>,
    folder: Option<Facet>,
    /// Set for notebooks: folders that are shown as one item.
    package: Option<Facet>,
    /// Set for a shared item of another drive, to which this drive has a link.
    remote_item: Option<Facet>,
    root: Option<Facet>,
    #[serde(default)]
    pub(super) parent_reference: Parent,
    /// An address for downloads without a token. It is valid for about an hour.
    #[serde(rename = "@microsoft.graph.downloadUrl")]
    pub(super) download_url: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Facet {}

#[derive(Debug, Clone, Deserialize)]
struct FileFacet {
    #[serde(default)]
    hashes: Hashes,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hashes {
    quick_xor_hash: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parent {
    pub(super) drive_id: Option<String>,
    /// `/drive/root:/a/b`; some replies encode it with percent signs.
    path: Option<String>,
}

impl DriveItem {
    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Self { remote_item: Some(_), .. } | Self { package: Some(_), .. } => EntryKind::Other,
            Self { folder: Some(_), .. } | Self { root: Some(_), .. } => EntryKind::Folder,
            Self { file: Some(_), .. } => EntryKind::File,
            _ => EntryKind::Other,
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
        let modified = self.last_modified_date_time.as_deref().and_then(Timestamp::parse_iso8601);
        // Only some replies contain fractions of seconds, so they are removed.
        let modified =
            modified.map(|time| Timestamp::from_millis(time.millis() - time.millis().rem_euclid(1000)));
        Stat { kind, size: self.size, modified, tag: self.c_tag.clone(), md5: None }
    }

    pub(super) fn quick_xor(&self) -> Option<&str> {
        self.file.as_ref()?.hashes.quick_xor_hash.as_deref()
    }

    /// Returns the path of the item's folder, below the top of the drive. `None`: it was not reported.
    fn folder_path(&self) -> Option<String> {
        let path = self.parent_reference.path.as_deref()?;
        Some(path.split_once("root:")?.1.trim_matches('/').to_owned())
    }

    /// Returns whether a path below the top has the same spelling as the item's names.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.name == name && self.is_in(folder)
    }

    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.folder_path().is_none_or(|told| {
            told == folder || percent_decode_str(&told).decode_utf8().is_ok_and(|told| told == folder)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(json: &str) -> DriveItem {
        serde_json::from_str(json).expect("an item")
    }

    #[test]
    fn what_graph_tells_is_read() {
        let file = item(
            r#"{"id":"1","name":"a b","size":3,"eTag":"\"{1},1\"","cTag":"\"c:{1},1\"","lastModifiedDateTime":"2024-05-01T10:20:30.5Z",
            "file":{"hashes":{"quickXorHash":"SgAAAAAAAAAAAAAAAQAAAAAAAAA="}},
            "parentReference":{"driveId":"b!x","path":"/drives/b!x/root:/d%20e/%23"}}"#,
        );
        let stat = file.stat();
        assert_eq!((stat.kind, stat.size, stat.tag.as_deref()), (EntryKind::File, 3, Some("\"c:{1},1\"")));
        assert_eq!(stat.modified.map(Timestamp::millis), Some(1_714_558_830_000));
        assert!(
            file.is_at("d e/#/a b")
                && file.is_at("d%20e/%23/a b")
                && !file.is_at("D e/#/a b")
                && !file.is_at("d e/#/A b")
        );
        assert_eq!(
            item(r#"{"id":"1","name":"n","package":{"type":"oneNote"},"folder":{}}"#).kind(),
            EntryKind::Other
        );
        assert_eq!(
            item(
                r#"{"id":"1","name":"n","folder":{"childCount":1},"parentReference":{"path":"/drive/root:"}}"#
            )
            .kind(),
            EntryKind::Folder
        );
        assert!(item(r#"{"id":"1","name":"n","parentReference":{"path":"/drive/root:"}}"#).is_at("n"));
    }
}
