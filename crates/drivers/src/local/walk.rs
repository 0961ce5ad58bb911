//! The entries of a tree in the order of their keys: each directory is read, sorted and walked in turn.
//!
//! A folder is sorted as its name with a `/`, so that `a.txt` comes before `a/b`, as keys do. Files are looked
//! at when their turn comes.
//!
//! Invariants: memory is bounded by `AT_ONCE` names for each level of the tree, whatever a directory holds: a
//! larger one is read again for the names that follow. An entry that is gone when its turn comes is left
//! out; a folder that cannot be read ends the walk with an error, because a listing that lacks it would look
//! complete.

use super::{
    Hear, Skipped,
    facts::Facts,
    names,
    root::{Missing, Root, is_absent},
};
use crate::{
    model::ObjectKey,
    store::{ListEntry, ListedObject, Result, error::StoreError},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType},
    io::Errno,
};
use std::{collections::BinaryHeap, io};

/// Maximum number of names of one directory that are held.
const AT_ONCE: usize = if cfg!(test) { 3 } else { 1 << 16 };

/// What is walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Only keys that begin with this.
    pub(super) prefix: String,
    /// Only names above this one.
    pub(super) after: Option<String>,
    /// Folders below the prefix are entries themselves, and are not walked.
    pub(super) groups: bool,
}

pub(super) struct Walk {
    span: Span,
    levels: Vec<Level>,
    hear: Hear,
    base: std::path::PathBuf,
}

struct Level {
    folder: OwnedFd,
    /// The key of the folder: empty, or with a `/` at its end.
    key: String,
    /// The next name is the last one. Names of folders end with a `/`.
    names: Vec<String>,
    /// Whether the directory has no names above those that were read.
    is_whole: bool,
    /// The greatest name that was read.
    last: Option<String>,
}

impl Walk {
    pub(super) fn new(root: &Root, span: Span, hear: Hear) -> Result<Self> {
        let base = root.path().to_owned();
        let start = span.prefix.rfind('/').map_or("", |at| &span.prefix[..=at]).to_owned();
        let mut walk = Self { span, levels: Vec::new(), hear, base };
        let names: Vec<String> = start.split_terminator('/').map(str::to_owned).collect();
        // Such a prefix is that of no key.
        if names.iter().any(|name| matches!(name.as_str(), "" | "." | "..") || name.contains('\0')) {
            return Ok(walk);
        }
        match root.folder(&names, Missing::AnError) {
            Ok(folder) => walk.enter(folder, start)?,
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(walk.unreadable(&start, error)),
        }
        Ok(walk)
    }

    /// Returns the next entry.
    pub(super) fn next(&mut self) -> Result<Option<ListEntry>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                if level.is_whole {
                    self.levels.pop();
                } else {
                    self.read()?;
                }
                continue;
            };
            let key = format!("{}{name}", level.key);
            if !name.ends_with('/') {
                if let Some(object) = self.look_at(&name, key)? {
                    return Ok(Some(ListEntry::Object(object)));
                }
                continue;
            }
            if self.span.groups {
                return Ok(Some(ListEntry::CommonPrefix(key)));
            }
            let opened =
                rustix::fs::openat(&level.folder, name.trim_end_matches('/'), super::root::FOLDER, NO_MODE);
            match opened {
                Ok(folder) => self.enter(folder, key)?,
                // It is gone, or something else now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(self.unreadable(&key, error)),
            }
        }
        Ok(None)
    }

    fn enter(&mut self, folder: OwnedFd, key: String) -> Result<()> {
        self.levels.push(Level { folder, key, names: Vec::new(), is_whole: false, last: None });
        self.read()
    }

    /// Reads the next names of the innermost directory.
    fn read(&mut self) -> Result<()> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        let read = self.names_of(&level);
        let (names, is_whole) = read.map_err(|error| self.unreadable(&level.key, error))?;
        level.last = names.first().cloned().or(level.last);
        (level.names, level.is_whole) = (names, is_whole);
        self.levels.push(level);
        Ok(())
    }

    /// Returns the least names above the last ones, the greatest first, and whether these are all.
    fn names_of(&self, level: &Level) -> io::Result<(Vec<String>, bool)> {
        let mut least = BinaryHeap::new();
        let mut is_whole = true;
        // A descriptor of its own: the position of the directory belongs to this pass.
        for entry in Dir::read_from(&level.folder)? {
            let entry = entry?;
            let bytes = entry.file_name();
            if matches!(bytes.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(name) = bytes.to_str() else {
                self.skip(&level.key, &bytes.to_string_lossy(), Skipped::NotUtf8);
                continue;
            };
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(&level.folder, name, AtFlags::SYMLINK_NOFOLLOW)
                {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                kind => kind,
            };
            let name = if kind == FileType::Directory { format!("{name}/") } else { name.to_owned() };
            if level.last.as_ref().is_some_and(|last| name <= *last) || !self.wants(&level.key, &name) {
                continue;
            }
            let skipped = match kind {
                FileType::Directory => None,
                FileType::RegularFile if names::is_draft(&name) => continue,
                FileType::RegularFile => None,
                FileType::Symlink => Some(Skipped::SymbolicLink),
                _ => Some(Skipped::Special),
            };
            if let Some(why) = skipped {
                self.skip(&level.key, &name, why);
                continue;
            }
            least.push(name);
            if least.len() > AT_ONCE {
                least.pop();
                is_whole = false;
            }
        }
        let mut names = least.into_sorted_vec();
        names.reverse();
        Ok((names, is_whole))
    }

    /// Whether an entry, or anything below it, can be in the listing.
    fn wants(&self, folder: &str, name: &str) -> bool {
        let key = format!("{folder}{name}");
        let follows = |after: &String| {
            key > *after || (name.ends_with('/') && !self.span.groups && after.starts_with(&key))
        };
        key.starts_with(&self.span.prefix) && self.span.after.as_ref().is_none_or(follows)
    }

    /// `None`: it is gone, or something else now.
    fn look_at(&self, name: &str, key: String) -> Result<Option<ListedObject>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let facts = match rustix::fs::statat(&level.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Facts::of(&stat),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(self.unreadable(&key, error)),
        };
        let Some(facts) = facts else { return Ok(None) };
        let Ok(key) = ObjectKey::new(key.as_str()) else {
            self.skip(&level.key, name, Skipped::TooLong);
            return Ok(None);
        };
        Ok(Some(ListedObject {
            key,
            size: facts.size,
            last_modified: facts.modified(),
            etag: facts.etag,
            checksum: None,
            storage_class: None,
            owner: None,
        }))
    }

    fn skip(&self, folder: &str, name: &str, why: Skipped) {
        (self.hear)(&self.base.join(folder).join(name.trim_end_matches('/')), why);
    }

    fn unreadable(&self, key: &str, error: impl Into<io::Error>) -> StoreError {
        StoreError::of_entry(format_args!("reading {}", self.base.join(key).display()), error)
    }
}

const NO_MODE: rustix::fs::Mode = rustix::fs::Mode::empty();

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn names(root: &std::path::Path, span: Span, hear: Hear) -> Vec<String> {
        let mut walk = Walk::new(&Root::new(root.to_owned()), span, hear).expect("a walk");
        std::iter::from_fn(|| walk.next().expect("it is readable"))
            .map(|entry| entry.name().to_owned())
            .collect()
    }

    fn deaf() -> Hear {
        Arc::new(|_, _| {})
    }

    fn span(prefix: &str, after: Option<&str>, groups: bool) -> Span {
        Span { prefix: prefix.to_owned(), after: after.map(str::to_owned), groups }
    }

    #[test]
    fn every_walk_is_in_order_of_bytes_and_holds_few_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut keys = vec!["a".to_owned(), "a.b".to_owned()];
        for folder in ["a-", "b", "b/c", "é"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("a folder");
            keys.extend((0..10).map(|n| format!("{folder}/{n}")));
        }
        keys.push("b.txt".to_owned());
        for key in &keys {
            std::fs::write(dir.path().join(key), "x").expect("a file");
        }
        std::fs::create_dir(dir.path().join("empty")).expect("a folder");
        keys.sort();
        for prefix in ["", "a", "b", "b/", "b/c/", "é/1", "none/", "../"] {
            let of_prefix: Vec<&String> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
            assert_eq!(
                names(dir.path(), span(prefix, None, false), deaf()),
                of_prefix.iter().map(|key| (*key).clone()).collect::<Vec<_>>()
            );
            for after in ["", "a", "b/4", "b/c", "b/c/", "b/c/9", "b~", "é/5"] {
                let expected: Vec<String> =
                    of_prefix.iter().filter(|key| key.as_str() > after).map(|key| (*key).clone()).collect();
                assert_eq!(
                    names(dir.path(), span(prefix, Some(after), false), deaf()),
                    expected,
                    "{prefix:?} {after:?}"
                );
            }
        }
        assert_eq!(
            names(dir.path(), span("", None, true), deaf()),
            ["a", "a-/", "a.b", "b.txt", "b/", "empty/", "é/"]
        );
        assert_eq!(names(dir.path(), span("", Some("b/"), true), deaf()), ["empty/", "é/"]);
        assert_eq!(names(dir.path(), span("b/", None, true), deaf()).len(), 11);
    }

    #[test]
    fn what_is_no_object_is_left_out_and_told() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("file"), "x").expect("a file");
        std::fs::write(dir.path().join(names::draft_name([1; 8])), "x").expect("a file");
        std::os::unix::fs::symlink("file", dir.path().join("link")).expect("a link");
        let odd = std::ffi::OsStr::from_bytes(b"\xff");
        std::fs::write(dir.path().join(odd), "x").expect("a file");
        let heard: Arc<Mutex<Vec<Skipped>>> = Arc::default();
        let hear: Hear = {
            let heard = heard.clone();
            Arc::new(move |_, why| heard.lock().expect("no panic").push(why))
        };
        assert_eq!(names(dir.path(), span("", None, false), hear), ["file"]);
        let mut heard = heard.lock().expect("no panic").clone();
        heard.sort_by_key(|why| format!("{why:?}"));
        assert_eq!(heard, [Skipped::NotUtf8, Skipped::SymbolicLink]);
    }

    use std::os::unix::ffi::OsStrExt;
}
