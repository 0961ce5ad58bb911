//! A local directory as it is: one file for each object, and nothing else.
//!
//! Owns the store behind an end of a command that is a local path. It is for people who move data from and to
//! their own files: beside them it leaves no folder of its own, no attributes and no index. A backend of the
//! configuration that keeps all of S3's promises on a disk is `fs`.
//!
//! Invariants:
//! - the key is the path below the root: a key that is no such path is refused, and never changed;
//! - nothing outside of the root is read or written: no component of a path is a symbolic link;
//! - a file appears whole, by a rename or a link, or not at all; the file that it replaces stays until then;
//! - the modification time of a file is that of the object: it is set from the user metadata `mtime`, and
//!   shown as that and as `last_modified`; no other attribute is kept;
//! - what is acknowledged survives a killed process, not a loss of power: nothing is synced;
//! - an ETag is made of inode, time and size: it tells versions of a file apart, and says nothing of bytes.
//!
//! | file | owns |
//! |---|---|
//! | `names` | from keys to paths |
//! | `root` | opening, making and removing entries below the root |
//! | `facts` | what is known of a file: size, time, ETag |
//! | `walk` | the entries of a tree in the order of their keys |
//! | `listing` | pages, and the walks that go on with the next page |
//! | `draft` | a file that is being written, and how it appears |
//! | `write`, `read` | putting and getting one object |
//! | `copying` | copies between local directories |
//! | `staged` | parts of uploads, and the files that hold them |
//! | `uploads` | multipart uploads |

mod copying;
mod draft;
mod facts;
mod listing;
mod names;
mod read;
mod root;
mod staged;
mod store;
mod uploads;
mod walk;
mod write;

use crate::{
    backend::locks::Locks,
    model::{ObjectKey, UploadId},
    store::Written,
};
use listing::Suspended;
use root::Root;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Why an entry of a directory is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    SymbolicLink,
    /// Its name is not UTF-8, which keys are.
    NotUtf8,
    /// It is a socket, a pipe or a device.
    Special,
    /// Its path is longer than a key may be.
    TooLong,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SymbolicLink => "it is a symbolic link",
            Self::NotUtf8 => "its name is not UTF-8",
            Self::Special => "it is neither a file nor a directory",
            Self::TooLong => "its path has more than 1,024 bytes, which a key may not",
        })
    }
}

/// Hears of entries that listings leave out. A listing may report the same entry again.
pub type Hear = Arc<dyn Fn(&Path, Skipped) + Send + Sync>;

#[derive(Clone)]
pub struct LocalSettings {
    /// The directory. It is made by the first write if it does not exist.
    pub root: PathBuf,
    /// The directory for parts of uploads, which is not below the root.
    pub staging: PathBuf,
    pub hear: Hear,
}

impl fmt::Debug for LocalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSettings").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A directory of plain files.
#[derive(Debug, Clone)]
pub struct LocalStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Root,
    settings: LocalSettings,
    /// Held while a key is published or removed.
    locks: Arc<Locks<ObjectKey>>,
    /// Held while a part is published, and while an upload completes or is aborted.
    uploads: Arc<Locks<UploadId>>,
    suspended: Suspended,
    /// Uploads that this process completed, for repeated Completes.
    completed: Mutex<BTreeMap<UploadId, (ObjectKey, Written)>>,
}

impl LocalStore {
    /// Opens nothing: a directory that does not exist is empty.
    pub fn new(settings: LocalSettings) -> Self {
        Self(Arc::new(Inner {
            root: Root::new(settings.root.clone()),
            settings,
            locks: Arc::default(),
            uploads: Arc::default(),
            suspended: Suspended::default(),
            completed: Mutex::default(),
        }))
    }
}
