//! A run that makes a snapshot.
//!
//! The source is listed in step with the list of the snapshot before. An object whose size, ETag and time are
//! those of before is not read. Others are read, some at once, and their records are written in the order of
//! their names.
//!
//! Invariants:
//! - the record is written last, after all packs and index files, and after it was confirmed that none of
//!   them was condemned meanwhile;
//! - what is read is one object, that of the ETag that was listed, and as many bytes as it has, with its
//!   checksum where it has one over the whole;
//! - what one object fails with is reported and counted, and the run goes on; what the repository fails with
//!   ends it.

use crate::{
    Result, SnapshotError,
    content::{Content, read_run},
    index::Index,
    list::{Cursor, ListWriter, Lists},
    model::Timestamp,
    object::{Read, Trouble},
    reader::Reader,
    record::{Object, Snapshot},
    repository::Repository,
    store::error::StoreErrorKind,
    transfer::{
        End, TransferError,
        filter::{Filter, Scope},
        listing::{Entry, Listing},
    },
    writer::Writer,
};
use futures_util::StreamExt;
use std::{
    fmt,
    sync::{Arc, RwLock},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// A run that is not begun yet.
pub struct Create {
    pub source: End,
    /// Which source it is: by it the snapshot before is found. It has no secrets.
    pub identity: String,
    pub repository: Arc<Repository>,
    pub filter: Arc<Filter>,
    /// Also read objects that seem to be those of before.
    pub reads_all: bool,
    /// Number of objects that are read at once.
    pub at_once: usize,
    pub now: Timestamp,
    /// Ends the run early. What was stored is used by the next one.
    pub cancel: CancellationToken,
    pub hear: Hear,
}

/// What a run says while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Failed { name: String, reason: String },
    Warning { name: String, message: String },
}

pub type Hear = Arc<dyn Fn(Said) + Send + Sync>;

/// What a run has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub snapshot: Snapshot,
    /// Objects that were read, and their bytes.
    pub read: u64,
    pub read_bytes: u64,
    /// Bytes of packs that were stored.
    pub stored_bytes: u64,
}

impl fmt::Debug for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Create").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What became of one object of the listing.
enum Outcome {
    Unchanged(Object),
    Read(Object),
    LeftOut,
    Failed,
}

impl Create {
    pub async fn run(self) -> Result<Created> {
        let cancel = self.cancel.clone();
        let before = Snapshot::all(&self.repository).await?;
        let before = before.into_iter().rfind(|snapshot| snapshot.source == self.identity);
        let (index, _) = Index::load_stored(&self.repository).await?;
        let index = Arc::new(RwLock::new(index));
        let writer = Arc::new(Writer::new(self.repository.clone(), index.clone()));
        let reader = Arc::new(Reader::new(self.repository.clone(), index));
        let run = Arc::new(Run { create: self, writer: writer.clone(), reader });
        let made = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                writer.finish().await?;
                return Err(SnapshotError::Cancelled);
            }
            made = run.objects(before.as_ref()) => made?,
        };
        let stored_bytes = writer.finish().await?;
        writer.confirm().await?;
        let repository = &run.create.repository;
        let snapshot = made.snapshot.write(repository).await?;
        // The record may have taken its time to arrive.
        if let Err(error) = writer.confirm().await {
            snapshot.forget(repository).await?;
            return Err(error);
        }
        Ok(Created { snapshot, stored_bytes, ..made })
    }
}

struct Run {
    create: Create,
    writer: Arc<Writer>,
    reader: Arc<Reader>,
}

impl Run {
    /// Stores all objects and their list.
    async fn objects(self: &Arc<Self>, before: Option<&Snapshot>) -> Result<Created> {
        let Create { source, repository, filter, now, identity, at_once, hear, .. } = &self.create;
        let scope = Scope::new(filter.clone(), source, repository.retry());
        let listing = Listing::begin(source.clone(), scope, repository.retry().clone());
        let pairs = Pairs { listing, before: self.open(before).await, hear };
        let pairs = futures_util::stream::unfold(pairs, |mut pairs| async move {
            let pair = pairs.next().await.transpose()?;
            Some((pair, pairs))
        });
        // Each object has a task of its own. A future that nobody polls while the list is written could hold
        // the lock of the writer, for which the list waits.
        let outcomes = pairs.map(|pair| {
            let run = self.clone();
            let task = tokio::spawn(async move {
                let (entry, before) = pair?;
                run.object(entry, before).await
            });
            AbortOnDropHandle::new(task)
        });
        let mut outcomes = std::pin::pin!(outcomes.buffered((*at_once).max(1)));
        let mut list = ListWriter::default();
        let (mut objects, mut bytes, mut failed, mut read, mut read_bytes) = (0, 0, 0, 0, 0);
        while let Some(outcome) = outcomes.next().await {
            let object = match outcome.map_err(SnapshotError::Task)?? {
                Outcome::Unchanged(object) => object,
                Outcome::Read(object) => {
                    read += 1;
                    read_bytes += object.size;
                    object
                }
                Outcome::LeftOut => continue,
                Outcome::Failed => {
                    failed += 1;
                    continue;
                }
            };
            objects += 1;
            bytes += object.size;
            list.push(repository, &self.writer, &object).await?;
        }
        let root = list.end(repository, &self.writer).await?;
        let snapshot = Snapshot::new(*now, identity.clone(), root).of(objects, bytes, failed);
        Ok(Created { snapshot, read, read_bytes, stored_bytes: 0 })
    }

    /// Opens the list of the snapshot before. A list that cannot be read is none: then all is read.
    async fn open(&self, before: Option<&Snapshot>) -> Option<Cursor> {
        let before = before.filter(|_| !self.create.reads_all)?;
        let lists = Arc::new(Lists::new(self.reader.clone()));
        match Cursor::seek(lists, before.list, "").await {
            Ok(cursor) => Some(cursor),
            Err(error) => {
                warn_of_list(&self.create.hear, &error);
                None
            }
        }
    }

    async fn object(&self, entry: Entry, before: Option<Object>) -> Result<Outcome> {
        let Create { source, filter, repository, hear, .. } = &self.create;
        let name = entry.name().to_owned();
        let failed = |error: &crate::store::error::StoreError| {
            let reason = crate::model::Chain(error).to_string();
            hear(Said::Failed { name: name.clone(), reason });
            Ok(Outcome::Failed)
        };
        let entry = match filter.takes(source, Some(entry), repository.retry()).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(Outcome::LeftOut),
            Err(error) => return failed(&error),
        };
        if let Some(before) = before.filter(|before| is_same(before, &entry))
            && self.has(&before.content).await
        {
            return Ok(Outcome::Unchanged(before));
        }
        let read = Read { source, repository, writer: &self.writer };
        match read.object(entry).await {
            Ok(object) => Ok(Outcome::Read(object)),
            Err(Trouble::Repository(error)) => Err(error),
            Err(Trouble::Object(error)) if error.kind() == StoreErrorKind::NoSuchKey => {
                let message = "it is gone since it was listed, and is not in the snapshot".to_owned();
                hear(Said::Warning { name, message });
                Ok(Outcome::LeftOut)
            }
            Err(Trouble::Object(error)) => failed(&error),
        }
    }

    /// Returns whether packs that stay have all chunks. Runs of parts that cannot be read are none: then the
    /// object is read again.
    async fn has(&self, content: &Content) -> bool {
        let mut runs = vec![(content.depth, content.parts.clone())];
        while let Some((depth, parts)) = runs.pop() {
            if !self.writer.has_all(parts.iter().map(|part| &part.id)).await {
                return false;
            }
            if depth > 0 {
                for part in &parts {
                    let Ok(below) = read_run(&self.reader, &part.id).await else { return false };
                    runs.push((depth - 1, below));
                }
            }
        }
        true
    }
}

fn is_same(before: &Object, entry: &Entry) -> bool {
    let now = &entry.object;
    before.size == now.size && before.etag == now.etag && before.modified == now.last_modified
}

fn warn_of_list(hear: &Hear, error: &SnapshotError) {
    let message = format!(
        "the list of the snapshot before cannot be read, so that objects are read again: {}",
        crate::model::Chain(error)
    );
    hear(Said::Warning { name: String::new(), message });
}

/// The source in step with the list of before.
struct Pairs<'h> {
    listing: Listing,
    before: Option<Cursor>,
    hear: &'h Hear,
}

impl Pairs<'_> {
    async fn next(&mut self) -> std::result::Result<Option<(Entry, Option<Object>)>, TransferError> {
        let Some(entry) = self.listing.next().await? else { return Ok(None) };
        while let Some(cursor) = &mut self.before {
            let Some(object) = cursor.current() else { break };
            if object.name.as_str() >= entry.name() {
                break;
            }
            if let Err(error) = cursor.advance().await {
                warn_of_list(self.hear, &error);
                self.before = None;
            }
        }
        let current = self.before.as_ref().and_then(Cursor::current);
        let same = current.filter(|object| object.name == entry.name()).cloned();
        Ok(Some((entry, same)))
    }
}
