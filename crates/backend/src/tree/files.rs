//! The contract of a storage of files in folders, on which the rest of this folder builds S3: SFTP, WebDAV,
//! cloud drives and others each implement [`Files`], and no code above them knows which it is.
//!
//! Paths are relative to the root that a driver was configured with: names joined by `/`, none of them empty,
//! `.` or `..`, all of them such as the driver's [`Names`] take; the root itself is the empty path.
//! Everything under [`OWN`] is ours.
//!
//! Invariants of every implementation:
//! - the content of a [`Draft`] is not visible before `publish`, which makes it the file of a path in one
//!   step: a reader at that moment gets the old file or the new one, and a failure leaves the old one;
//! - a file that was opened is read to its end as it was when it was opened, or reading it fails: never a
//!   mixture;
//! - every call ends: connecting, waiting and stalling have time limits; calls that are safe to repeat are
//!   repeated;
//! - connections and requests in flight are bounded; memory does not depend on the size of files or folders;
//! - errors have the kind that S3 answers by: `Unavailable` (not reachable, lost, timed out), `Busy`
//!   (throttled), `StorageFull` (quota), `InvalidRequest` and `NotImplemented` (never possible there),
//!   `AccessDenied` and `Broken` (of this one entry: we may not read it, or what the storage reports of it is
//!   impossible), `Internal` (credentials refused, and everything else);
//! - a listing has an end, whatever the storage answers (`backend::pages`);
//! - an error's text may come from the storage, but holds no secret.

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

/// Our own folder, in the root: drafts and parts. No key lies in it.
pub const OWN: &str = crate::backend::codec::RESERVED_DIR;

#[async_trait]
pub trait Files: Send + Sync + fmt::Debug + 'static {
    fn service(&self) -> Service;

    /// Reports what exists at a path.
    async fn stat(&self, path: &str) -> Result<Option<Stat>>;

    /// Opens the file at a path; a folder, or anything else that is no file, is `None`. `ahead` is what will
    /// most likely be read: drivers for which that saves a round trip ask for it at once. It may lie outside
    /// of the file.
    async fn open(&self, path: &str, ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>>;

    /// Begins a file. `name` is unique and tells drafts of this instance from others; `path` is where it will
    /// most likely be published. A draft that is dropped is removed, sooner or later.
    async fn create(&self, name: &DraftName, path: &str, size: Option<u64>) -> Result<Box<dyn Draft>>;

    /// A draft with the bytes of the file at a path, made by the storage without them passing through here.
    /// `None`: it does not do that, or not for this file. The file is `expected`, or there is no copy.
    async fn copy(
        &self,
        _name: &DraftName,
        _from: &str,
        _expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        Ok(None)
    }

    /// Gives a file another name in the same folder, which nothing has. `None`: there was no file.
    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>>;

    /// Removes a file, not a folder. Whether there was one.
    async fn remove(&self, path: &str) -> Result<bool>;

    /// Removes a folder if it is empty and not in use just now. Returns whether it is gone.
    async fn remove_folder(&self, path: &str) -> Result<bool>;

    /// Makes a folder and those above it. What is there already is fine.
    async fn make_folder(&self, path: &str) -> Result<()>;

    /// What is in a folder, in any order, some at a time. A folder that is not there is empty. Entries
    /// without a usable name are reported as such.
    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>>;

    /// Removes drafts whose names begin with `instance`: those of a process that was killed.
    async fn tidy(&self, instance: &str) -> Result<()>;

    /// Returns the counts of requests to the storage so far. `None`: the storage is not another machine.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Storage that keeps account of what changes in it: what others do is learned without a walk.
    fn feed(&self) -> Option<&dyn Feed> {
        None
    }

    /// Storage that writes anywhere in a file: there, parts of uploads go where they will lie.
    fn slots(&self) -> Option<&dyn Slots> {
        None
    }
}

/// The most flows that a backend has: each holds a few MiB, and shares the connections to the storage with
/// all else.
pub const FLOWS: usize = 4;

/// The properties of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub names: Names,
    /// `a` and `A`, and other spellings of one letter, are one name: of such only one is there at a time. A
    /// driver that says so finds things only under the very names that they have.
    pub folds_names: bool,
    /// Largest file.
    pub max_size: u64,
    /// The precision of `Stat::modified`, in milliseconds: times closer than this may be equal.
    pub precision: i64,
    /// A tag is of one content only, and what is opened under a tag is read as that content or not at all.
    /// Tags that are made of sizes and times are no such tags.
    pub exact_tags: bool,
    /// Nothing can be written.
    pub read_only: bool,
    /// Drafts of unknown length that may stay open, mostly waiting for more to write, and take no place away
    /// from others. None where such a draft is not sent as it is written.
    pub flows: usize,
}

/// What a storage reports about one of its files or folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    #[serde(skip)]
    pub kind: Kind,
    pub size: u64,
    /// When it changed last, as precisely as the storage says it everywhere: listings, opening, `stat`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub modified: Option<Timestamp>,
    /// The storage's own word for these very bytes, if it has one: a revision, an ETag, an id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<String>,
    /// The MD5 of the bytes, if the storage reports it.
    #[serde(skip)]
    pub md5: Option<[u8; 16]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    File,
    Folder,
    /// Links, devices and the like: nothing that is served.
    Other,
    /// Only in listings: an entry whose name is no text, or one that cannot be asked for by its name. The
    /// name says what could be read.
    Nameless,
}

impl Stat {
    /// Returns whether both are of the same bytes, as far as their fields show.
    pub fn is_same(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            !matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        // A tag that is the same is worth more than a time: copying a file from place to place may change
        // that.
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
    /// An entry whose name cannot be used. `name` is what the storage has sent.
    pub fn nameless(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name).chars().take(LONGEST_TOLD).collect();
        Self { name, stat: Stat { kind: Kind::Nameless, size: 0, modified: None, tag: None, md5: None } }
    }
}

/// Characters that no name can have.
const LONGEST_TOLD: usize = 200;

/// Entries of a folder of ours that are held at once.
const MOST_GATHERED: usize = 100_000;

/// Returns the entries of one of our own folders, which is small. If it has grown large, the result is only
/// its beginning: cleaning up is repeated.
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

/// A file that stays what it is while it is read.
#[async_trait]
pub trait Opened: Send {
    fn stat(&self) -> &Stat;

    /// These bytes of it, which it has. When this returns, the bytes are bound: whatever becomes of the path,
    /// the stream yields them or fails. A stream that ends early has an error at its end. If it is another
    /// file by now, the error is [`changed`].
    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream>;
}

/// The opened file has changed or is gone: a caller that has passed no bytes on yet may open the current one.
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
    /// Goes on writing. Returns when the storage, or a buffer of bounded size, has taken it.
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()>;

    /// All of it was written, and survives what this storage survives: what may still be missing is
    /// `publish`. Says what the file will be known by, if the storage reports it in advance.
    async fn finish(&mut self) -> Result<Option<Stat>>;

    /// Makes it the file of a path, in place of a file that is there unless it is to be `absent`. Folders are
    /// made as needed.
    async fn publish(self: Box<Self>, path: &str, absent: bool) -> Result<Published>;

    /// Removes it. Dropping it does the same, when there is time.
    async fn discard(self: Box<Self>);
}

pub enum Published {
    As(Stat),
    /// A folder has that name. The draft is whole and can be published elsewhere.
    IsFolder(Box<dyn Draft>),
    /// A file has the name of a folder on the way.
    Obstructed(Box<dyn Draft>),
    /// A file is there, and was not to be replaced.
    Exists(Box<dyn Draft>),
    /// Something is there, or on the way, that has another spelling of this name. Only of storage that folds
    /// names.
    Spelled(Box<dyn Draft>),
}

/// `<instance>-<random>`: letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftName(pub String);

/// Files that can be written to anywhere, under names of their own in our folder.
#[async_trait]
pub trait Slots: Send + Sync {
    /// Opens a file for writing, made if it is missing.
    async fn open(&self, name: &str) -> Result<Box<dyn Slot>>;

    /// Cuts such a file, which is there, to size and makes a draft of it. Discarded or dropped, it stays
    /// where it was: the upload may be completed again.
    async fn draft(&self, name: &str, size: u64) -> Result<Box<dyn Draft>>;

    /// Bytes of such a file, for those parts that have to move.
    async fn read(&self, name: &str, span: Span) -> Result<ByteStream>;

    async fn remove(&self, name: &str) -> Result<()>;

    /// The names that there are.
    async fn names(&self) -> Result<Vec<String>>;
}

#[async_trait]
pub trait Slot: Send {
    async fn write(&mut self, offset: u64, bytes: Vec<Bytes>) -> Result<()>;

    /// Makes the written bytes as durable as this storage can.
    async fn finish(self: Box<Self>) -> Result<()>;

    /// Ends the writing, whatever has been written. True: nothing is on its way to the file any more.
    async fn abandon(self: Box<Self>) -> bool;
}

/// The change feed of a storage.
#[async_trait]
pub trait Feed: Send + Sync {
    /// The position from which changes are reported.
    async fn mark(&self) -> Result<String>;

    /// Some of the changes since a mark, by any program. `None`: a full scan is needed.
    async fn since(&self, mark: &str) -> Result<Option<Changes>>;
}

#[derive(Debug, Default)]
pub struct Changes {
    /// Files that are at these paths now: new ones, changed ones, and such as were moved there.
    pub files: Vec<(String, Stat)>,
    /// Folders that came with their content, for which no changes are reported.
    pub folders: Vec<String>,
    /// Files that are not where they were. Of storage with a feed the tag of a file is
    /// `<identity>:<version>`; these are identities.
    pub left: Vec<String>,
    /// From where on to ask next, if there is `more` at once.
    pub mark: String,
    pub more: bool,
}
