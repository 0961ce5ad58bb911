//! The embedded catalog: SQLite, for one process.
//!
//! It has two files, because there are two guarantees: `catalog.sqlite` holds the truth and is synced by the
//! durability setting, `index.sqlite` holds what is derived and never waits for a disk. Each has one writing
//! thread that commits in groups and a few reading connections.
//!
//! Invariants:
//! - nothing of the driver leaves this module: no type, and no SQL;
//! - index rows of a deleted bucket are never visible, and are removed in the background, at the latest after
//!   the next start.

mod bucket;
mod checkpoint;
mod column;
mod directory;
mod document;
mod error;
mod file;
mod gone;
mod iam;
mod identity;
mod index;
mod job;
mod lease;
mod listing;
mod object;
mod opening;
mod queue;
mod reader;
mod refusal;
mod replica;
mod reserve;
mod schema;
mod shrink;
mod sizes;
mod transaction;
mod upload;
mod writer;

use super::{
    BackendLocation, BucketChange, BucketId, BucketRecord, BucketSizes, BucketsPage, BucketsQuery, Catalog,
    Clock, Commit, CompletedUpload, DirectoryRow, Document, Documents, Ended, Expected, Generation,
    IamChange, IamDocuments, Identities, IndexChange, IndexRow, KeyUse, Lease, LeftLocation, NewBucket,
    NewDocument, NewIdentity, NewReplica, ObjectRow, ObjectVersion, PartRecord, ReplicaChange, ReplicaRecord,
    Result, Revision, StoredObject, UploadRecord, VersionRow, WhichObjects,
};
use crate::{
    model::{AccessKey, BucketName, ObjectKey, TenantId, Timestamp, UploadId},
    store::{ListPage, ListRequest, ListUploadsRequest, UploadsPage},
};
use async_trait::async_trait;
use gone::Gone;
use reader::Readers;
use std::{path::Path, sync::Arc, time::Duration};
use writer::Writer;

#[derive(Debug)]
pub struct SqliteCatalog {
    truth: Arc<Database>,
    index: Arc<Database>,
    gone: Arc<Gone>,
    clock: Clock,
}

#[derive(Debug)]
struct Database {
    writer: Writer,
    readers: Readers,
}

/// Removes the index of a catalog that is not open. The next process that opens the catalog creates an empty
/// index.
pub fn forget_index(dir: &Path) -> Result<()> {
    file::forget_index(dir)
}

impl SqliteCatalog {
    fn submit_changes(&self, bucket: BucketId, generation: Generation, changes: Vec<IndexChange>) -> Commit {
        let frees = changes.iter().all(index::frees);
        let apply = self.gone.applying(bucket, generation, changes);
        if frees { self.index.writer.submit_freeing(apply) } else { self.index.writer.submit(apply) }
    }

    /// Returns the beginning and the end of a lease that is requested now.
    fn term(&self, ttl: Duration) -> (Timestamp, Timestamp) {
        let now = self.clock.now();
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        (now, Timestamp::from_millis(now.millis().saturating_add(ttl)))
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn create_bucket_apart(
        &self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
        apart: Vec<BackendLocation>,
    ) -> Result<BucketRecord> {
        self.truth.writer.submit(move |db| bucket::create(db, &bucket, &documents, &apart)).await
    }

    async fn bucket_of(&self, tenant: &TenantId, name: &BucketName) -> Result<Option<BucketRecord>> {
        let (tenant, name) = (tenant.clone(), name.clone());
        self.truth.readers.read(move |db| bucket::find(db, &tenant, &name)).await
    }

    async fn buckets(&self, query: BucketsQuery) -> Result<BucketsPage> {
        self.truth.readers.read(move |db| bucket::list(db, &query)).await
    }

    async fn update_bucket(
        &self,
        bucket: BucketId,
        expected: Expected,
        change: BucketChange,
    ) -> Result<Revision> {
        self.truth.writer.submit(move |db| bucket::update(db, bucket, expected, &change)).await
    }

    async fn delete_bucket(&self, bucket: BucketId) -> Result<()> {
        let deleted = self.truth.writer.submit_freeing(move |db| bucket::delete(db, bucket));
        self.gone.after(&self.index, async move { Ok(((), deleted.await?)) }).await
    }

    async fn documents_revision(&self, bucket: BucketId) -> Result<Option<Revision>> {
        self.truth.readers.read(move |db| document::revision(db, bucket)).await
    }

    async fn documents(&self, bucket: BucketId) -> Result<Option<Documents>> {
        self.truth.readers.read(move |db| document::of(db, bucket)).await
    }

    async fn document(&self, bucket: BucketId, kind: &str) -> Result<Option<Document>> {
        let kind = kind.to_owned();
        self.truth.readers.read(move |db| document::find(db, bucket, &kind)).await
    }

    async fn set_document(
        &self,
        bucket: BucketId,
        expected: Expected,
        document: NewDocument,
    ) -> Result<Revision> {
        self.truth.writer.submit(move |db| document::set(db, bucket, expected, &document)).await
    }

    async fn delete_document(
        &self,
        bucket: BucketId,
        kind: &str,
        expected: Expected,
    ) -> Result<Option<Revision>> {
        let kind = kind.to_owned();
        self.truth.writer.submit_freeing(move |db| document::delete(db, bucket, &kind, expected)).await
    }

    async fn identities_revision(&self) -> Result<Revision> {
        self.truth.readers.read(identity::revision).await
    }

    async fn identities(&self) -> Result<Identities> {
        self.truth.readers.read(identity::all).await
    }

    async fn set_identity(&self, identity: NewIdentity, expected: Expected) -> Result<Revision> {
        self.truth.writer.submit(move |db| identity::set(db, &identity, expected)).await
    }

    async fn remove_identity(&self, access_key: &AccessKey, expected: Expected) -> Result<bool> {
        let access_key = access_key.clone();
        self.truth.writer.submit_freeing(move |db| identity::remove(db, &access_key, expected)).await
    }

    async fn key_uses(&self) -> Result<Vec<KeyUse>> {
        self.truth.readers.read(identity::uses).await
    }

    async fn set_key_uses(&self, uses: Vec<KeyUse>, gone: Vec<String>) -> Result<()> {
        self.truth.writer.submit(move |db| identity::set_uses(db, &uses, &gone)).await
    }

    async fn iam(&self) -> Result<IamDocuments> {
        self.truth.readers.read(iam::all).await
    }

    async fn change_iam(&self, changes: Vec<IamChange>, expected: Expected) -> Result<Revision> {
        match iam::frees_space(&changes) {
            true => self.truth.writer.submit_freeing(move |db| iam::change(db, &changes, expected)).await,
            false => self.truth.writer.submit(move |db| iam::change(db, &changes, expected)).await,
        }
    }

    async fn acquire_lease(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>> {
        let (name, owner, (now, until)) = (name.to_owned(), owner.to_owned(), self.term(ttl));
        self.truth.writer.submit(move |db| lease::acquire(db, &name, &owner, now, until)).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Option<Lease>> {
        let (lease, (_, until)) = (lease.clone(), self.term(ttl));
        self.truth.writer.submit(move |db| lease::renew(db, &lease, until)).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<bool> {
        let lease = lease.clone();
        self.truth.writer.submit_freeing(move |db| lease::release(db, &lease)).await
    }

    async fn replicas(&self, bucket: BucketId) -> Result<Vec<ReplicaRecord>> {
        self.truth.readers.read(move |db| replica::list(db, bucket)).await
    }

    async fn all_replicas(&self) -> Result<Vec<(BucketId, ReplicaRecord)>> {
        self.truth.readers.read(replica::all).await
    }

    async fn add_replica(&self, bucket: BucketId, replica: NewReplica) -> Result<ReplicaRecord> {
        self.truth.writer.submit(move |db| replica::add(db, bucket, &replica)).await
    }

    async fn update_replica(
        &self,
        replica: BucketId,
        expected: Expected,
        change: ReplicaChange,
    ) -> Result<Revision> {
        self.truth.writer.submit(move |db| replica::update(db, replica, expected, change)).await
    }

    async fn renew_replica(&self, replica: BucketId, expected: Expected) -> Result<ReplicaRecord> {
        let renewed = self.truth.writer.submit(move |db| replica::renew(db, replica, expected));
        self.gone.after(&self.index, renewed).await
    }

    async fn replace_bucket(&self, bucket: BucketId, replica: BucketId) -> Result<()> {
        let replaced = self.truth.writer.submit_freeing(move |db| replica::replace(db, bucket, replica));
        self.gone.after(&self.index, async move { Ok(((), replaced.await?)) }).await
    }

    async fn left_locations(&self) -> Result<Vec<LeftLocation>> {
        self.truth.readers.read(replica::left).await
    }

    async fn leave_location(&self, left: LeftLocation) -> Result<()> {
        self.truth.writer.submit(move |db| replica::leave(db, &left)).await
    }

    async fn forget_location(&self, backend: &str, location: &str) -> Result<bool> {
        let (backend, location) = (backend.to_owned(), location.to_owned());
        self.truth.writer.submit_freeing(move |db| replica::forget_left(db, &backend, &location)).await
    }

    fn index_numbered(&self, bucket: BucketId, generation: Generation, change: IndexChange) -> Commit {
        self.submit_changes(bucket, generation, vec![change])
    }

    fn index_all(&self, bucket: BucketId, changes: Vec<IndexChange>) -> Commit {
        self.submit_changes(bucket, Generation::UNNUMBERED, changes)
    }

    fn index_deferred(&self, bucket: BucketId, change: IndexChange, ended: Ended) {
        let apply = self.gone.applying(bucket, Generation::UNNUMBERED, vec![change]);
        self.index.writer.submit_deferred(apply, ended);
    }

    fn hurry(&self) {
        self.index.writer.hurry();
    }

    fn settle(&self) -> Commit {
        self.index.writer.submit(|_| Ok(()))
    }

    fn forget_deletions(&self, bucket: BucketId, up_to: Generation) -> Commit {
        self.index.writer.submit_freeing(move |db| index::forget_deletions(db, bucket, up_to))
    }

    async fn list(&self, bucket: BucketId, request: ListRequest) -> Result<ListPage> {
        if self.gone.contains(bucket) {
            return Ok(ListPage::default());
        }
        self.index.readers.read(move |db| listing::objects(db, bucket, &request)).await
    }

    async fn index_rows(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
    ) -> Result<Vec<IndexRow>> {
        if self.gone.contains(bucket) {
            return Ok(Vec::new());
        }
        self.index.readers.read(move |db| index::rows(db, bucket, after.as_ref(), limit)).await
    }

    async fn index_versions(
        &self,
        bucket: BucketId,
        after: Option<(ObjectKey, u64)>,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        if self.gone.contains(bucket) {
            return Ok(Vec::new());
        }
        self.index.readers.read(move |db| index::versions(db, bucket, after.as_ref(), limit)).await
    }

    async fn index_lookup(&self, bucket: BucketId, keys: Vec<ObjectKey>) -> Result<Vec<Option<IndexRow>>> {
        if self.gone.contains(bucket) {
            return Ok(vec![None; keys.len()]);
        }
        self.index.readers.read(move |db| index::lookup(db, bucket, &keys)).await
    }

    async fn directories(
        &self,
        bucket: BucketId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<DirectoryRow>> {
        if self.gone.contains(bucket) {
            return Ok(Vec::new());
        }
        self.index.readers.read(move |db| directory::rows(db, bucket, after.as_deref(), limit)).await
    }

    async fn directory_lookup(&self, bucket: BucketId, paths: Vec<String>) -> Result<Vec<Option<Vec<u8>>>> {
        if self.gone.contains(bucket) {
            return Ok(vec![None; paths.len()]);
        }
        self.index.readers.read(move |db| directory::lookup(db, bucket, &paths)).await
    }

    async fn set_directories(
        &self,
        bucket: BucketId,
        seen: Vec<DirectoryRow>,
        gone: Vec<String>,
    ) -> Result<()> {
        let deleted = self.gone.clone();
        let change = move |db: &_| {
            if deleted.contains(bucket) { Ok(()) } else { directory::set(db, bucket, &seen, &gone) }
        };
        self.index.writer.submit(change).await
    }

    async fn bucket_sizes(&self, limit: usize) -> Result<BucketSizes> {
        // These are two snapshots: a bucket that was deleted between them is left out by the second.
        let sizes = self.index.readers.read(sizes::all).await?;
        self.truth.readers.read(move |db| bucket::largest(db, &sizes, limit)).await
    }

    async fn state(&self, bucket: BucketId, name: &str) -> Result<Option<String>> {
        if self.gone.contains(bucket) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.index.readers.read(move |db| index::state(db, bucket, &name)).await
    }

    async fn set_state(&self, bucket: BucketId, name: &str, value: Option<String>) -> Result<()> {
        let (name, gone) = (name.to_owned(), self.gone.clone());
        let change = move |db: &_| {
            if gone.contains(bucket) { Ok(()) } else { index::set_state(db, bucket, &name, value.as_deref()) }
        };
        self.index.writer.submit(change).await
    }

    async fn object(&self, bucket: BucketId, key: &ObjectKey) -> Result<Option<StoredObject>> {
        let key = key.clone();
        self.truth.readers.read(move |db| object::find(db, bucket, &key)).await
    }

    async fn set_object(&self, bucket: BucketId, expected: Expected, row: ObjectRow) -> Result<Revision> {
        if row.is_empty() {
            return self.set_object_to_remove(bucket, expected, row).await;
        }
        self.truth.writer.submit(move |db| object::set(db, bucket, expected, &row)).await
    }

    async fn set_object_to_remove(
        &self,
        bucket: BucketId,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        self.truth.writer.submit_freeing(move |db| object::set(db, bucket, expected, &row)).await
    }

    async fn object_versions(&self, bucket: BucketId, key: &ObjectKey) -> Result<Vec<ObjectVersion>> {
        let key = key.clone();
        self.truth.readers.read(move |db| object::versions(db, bucket, &key)).await
    }

    async fn set_object_version(
        &self,
        bucket: BucketId,
        order: u64,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        let frees = row.is_empty();
        let change = move |db: &_| object::set_version(db, bucket, order, expected, &row);
        if frees {
            self.truth.writer.submit_freeing(change).await
        } else {
            self.truth.writer.submit(change).await
        }
    }

    async fn objects(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
        which: WhichObjects,
    ) -> Result<Vec<ObjectRow>> {
        let unsettled = which == WhichObjects::Unsettled;
        self.truth.readers.read(move |db| object::rows(db, bucket, after.as_ref(), limit, unsettled)).await
    }

    async fn begin_upload(&self, upload: UploadRecord) -> Result<()> {
        self.truth.writer.submit(move |db| upload::begin(db, &upload)).await
    }

    async fn upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<UploadRecord>> {
        let upload = upload.clone();
        self.truth.readers.read(move |db| upload::find(db, bucket, &upload)).await
    }

    async fn list_uploads(&self, bucket: BucketId, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.truth.readers.read(move |db| listing::uploads(db, bucket, &request)).await
    }

    async fn put_part(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        part: PartRecord,
    ) -> Result<Option<PartRecord>> {
        let upload = upload.clone();
        self.truth.writer.submit(move |db| upload::put_part(db, bucket, &upload, &part)).await
    }

    async fn parts(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRecord>> {
        let upload = upload.clone();
        self.truth.readers.read(move |db| upload::parts(db, bucket, &upload, after, limit)).await
    }

    async fn finish_upload(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        completed: CompletedUpload,
    ) -> Result<()> {
        let upload = upload.clone();
        self.truth.writer.submit_freeing(move |db| upload::finish(db, bucket, &upload, &completed)).await
    }

    async fn completed_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<CompletedUpload>> {
        let upload = upload.clone();
        self.truth.readers.read(move |db| upload::completed(db, bucket, &upload)).await
    }

    async fn abort_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<bool> {
        let upload = upload.clone();
        self.truth.writer.submit_freeing(move |db| upload::end(db, bucket, &upload)).await
    }

    async fn stale_uploads(&self, before: Timestamp, limit: usize) -> Result<Vec<UploadRecord>> {
        self.truth.readers.read(move |db| upload::stale(db, before, limit)).await
    }

    async fn forget_completed(&self, before: Timestamp) -> Result<()> {
        self.truth.writer.submit_freeing_steps(move |db| upload::forget(db, before)).await
    }

    async fn close(&self) -> Result<()> {
        // Readers are closed first: a checkpoint cannot empty a log that a connection reads from.
        self.index.readers.close().await;
        self.truth.readers.close().await;
        let (index, truth) = (self.index.writer.close(), self.truth.writer.close());
        index.await.and(truth.await)
    }
}
