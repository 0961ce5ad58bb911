//! Interrupted changes: this module decides whether the old or the new state is committed.
//!
//! Invariants: the key's lock is held; a row without a pending change is complete.

use super::{
    bucket::Bucket,
    files::EntryKind,
    record::{self, Intent, Record, Row},
};
use crate::{
    catalog::IndexChange,
    model::{ETag, ObjectKey, Span},
    store::{Result, record::ObjectRecord},
};
use futures_util::StreamExt;
use md5::{Digest, Md5};

impl Bucket {
    /// Returns the row of a key without a pending change. The result of an interrupted change is found out
    /// first. The caller holds the lock.
    pub(super) async fn settled(&self, key: &ObjectKey) -> Result<Row> {
        let row = self.row(key).await?;
        let Some(intent) = row.pending.clone() else { return Ok(row) };
        let committed = match intent {
            Intent::Delete => match &row.committed {
                Some(record)
                    if self
                        .files
                        .stat(&self.at(&record.own.path))
                        .await?
                        .is_some_and(|stat| record.own.is(&stat)) =>
                {
                    row.committed.clone()
                }
                _ => None,
            },
            Intent::Put(record) => match self.arrived(&row, *record).await? {
                Some(record) => Some(record),
                None => row.committed.clone(),
            },
        };
        tracing::debug!(%key, came_true = committed != row.committed, "a change that was cut short is settled");
        let row = Row { committed, pending: None };
        self.record(key, &row).await?;
        Ok(row)
    }

    /// Updates the index from a settled row, and then writes the row. Listings that begin meanwhile wait. If
    /// the process is killed in between, the change is still pending, and the next attempt to settle it
    /// repeats both steps. In the other order, the index would stay wrong.
    pub(super) async fn record(&self, key: &ObjectKey, row: &Row) -> Result<()> {
        let _listed = self.changes.begin(key);
        let change = row.committed.as_ref().map_or_else(
            || IndexChange::Delete(key.clone()),
            |record| IndexChange::Put(record::row(key, record)),
        );
        self.catalog.index(self.id, change).await?;
        self.set_row(key, row).await
    }

    /// Returns the record of a pending put, if its file was published.
    async fn arrived(&self, row: &Row, record: Record) -> Result<Option<Record>> {
        let Record { own, object } = record;
        let Some(stat) =
            self.files.stat(&self.at(&own.path)).await?.filter(|stat| stat.kind == EntryKind::File)
        else {
            return Ok(None);
        };
        if object.size != stat.size {
            return Ok(None);
        }
        let committed =
            row.committed.as_ref().is_some_and(|old| old.own.path == own.path && old.own.is(&stat));
        let came = match (committed, own.is(&stat), stat.md5, object.etag.as_md5()) {
            (_, _, Some(md5), Some(etag)) => md5 == etag,
            (false, true, _, _) => true,
            // The tag shows the old file; the new one would have another tag.
            (true, false, _, _) if stat.tag.is_some() => false,
            _ => self.content_tag(&own.path, &object).await? == Some(object.etag.clone()),
        };
        Ok(came.then_some(Record { own: own.reported(stat), object }))
    }

    /// The ETag that the bytes at a path have, if they come in the parts of the object.
    async fn content_tag(&self, path: &str, object: &ObjectRecord) -> Result<Option<ETag>> {
        let Some(opened) = self.files.open(&self.at(path), Some(Span::whole(object.size))).await? else {
            return Ok(None);
        };
        let parts: Vec<u64> = object.parts.list().iter().map(|part| part.size).collect();
        let mut left = parts.iter().copied();
        let mut digests = Vec::with_capacity(parts.len() * 16);
        let mut until = left.next().unwrap_or(u64::MAX);
        let mut md5 = Md5::new();
        let mut stream = opened.read(Span::whole(object.size)).await?;
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
