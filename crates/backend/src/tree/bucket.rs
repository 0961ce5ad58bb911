//! One bucket's folder: finding the file of a key and telling whether it is the one that the catalog knows.
//!
//! Invariants: rows of the catalog change only under their key's lock; a row without an intention says all there is to
//! say; that a file is missing never removes its row, for storage may come and go.

use super::{
    drafts::Drafts,
    files::{Files, Kind, Opened, Stat},
    flow::Flows,
    folding::Folding,
    given::Uploads,
    record::{Intent, Record, Row, Verdict, foreign},
    scan::Scan,
    spool::Spool,
};
use crate::{
    backend::{
        changes::Changes,
        codec::{self, KeyPath},
        locks::{Guard, Locks},
        unreadable::Unreadable,
        watches::{Change, Watches},
    },
    catalog::{BucketId, Catalog, Expected, IndexChange},
    model::{ETag, ObjectInfo, ObjectKey, Span, UploadId},
    store::{
        Durability, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the operations of one bucket share.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) id: BucketId,
    /// Where its keys begin; empty for the root.
    pub(super) folder: String,
    pub(super) files: Arc<dyn Files>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) locks: Arc<Locks<ObjectKey>>,
    /// For readers: which keys' files are being changed. A change begins under the key's lock before anybody can see it in the storage,
    /// and ends when the row says what came of it.
    pub(super) watches: Arc<Watches<ObjectKey>>,
    /// Listings wait for these keys: their index and row are being written.
    pub(super) changes: Arc<Changes>,
    pub(super) completing: Arc<Locks<UploadId>>,
    pub(super) uploads: Uploads,
    pub(super) flows: Arc<Flows>,
    pub(super) unreadable: Unreadable,
    pub(super) scan: Scan,
    pub(super) spool: Arc<Spool>,
    /// One foreign file is read in the background at a time.
    pub(super) adopting: Arc<Semaphore>,
    pub(super) drafts: Arc<Drafts>,
    pub(super) folding: Arc<Folding>,
    pub(super) durability: Durability,
}

/// A file that is an object.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Below the bucket's folder.
    pub(super) path: String,
    pub(super) stat: Stat,
    /// `None`: a foreign file, or one changed behind our back.
    pub(super) record: Option<Record>,
    /// The storage's tag proves that the file is that of the record which stands.
    pub(super) by_tag: bool,
}

impl Found {
    /// What is known without reading the bytes.
    pub(super) fn info(&self) -> ObjectInfo {
        self.record.as_ref().map_or_else(|| foreign(&self.stat), Record::info)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Only,
    /// And open it: this much is likely to be read.
    Open(Option<Span>),
}

/// A file that is an object and, if it was to be read, opened.
pub(super) struct Looked {
    pub(super) found: Found,
    pub(super) opened: Option<Box<dyn Opened>>,
}

impl Bucket {
    /// A path of the storage.
    pub(super) fn at(&self, path: &str) -> String {
        match (self.folder.as_str(), path) {
            (folder, "") => folder.to_owned(),
            (folder, path) => codec::join(folder, path),
        }
    }

    pub(super) fn path_of(&self, key: &ObjectKey) -> KeyPath {
        codec::encode(key, self.files.service().names)
    }

    /// Where a new object goes.
    pub(super) fn home(&self, key: &ObjectKey) -> String {
        if self.folding.confuses(key) { self.apart(key) } else { self.path_of(key).plain_path() }
    }

    /// Where the file of a key may be though no record says so, in the order in which they count.
    pub(super) fn native_places(&self, key: &ObjectKey) -> Vec<String> {
        let path = self.path_of(key);
        let mut places = vec![path.plain_path(), path.beside_path(), self.apart(key)];
        if self.folding.confuses(key) {
            // What answers to the plain name may have another.
            places.rotate_right(1);
        }
        places
    }

    /// Where a key lies that another is spelled like.
    pub(super) fn apart(&self, key: &ObjectKey) -> String {
        codec::apart(key, self.files.service().names)
    }

    pub(super) async fn row(&self, key: &ObjectKey) -> Result<Row> {
        Row::read(self.catalog.object(self.id, key).await?.map(|stored| stored.row))
    }

    pub(super) async fn set_row(&self, key: &ObjectKey, row: &Row) -> Result<()> {
        self.write_row(key, row, false).await
    }

    pub(super) async fn set_row_to_remove(&self, key: &ObjectKey, row: &Row) -> Result<()> {
        self.write_row(key, row, true).await
    }

    /// Whoever writes holds the key's lock, and no other process has the bucket open: whatever is there is what was read.
    async fn write_row(&self, key: &ObjectKey, row: &Row, to_remove: bool) -> Result<()> {
        let (row, expected) = (row.write(key)?, Expected::Any);
        let written = if to_remove {
            self.catalog.set_object_to_remove(self.id, expected, row)
        } else {
            self.catalog.set_object(self.id, expected, row)
        };
        written.await?;
        Ok(())
    }

    /// Announces that the file of a key changes, until the result is dropped. The lock is held.
    pub(super) fn change(&self, key: &ObjectKey) -> Changing<'_> {
        Changing { bucket: self, key: key.clone(), _change: self.watches.change(key) }
    }

    pub(super) async fn lock(&self, key: &ObjectKey) -> Guard<ObjectKey> {
        self.locks.lock(key).await
    }

    /// What is there by whoever holds the lock of the key; and its row, with nothing intended.
    pub(super) async fn find_locked(&self, key: &ObjectKey) -> Result<(Option<Found>, Row)> {
        let row = self.settled(key).await?;
        let found = self.find(key, &row, Look::Only, true).await?;
        Ok((found.flatten().map(|looked| looked.found), row))
    }

    /// The file of a key, as far as its row and one look tell. `None`: only whoever holds the lock can tell. Without the lock it may be
    /// wrong, unless it is proven by the tag or the key was not changed meanwhile.
    pub(super) async fn find(&self, key: &ObjectKey, row: &Row, look: Look, locked: bool) -> Result<Option<Option<Looked>>> {
        let exact = self.files.service().exact_tags;
        let unsettled = row.intended.is_some() && !locked;
        if unsettled && !exact {
            return Ok(None);
        }
        for path in self.places(key, row).await? {
            let looked = match look {
                Look::Only => self.files.stat(&self.at(&path)).await.map(|stat| (stat, None)),
                Look::Open(ahead) => self.files.open(&self.at(&path), ahead).await.map(|opened| match opened {
                    Some(opened) => (Some(opened.stat().clone()), Some(opened)),
                    None => (None, None),
                }),
            };
            let (stat, opened) = match looked {
                // Nothing can be where nothing could be put.
                Err(error) if error.kind() == StoreErrorKind::KeyTooLong => continue,
                looked => looked?,
            };
            let Some(stat) = stat.filter(|stat| stat.kind == Kind::File) else { continue };
            let record = match row.judge(&path, &stat) {
                Verdict::Known(record) => Some(*record),
                Verdict::Foreign => None,
                Verdict::Unclear => return Ok(None),
            };
            let by_tag = exact && record.as_ref().is_some_and(|record| row.stands.as_ref() == Some(record) && record.has_tag_of(&stat));
            if unsettled && !by_tag {
                return Ok(None);
            }
            return Ok(Some(Some(Looked { found: Found { path, stat, record, by_tag }, opened })));
        }
        // What should be there may have been moved aside while we looked.
        let missed = row.stands.is_some() || row.intended.is_some();
        Ok(if missed && !locked { None } else { Some(None) })
    }

    /// Where the file of a key may lie, likeliest first.
    async fn places(&self, key: &ObjectKey, row: &Row) -> Result<Vec<String>> {
        let mut places: Vec<String> = row.stands.iter().map(|record| record.path.clone()).collect();
        if let Some(Intent::Put(record)) = &row.intended {
            places.push(record.path.clone());
        }
        let mut native = self.native_places(key).into_iter();
        places.extend(native.next());
        // A foreign file beside a folder has been seen by a scan, or is nothing yet.
        if row.stands.is_none() && self.catalog.index_lookup(self.id, vec![key.clone()]).await?.iter().any(Option::is_some) {
            places.extend(native);
        }
        let mut seen = Vec::with_capacity(places.len());
        places.retain(|place| {
            !seen.contains(place) && {
                seen.push(place.clone());
                true
            }
        });
        Ok(places)
    }

    /// The row of a key with nothing intended any more: what was cut short is found out. The lock is held.
    pub(super) async fn settled(&self, key: &ObjectKey) -> Result<Row> {
        let row = self.row(key).await?;
        let Some(intent) = row.intended.clone() else { return Ok(row) };
        let stands = match intent {
            Intent::Delete => match &row.stands {
                Some(record) if self.files.stat(&self.at(&record.path)).await?.is_some_and(|stat| record.is_of(&stat)) => {
                    row.stands.clone()
                }
                _ => None,
            },
            Intent::Put(record) => match self.arrived(&row, *record).await? {
                Some(record) => Some(record),
                None => row.stands.clone(),
            },
        };
        tracing::debug!(%key, came_true = stands != row.stands, "a change that was cut short is settled");
        let row = Row { stands, intended: None };
        self.record(key, &row).await?;
        Ok(row)
    }

    /// Makes the index say what a settled row says, and writes the row. Listings that begin meanwhile wait. A kill in between leaves the
    /// intention, and whoever settles it comes here again: written first, the row would leave an index that is wrong for ever.
    pub(super) async fn record(&self, key: &ObjectKey, row: &Row) -> Result<()> {
        let _listed = self.changes.begin(key);
        let change = row.stands.as_ref().map_or_else(|| IndexChange::Delete(key.clone()), |record| IndexChange::Put(record.row(key)));
        self.catalog.index(self.id, change).await?;
        self.set_row(key, row).await
    }

    /// The record of a put that was begun, if its file is there.
    async fn arrived(&self, row: &Row, record: Record) -> Result<Option<Record>> {
        let Some(stat) = self.files.stat(&self.at(&record.path)).await?.filter(|stat| stat.kind == Kind::File) else { return Ok(None) };
        if record.size != stat.size {
            return Ok(None);
        }
        let stands = row.stands.as_ref().is_some_and(|old| old.path == record.path && old.is_of(&stat));
        let came = match (stands, record.is_of(&stat), stat.md5, record.etag.as_md5()) {
            (_, _, Some(md5), Some(etag)) => md5 == etag,
            (false, true, _, _) => true,
            // The old file by its tag, which the new one would not have.
            (true, false, _, _) if stat.tag.is_some() => false,
            _ => self.content_tag(&record).await? == Some(record.etag.clone()),
        };
        Ok(came.then_some(Record { stat: Some(stat), ..record }))
    }

    /// The ETag that the bytes at a record's path have, if they come in its parts.
    async fn content_tag(&self, record: &Record) -> Result<Option<ETag>> {
        let Some(opened) = self.files.open(&self.at(&record.path), Some(Span::whole(record.size))).await? else { return Ok(None) };
        let parts: Vec<u64> = record.parts().iter().map(|part| part.size).collect();
        let mut left = parts.iter().copied();
        let mut digests = Vec::with_capacity(parts.len() * 16);
        let mut until = left.next().unwrap_or(u64::MAX);
        let mut md5 = Md5::new();
        let mut stream = opened.read(Span::whole(record.size)).await?;
        while let Some(mut bytes) = stream.next().await.transpose()? {
            while bytes.len() as u64 >= until {
                md5.update(bytes.split_to(usize::try_from(until).unwrap_or(usize::MAX)));
                digests.extend_from_slice(&md5.finalize_reset());
                until = left.next().unwrap_or(u64::MAX);
            }
            until = until.saturating_sub(bytes.len() as u64);
            md5.update(&bytes);
        }
        Ok(Some(match parts.len() {
            0 => ETag::from_md5(md5.finalize().into()),
            count => ETag::multipart(Md5::digest(digests).into(), count),
        }))
    }
}

/// The file of a key is being changed.
pub(super) struct Changing<'b> {
    bucket: &'b Bucket,
    key: ObjectKey,
    _change: Change<ObjectKey>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.bucket.scan.touch(&self.key);
    }
}

/// Runs a change to its end, whether or not its client waits.
pub(super) async fn to_the_end<T: Send + 'static>(change: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::new(StoreErrorKind::Internal, "a change of an object failed").with_source(error)),
    }
}
