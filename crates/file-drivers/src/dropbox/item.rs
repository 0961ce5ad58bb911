//! A file or folder as Dropbox reports it (`Metadata`), and Dropbox's hash of a file's bytes.

use crate::{
    backend::tree::files::{EntryKind, Stat},
    model::Timestamp,
};
use ring::digest::{Context, SHA256};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct DropboxItem {
    /// The type of the entry. It is missing in replies that can only describe files.
    #[serde(rename = ".tag", default)]
    tag: Option<String>,
    /// The name with its exact spelling. No reply reports the spelling of the folders above reliably.
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    size: u64,
    /// The id of this revision. A revision never changes.
    pub(super) rev: Option<String>,
    server_modified: Option<String>,
    content_hash: Option<String>,
    /// `false` for documents that only Dropbox's own programs can show.
    is_downloadable: Option<bool>,
}

impl DropboxItem {
    pub(super) fn kind(&self) -> EntryKind {
        match (self.tag.as_deref(), &self.rev) {
            (Some("folder"), _) => EntryKind::Folder,
            (Some("file") | None, Some(_)) if self.is_downloadable != Some(false) => EntryKind::File,
            _ => EntryKind::Other,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind() == EntryKind::File
    }

    /// Returns the properties. The tag depends on the bytes alone: it survives a move, and files with the
    /// same bytes have the same tag.
    pub(super) fn stat(&self) -> Stat {
        let kind = self.kind();
        if kind == EntryKind::Folder {
            return Stat { kind, size: 0, modified: None, tag: None, md5: None };
        }
        let modified = self.server_modified.as_deref().and_then(Timestamp::parse_iso8601);
        Stat { kind, size: self.size, modified, tag: self.content_hash.clone(), md5: None }
    }

    pub(super) fn is_of(&self, hash: &str, size: u64) -> bool {
        self.is_file() && self.size == size && self.content_hash.as_deref() == Some(hash)
    }
}

const BLOCK: usize = 4 << 20;

/// Computes `content_hash`: the SHA-256 of the SHA-256 sums of all blocks of 4 MiB.
pub(super) struct ContentHash {
    blocks: Context,
    block: Context,
    held: usize,
}

impl Default for ContentHash {
    fn default() -> Self {
        Self { blocks: Context::new(&SHA256), block: Context::new(&SHA256), held: 0 }
    }
}

impl ContentHash {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.held));
            self.block.update(now);
            self.held += now.len();
            bytes = later;
            if self.held == BLOCK {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::replace(&mut self.block, Context::new(&SHA256));
        self.blocks.update(block.finish().as_ref());
        self.held = 0;
    }

    pub(super) fn finish(mut self) -> String {
        if self.held > 0 {
            self.end_block();
        }
        hex::encode(self.blocks.finish())
    }
}

/// Returns the hash of bytes in memory.
#[cfg(test)]
fn of(bytes: &[u8]) -> String {
    use ring::digest::digest;
    let blocks: Vec<u8> =
        bytes.chunks(BLOCK).flat_map(|block| digest(&SHA256, block).as_ref().to_vec()).collect();
    hex::encode(digest(&SHA256, &blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dropbox_tells_is_read() {
        let item = |json: &str| serde_json::from_str::<DropboxItem>(json).expect("an item");
        let file = item(
            r#"{".tag":"file","name":"a","rev":"015a","size":3,"server_modified":"2024-05-01T10:20:30Z","content_hash":"ff"}"#,
        );
        let stat = file.stat();
        assert_eq!((stat.kind, stat.size, stat.tag.as_deref()), (EntryKind::File, 3, Some("ff")));
        assert_eq!(stat.modified.map(Timestamp::millis), Some(1_714_558_830_000));
        assert_eq!(item(r#"{"name":"a","rev":"015a","size":3}"#).kind(), EntryKind::File);
        assert_eq!(item(r#"{".tag":"folder","name":"a"}"#).kind(), EntryKind::Folder);
        assert_eq!(item(r#"{".tag":"deleted","name":"a"}"#).kind(), EntryKind::Other);
        assert_eq!(
            item(r#"{".tag":"file","name":"a.paper","rev":"015a","is_downloadable":false}"#).kind(),
            EntryKind::Other
        );
    }

    #[test]
    fn the_hash_is_of_hashes_of_blocks() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let mut hash = ContentHash::default();
            bytes.chunks(1_000_003).for_each(|piece| hash.update(piece));
            assert_eq!(hash.finish(), of(&bytes), "{size}");
        }
    }
}
