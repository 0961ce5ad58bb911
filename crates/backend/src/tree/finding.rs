//! Finding the file of a key, and deciding whether it is the one that the catalog knows.
//!
//! Invariant: a missing file never removes its row, because storage may be unreachable for a while.

use super::{
    bucket::Bucket,
    files::{EntryKind, Opened, Stat},
    record::{Intent, Record, Row, Verdict, foreign},
};
use crate::{
    model::{ObjectInfo, ObjectKey, Span},
    store::{Result, error::StoreErrorKind},
};

/// A file that is an object.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The path below the bucket's folder.
    pub(super) path: String,
    pub(super) stat: Stat,
    /// The record. `None`: a foreign file, or one that was changed outside the gateway.
    pub(super) record: Option<Record>,
    /// The storage's tag proves that the file is that of the committed record.
    pub(super) by_tag: bool,
}

impl Found {
    /// Returns what is known without reading the bytes.
    pub(super) fn info(&self) -> ObjectInfo {
        self.record.as_ref().map_or_else(|| foreign(&self.stat).info(), |record| record.object.info())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Only,
    /// Checks the file and opens it, to read most likely this range.
    Open(Option<Span>),
}

/// A file that is an object. It is open if it has to be read.
pub(super) struct Looked {
    pub(super) found: Found,
    pub(super) opened: Option<Box<dyn Opened>>,
}

impl Bucket {
    /// Returns the current object and its row, without a pending change. The caller holds the lock of the
    /// key.
    pub(super) async fn find_locked(&self, key: &ObjectKey) -> Result<(Option<Found>, Row)> {
        let row = self.settled(key).await?;
        let found = self.find(key, &row, Look::Only, true).await?;
        Ok((found.flatten().map(|looked| looked.found), row))
    }

    /// Returns the file of a key, as far as its row and one check of the storage show. `None`: only the
    /// holder of the lock can decide. Without the lock the result may be wrong, unless the tag proves it or
    /// the key was not changed meanwhile.
    pub(super) async fn find(
        &self,
        key: &ObjectKey,
        row: &Row,
        look: Look,
        locked: bool,
    ) -> Result<Option<Option<Looked>>> {
        let exact = self.files.service().exact_tags;
        let unsettled = row.pending.is_some() && !locked;
        if unsettled && !exact {
            return Ok(None);
        }
        for path in self.paths(key, row).await? {
            let looked = match look {
                Look::Only => self.files.stat(&self.at(&path)).await.map(|stat| (stat, None)),
                Look::Open(ahead) => {
                    self.files.open(&self.at(&path), ahead).await.map(|opened| match opened {
                        Some(opened) => (Some(opened.stat().clone()), Some(opened)),
                        None => (None, None),
                    })
                }
            };
            let (stat, opened) = match looked {
                // A path that is too long for the storage has no file.
                Err(error) if error.kind() == StoreErrorKind::KeyTooLong => continue,
                looked => looked?,
            };
            let Some(stat) = stat.filter(|stat| stat.kind == EntryKind::File) else { continue };
            let record = match row.judge(&path, &stat) {
                Verdict::Known(record) => Some(*record),
                Verdict::Foreign => None,
                Verdict::Unclear => return Ok(None),
            };
            let by_tag = exact
                && record.as_ref().is_some_and(|record| {
                    row.committed.as_ref() == Some(record) && record.own.has_tag_of(&stat)
                });
            if unsettled && !by_tag {
                return Ok(None);
            }
            return Ok(Some(Some(Looked { found: Found { path, stat, record, by_tag }, opened })));
        }
        // The expected file may have been moved to its beside path during the search.
        let missed = row.committed.is_some() || row.pending.is_some();
        Ok(if missed && !locked { None } else { Some(None) })
    }

    /// Returns the paths where the file of a key may be, the most likely one first.
    async fn paths(&self, key: &ObjectKey, row: &Row) -> Result<Vec<String>> {
        let mut paths: Vec<String> = row.committed.iter().map(|record| record.own.path.clone()).collect();
        if let Some(Intent::Put(record)) = &row.pending {
            paths.push(record.own.path.clone());
        }
        let mut native = self.native_paths(key).into_iter();
        paths.extend(native.next());
        // A foreign file at the beside or the apart path counts only if a full scan has found it.
        if row.committed.is_none()
            && self.catalog.index_lookup(self.id, vec![key.clone()]).await?.iter().any(Option::is_some)
        {
            paths.extend(native);
        }
        let mut seen = Vec::with_capacity(paths.len());
        paths.retain(|path| {
            !seen.contains(path) && {
                seen.push(path.clone());
                true
            }
        });
        Ok(paths)
    }
}
