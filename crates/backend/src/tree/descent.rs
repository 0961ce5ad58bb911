//! The descent through the folders of a storage. It always ends, whatever the storage reports.
//!
//! This module owns the bound on the folders of one scan, and the check that a folder does not contain
//! itself. It does not own what is done with the entries.
//!
//! Invariants:
//! - a path that no key can have is not opened: keys have at most 1,024 bytes, so the depth is bounded;
//! - below a folder with files in it, the descent stops if several folders above it had exactly the same
//!   content;
//! - a scan reads a bounded number of folders.

use super::files::{Entry, EntryKind, Service};
use crate::{
    backend::codec,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::hash::{BuildHasher, RandomState};

/// The maximum number of folders in one scan, including those that are known and were not read yet.
const MOST_FOLDERS: usize = 4_000_000;
/// The number of folders in one path that may have exactly the same content: the same names, sizes, times and
/// tags.
const MOST_ALIKE: usize = 8;

#[derive(Debug)]
pub(super) struct Descent {
    looked: usize,
    hasher: RandomState,
    /// The folders above the current one, and their content.
    above: Vec<(String, Content)>,
    here: Option<(String, Content)>,
}

/// The content of a folder, independent of the order of its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Content {
    sum: u64,
    entries: u64,
    files: u64,
}

impl Descent {
    pub(super) fn new() -> Self {
        Self { looked: 0, hasher: RandomState::new(), above: Vec::new(), here: None }
    }

    /// Must be called before a folder is read. `pending` is the number of folders that are still to be read.
    pub(super) fn enter(&mut self, folder: &str, pending: usize) -> Result<()> {
        self.looked += 1;
        if self.looked + pending > MOST_FOLDERS {
            let why = format!("walking through a bucket: the storage names more than {MOST_FOLDERS} folders");
            return Err(StoreError::new(StoreErrorKind::Internal, why));
        }
        self.above.extend(self.here.take());
        while self.above.last().is_some_and(|(above, _)| !is_below(folder, above)) {
            self.above.pop();
        }
        self.here = Some((folder.to_owned(), Content::default()));
        Ok(())
    }

    pub(super) fn saw(&mut self, entries: &[Entry]) {
        let Some((_, here)) = &mut self.here else { return };
        for entry in entries {
            let stat = &entry.stat;
            let told = (
                &entry.name,
                stat.kind == EntryKind::Folder,
                stat.size,
                stat.modified.map(|at| at.millis()),
                &stat.tag,
            );
            here.sum = here.sum.wrapping_add(self.hasher.hash_one(told));
            here.entries += 1;
            here.files += u64::from(stat.kind == EntryKind::File);
        }
    }

    /// Returns whether the folder that was read is one of its own ancestors.
    pub(super) fn is_circle(&self) -> bool {
        let Some((_, here)) = &self.here else { return false };
        here.files > 0 && self.above.iter().filter(|(_, above)| above == here).count() >= MOST_ALIKE
    }
}

fn is_below(folder: &str, above: &str) -> bool {
    above.is_empty() || folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether a folder can contain keys, by its length and spelling.
pub(super) fn has_keys(folder: &str, service: Service) -> bool {
    let path = codec::join(folder, "x");
    // A folder with part of an over-long name, and one in an apart path, does not decode as a plain key does.
    codec::decode(&path, service.names).is_some() || is_begun(folder) && path.len() <= MOST_ESCAPED
}

/// The longest path of a key: each byte is escaped, and the path is split into names.
pub(super) const MOST_ESCAPED: usize = 4 * 1024;

fn is_begun(folder: &str) -> bool {
    folder.split('/').any(codec::is_escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::tree::files::Stat;

    fn entry(name: &str, kind: EntryKind, size: u64) -> Entry {
        Entry { name: name.into(), stat: Stat { kind, size, modified: None, tag: None, md5: None } }
    }

    fn depth(contents: impl Fn(usize) -> Vec<Entry>) -> usize {
        let (mut descent, mut folder) = (Descent::new(), String::new());
        for depth in 0..100 {
            descent.enter(&folder, 0).expect("few folders");
            descent.saw(&contents(depth));
            if descent.is_circle() {
                return depth;
            }
            folder = codec::join(&folder, "d");
        }
        100
    }

    #[test]
    fn a_folder_with_files_that_contains_itself_is_left_soon() {
        assert_eq!(
            depth(|_| vec![entry("d", EntryKind::Folder, 0), entry("f", EntryKind::File, 7)]),
            MOST_ALIKE
        );
        // The circle passes through a second folder, and is listed in another order.
        let two = |depth: usize| match depth % 2 {
            0 => vec![entry("d", EntryKind::Folder, 0), entry("f", EntryKind::File, 7)],
            _ => vec![entry("g", EntryKind::File, 8), entry("d", EntryKind::Folder, 0)],
        };
        assert_eq!(depth(two), 2 * MOST_ALIKE);
    }

    #[test]
    fn folders_that_only_look_alike_are_followed() {
        assert_eq!(
            depth(|depth| vec![entry("d", EntryKind::Folder, 0), entry("f", EntryKind::File, depth as u64)]),
            100
        );
        assert_eq!(
            depth(|_| vec![entry("d", EntryKind::Folder, 0)]),
            100,
            "without files nothing is found twice, and keys have an end"
        );
    }

    #[test]
    fn siblings_are_not_above_each_other() {
        let mut descent = Descent::new();
        for n in 0..100 {
            descent.enter(&format!("d{n}"), 0).expect("few folders");
            descent.saw(&[entry("f", EntryKind::File, 7)]);
            assert!(!descent.is_circle());
        }
    }
}
