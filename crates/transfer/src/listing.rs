//! One end, listed as a stream of entries in byte order of their names.
//!
//! A task reads pages ahead, and leaves out what the scope does not keep. An excluded folder is not listed
//! further: the next page begins behind it.
//!
//! Invariants: names ascend, which is checked: a comparison by a listing in another order would delete what
//! is there. Three pages are held at most: the one that is read, one that waits, one that was just listed.

use crate::{
    end::{End, Walk},
    error::TransferError,
    filter::Scope,
    model::{MAX_KEY_BYTES, ObjectInfo, ObjectKey},
    retry::Retry,
    store::{
        ListEntry, ListPage, ListRequest, ListedObject,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{sync::Arc, vec};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Number of entries of a page: the maximum of the contract.
const PAGE: usize = 1000;

/// An object of an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub object: ListedObject,
    /// Where the name begins in the key.
    at: usize,
}

impl Entry {
    /// Returns `None` for a key that is not below the end's prefix.
    pub fn new(end: &End, object: ListedObject) -> Option<Self> {
        let name = end.name(object.key.as_str())?;
        let at = object.key.as_str().len() - name.len();
        Some(Self { object, at })
    }

    /// Returns the entry of an object that was asked for.
    pub(crate) fn of_info(end: &End, key: ObjectKey, info: ObjectInfo) -> Option<Self> {
        let object = ListedObject {
            key,
            size: info.size,
            etag: info.etag,
            last_modified: info.last_modified,
            checksum: info.checksum.map(|sum| sum.spec()),
            storage_class: info.attributes.storage_class,
            owner: info.attributes.owner,
        };
        Self::new(end, object)
    }

    pub fn name(&self) -> &str {
        &self.object.key.as_str()[self.at..]
    }
}

type Batch = Result<Vec<Entry>, TransferError>;

#[derive(Debug)]
pub struct Listing {
    batches: mpsc::Receiver<Batch>,
    current: vec::IntoIter<Entry>,
    /// Ends the task with the listing.
    _task: AbortOnDropHandle<()>,
}

impl Listing {
    /// Begins to list. It must be called within a runtime.
    pub fn begin(end: End, scope: Scope, retry: Arc<Retry>) -> Self {
        let (sender, batches) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut lister = Lister { end, scope, retry, last: None, batch: Vec::new(), sender };
            let listed = match lister.end.walk {
                Walk::Flat => lister.flat().await,
                Walk::Folders => lister.folders().await,
                Walk::Object => lister.object().await,
            };
            if let Err(Stop::Failed(error)) = listed {
                let _ = lister.sender.send(Err(error)).await;
            }
        });
        Self { batches, current: Vec::new().into_iter(), _task: AbortOnDropHandle::new(task) }
    }

    pub async fn next(&mut self) -> Result<Option<Entry>, TransferError> {
        loop {
            if let Some(entry) = self.current.next() {
                return Ok(Some(entry));
            }
            match self.batches.recv().await {
                Some(batch) => self.current = batch?.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

enum Stop {
    Failed(TransferError),
    /// Nobody reads any more.
    Unwanted,
}

impl From<TransferError> for Stop {
    fn from(error: TransferError) -> Self {
        Self::Failed(error)
    }
}

struct Lister {
    end: End,
    scope: Scope,
    retry: Arc<Retry>,
    /// The last key that was listed.
    last: Option<String>,
    batch: Vec<Entry>,
    sender: mpsc::Sender<Batch>,
}

/// A folder that is being listed.
struct Level {
    prefix: String,
    entries: vec::IntoIter<ListEntry>,
    /// The last name of the page, if another page follows.
    after: Option<String>,
}

impl Lister {
    /// Asks for the one object. One that does not exist is listed as nothing.
    async fn object(&mut self) -> Result<(), Stop> {
        let key = self.end.key("").map_err(|error| self.broken(&error.to_string()))?;
        let conditions = Default::default();
        match self.retry.run(|| self.end.store.head(key.current(), &conditions)).await {
            Ok(info) => self.batch.extend(Entry::of_info(&self.end, key, info)),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {}
            Err(error) => return Err(self.failed(error).into()),
        }
        self.flush().await
    }

    async fn flat(&mut self) -> Result<(), Stop> {
        let prefix = self.end.prefix().to_owned();
        let mut after = None;
        // The folder of the last name that was kept.
        let mut kept = String::new();
        loop {
            let page = self.page(&prefix, after.take(), None).await?;
            let last = page.entries.last().map(|entry| entry.name().to_owned());
            let mut skipped: Option<String> = None;
            for entry in page.entries {
                let ListEntry::Object(object) = entry else { continue };
                let Some(entry) = self.in_order(object)? else { continue };
                if skipped.as_ref().is_some_and(|folder| entry.name().starts_with(folder.as_str())) {
                    continue;
                }
                skipped = self.skipped_around(entry.name(), &kept).await?;
                if skipped.is_none() {
                    let folder = entry.name().rfind('/').map_or("", |at| &entry.name()[..=at]);
                    if folder != kept {
                        kept = folder.to_owned();
                    }
                    self.take(entry).await?;
                }
            }
            self.flush().await?;
            match last {
                Some(last) if page.truncated => {
                    // No key of the folder is behind this one, but for keys that are left out one by one.
                    let behind = skipped.map(|folder| format!("{prefix}{folder}\u{10ffff}"));
                    after = behind.filter(|behind| behind.len() <= MAX_KEY_BYTES).or(Some(last));
                }
                _ => return Ok(()),
            }
        }
    }

    /// Returns the outermost folder around a name of which nothing is kept. Folders around `kept` are known.
    async fn skipped_around(&mut self, name: &str, kept: &str) -> Result<Option<String>, TransferError> {
        for (at, _) in name.match_indices('/') {
            let folder = &name[..=at];
            if !kept.starts_with(folder) && self.scope.skips(folder).await? {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }

    async fn folders(&mut self) -> Result<(), Stop> {
        let root = self.end.prefix().to_owned();
        let mut levels = vec![self.level(root, None).await?];
        while let Some(level) = levels.last_mut() {
            match (level.entries.next(), level.after.take()) {
                (Some(entry), after) => {
                    level.after = after;
                    match entry {
                        ListEntry::Object(object) => {
                            if let Some(entry) = self.in_order(object)? {
                                self.take(entry).await?;
                            }
                        }
                        ListEntry::CommonPrefix(prefix) => {
                            let folder = self.end.name(&prefix).unwrap_or_default().to_owned();
                            if !self.scope.skips(&folder).await? {
                                levels.push(self.level(prefix, None).await?);
                            }
                        }
                    }
                }
                (None, Some(after)) => {
                    let prefix = std::mem::take(&mut level.prefix);
                    *level = self.level(prefix, Some(after)).await?;
                }
                (None, None) => {
                    levels.pop();
                }
            }
        }
        self.flush().await
    }

    async fn level(&self, prefix: String, after: Option<String>) -> Result<Level, TransferError> {
        let page = self.page(&prefix, after, Some("/")).await?;
        let last = page.entries.last().map(|entry| entry.name().to_owned());
        let after = last.filter(|_| page.truncated);
        Ok(Level { prefix, entries: page.entries.into_iter(), after })
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<String>,
        delimiter: Option<&str>,
    ) -> Result<ListPage, TransferError> {
        let request = ListRequest {
            prefix: prefix.to_owned(),
            after,
            delimiter: delimiter.map(Into::into),
            limit: PAGE,
        };
        let page = self.retry.run(|| self.end.store.list(request.clone())).await;
        let page = page.map_err(|error| self.failed(error))?;
        match page.truncated && page.entries.is_empty() {
            true => Err(self.broken("a page has no entries, although more follow")),
            false => Ok(page),
        }
    }

    /// Returns the entry of an object, unless it is the prefix itself.
    fn in_order(&mut self, object: ListedObject) -> Result<Option<Entry>, TransferError> {
        let key = object.key.as_str();
        if self.last.as_deref().is_some_and(|last| last >= key) {
            let last = self.last.as_deref().unwrap_or_default();
            return Err(self.broken(&format!("{key:?} is listed behind {last:?}: the order is wrong")));
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(key);
        match Entry::new(&self.end, object) {
            None => Err(self.broken("a key is listed that is not below the prefix")),
            Some(entry) => Ok(Some(entry).filter(|entry| !entry.name().is_empty())),
        }
    }

    async fn take(&mut self, entry: Entry) -> Result<(), Stop> {
        if self.scope.keeps(entry.name()).await? {
            self.batch.push(entry);
        }
        if self.batch.len() >= PAGE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(std::mem::take(&mut self.batch))).await.map_err(|_| Stop::Unwanted)
    }

    fn failed(&self, source: StoreError) -> TransferError {
        TransferError::Listing { end: self.end.label().to_owned(), source: source.into() }
    }

    fn broken(&self, why: &str) -> TransferError {
        self.failed(StoreError::new(StoreErrorKind::Broken, why))
    }
}
