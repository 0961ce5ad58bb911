//! The contract of a storage of files in folders, on which this module builds S3. SFTP, WebDAV, cloud drives
//! and others each implement [`Files`], and no code above them knows which storage it is.
//!
//! Paths are relative to the root that a driver was configured with: names joined by `/`. No name is empty,
//! `.` or `..`, and all names are allowed by the driver's [`Names`]. The root itself is the empty path.
//! Everything below [`OWN`] belongs to Causeway.
//!
//! Invariants of every implementation:
//! - the content of a [`Draft`] is not visible before `publish`, which makes it the file of a path in one
//!   step: a reader at that moment gets the old file or the new one, and a failure leaves the old one;
//! - a file that was opened is read to its end as it was when it was opened, or reading it fails: never a
//!   mixture;
//! - every call ends: connecting, waiting and stalling have time limits; calls that are safe to repeat are
//!   repeated;
//! - connections and requests in flight are bounded; memory does not depend on the size of files or folders;
//! - errors have the kind that S3 needs: `Unavailable` (not reachable, lost, timed out), `Busy` (throttled),
//!   `StorageFull` (quota), `InvalidRequest` and `NotImplemented` (never possible on this storage),
//!   `AccessDenied` and `Broken` (about this one entry: it may not be read, or what the storage reports of it
//!   is impossible), `Internal` (credentials refused, and everything else);
//! - a listing ends, whatever the storage replies (`backend::pages`);
//! - an error's text may come from the storage, but contains no secret.

use crate::{
    backend::{Traffic, codec::Names},
    model::{Span, Timestamp},
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Causeway's own folder in the root: drafts and parts. It contains no key.
pub const OWN: &str = crate::backend::codec::RESERVED_DIR;

#[async_trait]
pub trait Files: Send + Sync + fmt::Debug + 'static {
    fn service(&self) -> Service;

    /// Reports what exists at a path.
    async fn stat(&self, path: &str) -> Result<Option<Stat>>;

    /// Opens the file at a path. `None` if there is none, or a folder or anything else that is not a file.
    /// `ahead` is the range that will most likely be read: drivers that save a round trip by that request it
    /// at once. It may be outside the file.
    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>>;

    /// Begins a file. `name` is unique and distinguishes drafts of this instance from others; `path` is where
    /// it will most likely be published. A draft that is dropped is removed later.
    async fn create(&self, name: &DraftName, path: &str, size: Option<u64>) -> Result<Box<dyn Draft>>;

    /// Makes a draft with the bytes of the file at a path. The storage copies them, so that they do not pass
    /// through the gateway. `None`: the storage cannot do that, in general or for this file, or the file is
    /// not `expected`.
    async fn copy(
        &self,
        _name: &DraftName,
        _from: &str,
        _expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        Ok(None)
    }

    /// Renames a file within its folder, to a name that is free. `None`: the file did not exist.
    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>>;

    /// Removes a file, never a folder. Returns whether it existed.
    async fn remove(&self, path: &str) -> Result<bool>;

    /// Removes a folder if it is empty and no other task uses it. Returns whether it is gone.
    async fn remove_folder(&self, path: &str) -> Result<bool>;

    /// Creates a folder and those above it. It is no error if they exist.
    async fn make_folder(&self, path: &str) -> Result<()>;

    /// Lists the entries of a folder in any order, in batches. A missing folder has no entries. Entries
    /// without a usable name are reported as nameless.
    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>>;

    /// Removes drafts whose names begin with `instance`: those of a process that was killed.
    async fn tidy(&self, instance: &str) -> Result<()>;

    /// Returns the counts of requests to the storage so far. `None`: the storage is not another machine.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Returns the change feed, on storage that has one: out-of-band changes are found without a full scan.
    fn feed(&self) -> Option<&dyn Feed> {
        None
    }

    /// Returns the interface to slots, on storage that can write at any offset of a file: parts of uploads
    /// are written to their final offset.
    fn slots(&self) -> Option<&dyn Slots> {
        None
    }
}

/// The maximum number of flows of a backend. Each flow needs a few MiB of memory, and uses connections that
/// are shared with all other work.
pub const FLOWS: usize = 4;

/// The properties of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub names: Names,
    /// Names that differ only in case, or in the Unicode form of a letter, are one name, so only one of them
    /// can exist. A driver that sets this finds an entry only under its exact name.
    pub folds_names: bool,
    /// The size of the largest file, in bytes.
    pub max_size: u64,
    /// The precision of `Stat::modified`, in milliseconds: times closer than this may be equal.
    pub precision: i64,
    /// A tag identifies one content, and a file that is opened under a tag is read with that content or not
    /// at all. Tags that a server derives from size and time do not fulfil this.
    pub exact_tags: bool,
    /// The storage cannot be written to.
    pub read_only: bool,
    /// The number of drafts of unknown length that may stay open while they wait for more bytes, without
    /// taking resources from other work. It is zero if such a draft is not sent while it is written.
    pub flows: usize,
}

/// What a storage reports about one of its files or folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    #[serde(skip)]
    pub kind: EntryKind,
    pub size: u64,
    /// The time of the last change, with a precision that is the same in listings, opening and `stat`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub modified: Option<Timestamp>,
    /// The storage's identifier of these bytes, if it has one: a revision, an ETag, an id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<String>,
    /// The MD5 of the bytes, if the storage reports it.
    #[serde(skip)]
    pub md5: Option<[u8; 16]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryKind {
    #[default]
    File,
    Folder,
    /// Links, devices and the like, which are not served.
    Other,
    /// Occurs only in listings: an entry whose name is not UTF-8, or that cannot be requested by its name.
    /// The name contains the part that could be read.
    Nameless,
}

impl Stat {
    /// Returns whether both are of the same bytes, as far as their fields show.
    pub fn is_same(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            !matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        // Equal tags count more than times: a storage may change the time of a file that it moves.
        let tagged = matches!((&self.tag, &other.tag), (Some(a), Some(b)) if a == b);
        self.size == other.size
            && agree(&self.tag, &other.tag)
            && (tagged || agree(&self.modified, &other.modified))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub stat: Stat,
}

impl Entry {
    /// Returns an entry whose name cannot be used. `name` is what the storage has sent.
    pub fn nameless(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name).chars().take(LONGEST_SHOWN).collect();
        Self { name, stat: Stat { kind: EntryKind::Nameless, size: 0, modified: None, tag: None, md5: None } }
    }
}

/// The number of characters that are kept of an invalid name.
const LONGEST_SHOWN: usize = 200;

/// The maximum number of entries of one of Causeway's own folders that are held in memory.
const MOST_GATHERED: usize = 100_000;

/// Returns the entries of one of Causeway's own folders, which are small. For a folder that has grown large
/// it returns only the first ones; cleaning up is repeated anyway.
pub async fn gathered(mut list: BoxStream<'_, Result<Vec<Entry>>>) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    while let Some(entries) = list.try_next().await? {
        all.extend(entries);
        if all.len() >= MOST_GATHERED {
            break;
        }
    }
    Ok(all)
}

/// A file that was opened for reading.
#[async_trait]
pub trait Opened: Send {
    fn stat(&self) -> &Stat;

    /// Reads a range that is in the file. When this returns, the bytes are bound: whatever happens to the
    /// path, the stream yields them or fails. A stream that ends early ends with an error. If the file was
    /// replaced meanwhile, the error is [`changed`].
    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream>;
}

/// The opened file has changed or is gone. A caller that has passed on no bytes yet may open the current
/// file.
pub fn changed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the file changed while it was read").with_source(Changed)
}

pub fn is_changed(error: &StoreError) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<Changed>())
}

#[derive(Debug, thiserror::Error)]
#[error("another one has its name")]
struct Changed;

/// A draft: a file that is not visible yet.
#[async_trait]
pub trait Draft: Send {
    /// Writes more bytes. Returns when the storage, or a buffer of bounded size, has accepted them.
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()>;

    /// Ends the writing. The bytes are then as durable as this storage can make them, and only `publish` may
    /// be missing. Returns the properties of the future file, if the storage reports them in advance.
    async fn finish(&mut self) -> Result<Option<Stat>>;

    /// Makes the draft the file of a path. An existing file is replaced, unless the path has to be `absent`.
    /// Missing folders are created.
    async fn publish(self: Box<Self>, path: &str, absent: bool) -> Result<Published>;

    /// Removes the draft. Dropping it also removes it, but later.
    async fn discard(self: Box<Self>);
}

pub enum Published {
    As(Stat),
    /// A folder has this name. The draft is complete and can be published at another path.
    IsFolder(Box<dyn Draft>),
    /// A file has the name of a folder in the path.
    Obstructed(Box<dyn Draft>),
    /// The file exists, and may not be replaced.
    Exists(Box<dyn Draft>),
    /// An entry, or a folder in the path, has another spelling of this name. Only storage that folds names
    /// returns this.
    Spelled(Box<dyn Draft>),
}

/// The name of a draft, `<instance>-<random>`: letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftName(pub String);

/// Files in Causeway's own folder that can be written at any offset.
#[async_trait]
pub trait Slots: Send + Sync {
    /// Opens a file for writing. A missing file is created.
    async fn open(&self, name: &str) -> Result<Box<dyn Slot>>;

    /// Truncates an existing file to a size and makes a draft of it. If the draft is discarded or dropped,
    /// the file stays: the upload may be completed again.
    async fn draft(&self, name: &str, size: u64) -> Result<Box<dyn Draft>>;

    /// Reads bytes of a file, for the parts that have to move.
    async fn read(&self, name: &str, span: Span) -> Result<ByteStream>;

    async fn remove(&self, name: &str) -> Result<()>;

    /// Returns the names of all such files.
    async fn names(&self) -> Result<Vec<String>>;
}

#[async_trait]
pub trait Slot: Send {
    async fn write(&mut self, offset: u64, bytes: Vec<Bytes>) -> Result<()>;

    /// Makes the written bytes as durable as this storage can.
    async fn finish(self: Box<Self>) -> Result<()>;

    /// Ends the writing, whatever was written. Returns whether no write to the file can be in flight any
    /// more.
    async fn abandon(self: Box<Self>) -> bool;
}

/// The change feed of a storage.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Returns the current position in the feed. Later changes are reported from here.
    async fn mark(&self) -> Result<String>;

    /// Returns changes since a position, by any program. `None`: a full scan is needed.
    async fn since(&self, mark: &str) -> Result<Option<Changes>>;
}

#[derive(Debug, Default)]
pub struct Changes {
    /// Files that are at these paths now: new ones, changed ones, and those that were moved there.
    pub files: Vec<(String, Stat)>,
    /// Folders that appeared with their content, whose files are not reported one by one.
    pub folders: Vec<String>,
    /// The identities of files that are no longer at their former path. On storage with a feed, the tag of a
    /// file is `<identity>:<version>`.
    pub left: Vec<String>,
    /// The position to continue from. With `more`, further changes are available at once.
    pub mark: String,
    pub more: bool,
}
