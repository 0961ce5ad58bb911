//! One bucket's folder: the context that all its operations share, the locations and the row of a key.
//!
//! This module does not decide which file belongs to a key (`finding`), nor how interrupted changes ended
//! (`settling`).
//!
//! Invariant: rows of the catalog change only under their key's lock.

use super::{
    drafts::Drafts, files::Files, flow::Flows, folding::Folding, record::Row, scan_state::Scan,
    slot_names::SlotNames, spool::Spool, upload_slots::Uploads,
};
use crate::{
    backend::{
        changes::Changes,
        codec::{self, KeyPath},
        locks::{Guard, Locks},
        unreadable::Unreadable,
        watches::{Change, Watches},
    },
    catalog::{BucketId, Catalog, Expected},
    model::{ObjectKey, UploadId},
    store::{
        Durability, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The context that the operations of one bucket share.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) id: BucketId,
    /// The folder that contains the bucket's keys; empty for the root.
    pub(super) folder: String,
    pub(super) files: Arc<dyn Files>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) locks: Arc<Locks<ObjectKey>>,
    /// Shows readers which keys' files are being changed. A change begins under the key's lock before it is
    /// visible in the storage, and ends when the row contains its result.
    pub(super) watches: Arc<Watches<ObjectKey>>,
    /// The keys whose index and row are being written; listings wait for them.
    pub(super) changes: Arc<Changes>,
    pub(super) completing: Arc<Locks<UploadId>>,
    pub(super) uploads: Uploads,
    /// Shared by all buckets of the backend.
    pub(super) slot_names: Arc<SlotNames>,
    pub(super) flows: Arc<Flows>,
    pub(super) unreadable: Unreadable,
    pub(super) scan: Scan,
    pub(super) spool: Arc<Spool>,
    /// Limits the adoption of large foreign files in the background to one at a time.
    pub(super) adopting: Arc<Semaphore>,
    pub(super) drafts: Arc<Drafts>,
    pub(super) folding: Arc<Folding>,
    pub(super) durability: Durability,
}

impl Bucket {
    /// Returns the path in the storage for a path in the bucket.
    pub(super) fn at(&self, path: &str) -> String {
        match (self.folder.as_str(), path) {
            (folder, "") => folder.to_owned(),
            (folder, path) => codec::join(folder, path),
        }
    }

    pub(super) fn path_of(&self, key: &ObjectKey) -> KeyPath {
        codec::encode(key, self.files.service().names)
    }

    /// Returns the path for a new object.
    pub(super) fn home(&self, key: &ObjectKey) -> String {
        if self.folding.confuses(key) { self.apart(key) } else { self.path_of(key).plain_path() }
    }

    /// Returns the paths where the file of a key may be without a record, in order of precedence.
    pub(super) fn native_paths(&self, key: &ObjectKey) -> Vec<String> {
        let path = self.path_of(key);
        let mut paths = vec![path.plain_path(), path.beside_path(), self.apart(key)];
        if self.folding.confuses(key) {
            // On storage that folds names, the file at the plain path may belong to another key, so the apart
            // path is checked first.
            paths.rotate_right(1);
        }
        paths
    }

    /// Returns the path of a key whose name collides with that of another key.
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

    /// No expected revision is needed: the writer holds the key's lock, and no other process has the bucket
    /// open, so the row is still the one that was read.
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

    /// Announces that the file of a key changes, until the result is dropped. The caller holds the lock.
    pub(super) fn change(&self, key: &ObjectKey) -> Changing<'_> {
        Changing { bucket: self, key: key.clone(), _change: self.watches.change(key) }
    }

    pub(super) async fn lock(&self, key: &ObjectKey) -> Guard<ObjectKey> {
        self.locks.lock(key).await
    }
}

/// A change of the file of a key that is in progress.
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

/// Runs a change to its end, even if its caller is dropped.
pub(super) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => {
            Err(StoreError::new(StoreErrorKind::Internal, "a change of an object failed").with_source(error))
        }
    }
}
