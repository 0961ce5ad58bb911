//! A catalog in memory that keeps the contract without files and threads, so that a test with a held clock
//! decides the order of all events.
//!
//! A [`Ledger`] outlives processes, and a [`LedgerCatalog`] is one process that has it open. Changes wait in
//! a queue, like those of the embedded catalog: they are committed some time after the call, in their order.
//! Those that a killed process had not committed are lost.

mod shared;
mod state;

use async_trait::async_trait;
use causeway::{
    catalog::{
        BackendLocation, BucketChange, BucketId, BucketRecord, BucketSizes, BucketsPage, BucketsQuery,
        Catalog, CatalogError, CatalogErrorKind, Clock, Commit, CompletedUpload, DirectoryRow, Document,
        Documents, Ended, Expected, Generation, IamChange, IamDocuments, Identities, IndexChange, IndexRow,
        KeyUse, Lease, LeftLocation, NewBucket, NewDocument, NewIdentity, NewReplica, ObjectRow,
        ObjectVersion, PartRecord, ReplicaChange, ReplicaRecord, Result, Revision, StoredObject,
        UploadRecord, VersionRow, WhichObjects,
    },
    model::{AccessKey, BucketName, ObjectKey, TenantId, Timestamp, UploadId},
    store::{ListPage, ListRequest, ListUploadsRequest, UploadsPage},
};
use futures_util::future::BoxFuture;
use state::State;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Maximum number of changes that are committed together.
const BATCH: usize = 64;

/// Returns the duration of a step, at each call.
pub type Pause = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The state that outlives a process.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<State>>);

type Change = Box<dyn FnOnce(&mut State) + Send>;
type Queue = mpsc::UnboundedSender<Change>;

pub struct LedgerCatalog {
    ledger: Ledger,
    pause: Pause,
    /// Once this is cancelled, the process is killed: none of its changes are committed, and none of its
    /// calls return.
    killed: CancellationToken,
    closed: AtomicBool,
    truth: Queue,
    index: Queue,
    clock: Clock,
    calls: AtomicU64,
    deferred: TaskTracker,
    over: CancellationToken,
}

impl fmt::Debug for LedgerCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerCatalog").finish_non_exhaustive()
    }
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LedgerCatalog {
    /// Must be called within a runtime. `killed` ends the catalog at once; `pause` is the duration of a read
    /// or commit, and `lag` that of a commit of the index.
    pub fn open(ledger: Ledger, killed: CancellationToken, pause: Pause, lag: Pause) -> Self {
        let queue = |pause: &Pause| {
            let (queue, changes) = mpsc::unbounded_channel();
            tokio::spawn(commit(ledger.clone(), killed.clone(), pause.clone(), changes));
            queue
        };
        Self {
            truth: queue(&pause),
            index: queue(&lag),
            closed: AtomicBool::new(false),
            ledger,
            pause,
            killed,
            clock: Clock::default(),
            calls: AtomicU64::new(0),
            deferred: TaskTracker::new(),
            over: CancellationToken::new(),
        }
    }

    /// Ends the life of a killed process. Nobody is told before that a deferred change was lost, and then not that
    /// it was: a killed process does nothing any more, and gives nothing back.
    #[allow(dead_code)] // Not every binary kills.
    pub async fn kill(&self) {
        self.killed.cancel();
        self.over.cancel();
        self.deferred.close();
        self.deferred.wait().await;
    }

    /// The number of reads and changes so far.
    #[allow(dead_code)] // Not every binary counts.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The same catalog, with another clock for its leases.
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Enqueues a change at once; the returned future resolves when it is committed.
    fn submit<T: Send + 'static>(
        &self,
        queue: &Queue,
        change: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        let is_open = !self.closed.load(Ordering::Relaxed);
        let submitted = is_open
            && queue
                .send(Box::new(move |state: &mut State| {
                    let _ = tell.send(change(state));
                }))
                .is_ok();
        let killed = self.killed.clone();
        Box::pin(async move {
            match told.await {
                Ok(outcome) if submitted => outcome,
                _ if killed.is_cancelled() => std::future::pending().await,
                _ => Err(closed()),
            }
        })
    }

    async fn read<T>(&self, read: impl FnOnce(&State) -> T + Send) -> Result<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let pause = (self.pause)();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if self.killed.is_cancelled() {
            return std::future::pending().await;
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(closed());
        }
        Ok(read(&self.ledger.state()))
    }
}

/// Commits the changes of a queue, several at a time.
async fn commit(
    ledger: Ledger,
    killed: CancellationToken,
    pause: Pause,
    mut changes: mpsc::UnboundedReceiver<Change>,
) {
    let all = async {
        let mut batch = Vec::new();
        while changes.recv_many(&mut batch, BATCH).await > 0 {
            let pause = pause();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            batch.drain(..).for_each(|change| change(&mut ledger.state()));
        }
    };
    tokio::select! {
        biased;
        () = killed.cancelled() => {}
        () = all => {}
    }
}

fn closed() -> CatalogError {
    CatalogError::new(CatalogErrorKind::Closed, "it is closed")
}

#[async_trait]
impl Catalog for LedgerCatalog {
    async fn create_bucket_apart(
        &self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
        apart: Vec<BackendLocation>,
    ) -> Result<BucketRecord> {
        self.submit(&self.truth, move |state| state.create_bucket(bucket, documents, &apart)).await
    }

    async fn bucket_of(&self, tenant: &TenantId, name: &BucketName) -> Result<Option<BucketRecord>> {
        self.read(|state| state.bucket(tenant, name)).await
    }

    async fn buckets(&self, query: BucketsQuery) -> Result<BucketsPage> {
        self.read(|state| state.buckets(&query)).await
    }

    async fn update_bucket(
        &self,
        bucket: BucketId,
        expected: Expected,
        change: BucketChange,
    ) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.update_bucket(bucket, expected, change)).await
    }

    async fn delete_bucket(&self, bucket: BucketId) -> Result<()> {
        self.submit(&self.truth, move |state| {
            state.delete_bucket(bucket);
            Ok(())
        })
        .await
    }

    async fn documents_revision(&self, bucket: BucketId) -> Result<Option<Revision>> {
        self.read(|state| state.documents(bucket).map(|documents| documents.revision)).await
    }

    async fn documents(&self, bucket: BucketId) -> Result<Option<Documents>> {
        self.read(|state| state.documents(bucket)).await
    }

    async fn document(&self, bucket: BucketId, kind: &str) -> Result<Option<Document>> {
        self.read(|state| state.document(bucket, kind)).await
    }

    async fn set_document(
        &self,
        bucket: BucketId,
        expected: Expected,
        document: NewDocument,
    ) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.set_document(bucket, expected, document)).await
    }

    async fn delete_document(
        &self,
        bucket: BucketId,
        kind: &str,
        expected: Expected,
    ) -> Result<Option<Revision>> {
        let kind = kind.to_owned();
        self.submit(&self.truth, move |state| state.delete_document(bucket, &kind, expected)).await
    }

    async fn identities_revision(&self) -> Result<Revision> {
        self.read(|state| state.shared.identities().revision).await
    }

    async fn identities(&self) -> Result<Identities> {
        self.read(|state| state.shared.identities()).await
    }

    async fn set_identity(&self, identity: NewIdentity, expected: Expected) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.shared.set_identity(identity, expected)).await
    }

    async fn remove_identity(&self, access_key: &AccessKey, expected: Expected) -> Result<bool> {
        let access_key = access_key.clone();
        self.submit(&self.truth, move |state| state.shared.remove_identity(&access_key, expected)).await
    }

    async fn key_uses(&self) -> Result<Vec<KeyUse>> {
        self.read(|state| state.shared.key_uses()).await
    }

    async fn set_key_uses(&self, uses: Vec<KeyUse>, gone: Vec<String>) -> Result<()> {
        self.submit(&self.truth, move |state| state.shared.set_key_uses(uses, gone)).await
    }

    async fn iam(&self) -> Result<IamDocuments> {
        self.read(|state| state.shared.iam()).await
    }

    async fn change_iam(&self, changes: Vec<IamChange>, expected: Expected) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.shared.change_iam(changes, expected)).await
    }

    async fn acquire_lease(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Lease>> {
        let (name, owner, now) = (name.to_owned(), owner.to_owned(), self.clock.now());
        self.submit(&self.truth, move |state| Ok(state.shared.acquire_lease(name, owner, now, ttl))).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Option<Lease>> {
        let (lease, now) = (lease.clone(), self.clock.now());
        self.submit(&self.truth, move |state| Ok(state.shared.renew_lease(&lease, now, ttl))).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<bool> {
        let lease = lease.clone();
        self.submit(&self.truth, move |state| Ok(state.shared.release_lease(&lease))).await
    }

    async fn all_replicas(&self) -> Result<Vec<(BucketId, ReplicaRecord)>> {
        self.read(|state| state.all_replicas()).await
    }

    async fn replicas(&self, bucket: BucketId) -> Result<Vec<ReplicaRecord>> {
        self.read(|state| state.replicas(bucket)).await
    }

    async fn add_replica(&self, bucket: BucketId, replica: NewReplica) -> Result<ReplicaRecord> {
        self.submit(&self.truth, move |state| state.add_replica(bucket, replica)).await
    }

    async fn update_replica(
        &self,
        replica: BucketId,
        expected: Expected,
        change: ReplicaChange,
    ) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.update_replica(replica, expected, change)).await
    }

    async fn renew_replica(&self, replica: BucketId, expected: Expected) -> Result<ReplicaRecord> {
        self.submit(&self.truth, move |state| state.renew_replica(replica, expected)).await
    }

    async fn replace_bucket(&self, bucket: BucketId, replica: BucketId) -> Result<()> {
        self.submit(&self.truth, move |state| state.replace_bucket(bucket, replica)).await
    }

    async fn left_locations(&self) -> Result<Vec<LeftLocation>> {
        self.read(State::left_locations).await
    }

    async fn leave_location(&self, left: LeftLocation) -> Result<()> {
        self.submit(&self.truth, move |state| {
            state.leave_location(left);
            Ok(())
        })
        .await
    }

    async fn forget_location(&self, backend: &str, location: &str) -> Result<bool> {
        let at = (backend.to_owned(), location.to_owned());
        self.submit(&self.truth, move |state| Ok(state.forget_location(at))).await
    }

    fn index_numbered(&self, bucket: BucketId, generation: Generation, change: IndexChange) -> Commit {
        self.submit(&self.index, move |state| {
            state.index(bucket, generation, change);
            Ok(())
        })
    }

    fn index_all(&self, bucket: BucketId, changes: Vec<IndexChange>) -> Commit {
        self.submit(&self.index, move |state| {
            changes.into_iter().for_each(|change| state.index(bucket, Generation::UNNUMBERED, change));
            Ok(())
        })
    }

    fn index_deferred(&self, bucket: BucketId, change: IndexChange, ended: Ended) {
        let (commit, over) = (self.index(bucket, change), self.over.clone());
        self.deferred.spawn(async move {
            tokio::select! {
                biased;
                committed = commit => ended(committed),
                // See `kill`.
                () = over.cancelled() => ended(Ok(())),
            }
        });
    }

    fn forget_deletions(&self, bucket: BucketId, up_to: Generation) -> Commit {
        self.submit(&self.index, move |state| {
            state.forget_deletions(bucket, up_to);
            Ok(())
        })
    }

    async fn list(&self, bucket: BucketId, request: ListRequest) -> Result<ListPage> {
        self.read(|state| state.list(bucket, &request)).await
    }

    async fn index_rows(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
    ) -> Result<Vec<IndexRow>> {
        self.read(|state| state.index_rows(bucket, after.as_ref(), limit)).await
    }

    async fn index_versions(
        &self,
        bucket: BucketId,
        after: Option<(ObjectKey, u64)>,
        limit: usize,
    ) -> Result<Vec<VersionRow>> {
        self.read(|state| state.index_versions(bucket, after.as_ref(), limit)).await
    }

    async fn index_lookup(&self, bucket: BucketId, keys: Vec<ObjectKey>) -> Result<Vec<Option<IndexRow>>> {
        self.read(|state| state.index_lookup(bucket, &keys)).await
    }

    async fn directories(
        &self,
        bucket: BucketId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<DirectoryRow>> {
        self.read(|state| state.directories(bucket, after, limit)).await
    }

    async fn directory_lookup(&self, bucket: BucketId, paths: Vec<String>) -> Result<Vec<Option<Vec<u8>>>> {
        self.read(|state| state.directory_lookup(bucket, &paths)).await
    }

    async fn set_directories(
        &self,
        bucket: BucketId,
        seen: Vec<DirectoryRow>,
        gone: Vec<String>,
    ) -> Result<()> {
        self.submit(&self.index, move |state| {
            state.set_directories(bucket, seen, gone);
            Ok(())
        })
        .await
    }

    async fn bucket_sizes(&self, limit: usize) -> Result<BucketSizes> {
        self.read(|state| state.bucket_sizes(limit)).await
    }

    async fn state(&self, bucket: BucketId, name: &str) -> Result<Option<String>> {
        self.read(|state| state.fact(bucket, name)).await
    }

    async fn set_state(&self, bucket: BucketId, name: &str, value: Option<String>) -> Result<()> {
        let name = name.to_owned();
        self.submit(&self.index, move |state| {
            state.set_fact(bucket, name, value);
            Ok(())
        })
        .await
    }

    async fn object(&self, bucket: BucketId, key: &ObjectKey) -> Result<Option<StoredObject>> {
        self.read(|state| state.object(bucket, key)).await
    }

    async fn set_object(&self, bucket: BucketId, expected: Expected, row: ObjectRow) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.set_object(bucket, None, expected, row)).await
    }

    async fn object_versions(&self, bucket: BucketId, key: &ObjectKey) -> Result<Vec<ObjectVersion>> {
        self.read(|state| state.object_versions(bucket, key)).await
    }

    async fn set_object_version(
        &self,
        bucket: BucketId,
        order: u64,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        self.submit(&self.truth, move |state| state.set_object(bucket, Some(order), expected, row)).await
    }

    async fn objects(
        &self,
        bucket: BucketId,
        after: Option<ObjectKey>,
        limit: usize,
        which: WhichObjects,
    ) -> Result<Vec<ObjectRow>> {
        self.read(|state| state.objects(bucket, after.as_ref(), limit, which)).await
    }

    async fn begin_upload(&self, upload: UploadRecord) -> Result<()> {
        self.submit(&self.truth, move |state| state.begin_upload(upload)).await
    }

    async fn upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<UploadRecord>> {
        self.read(|state| state.upload(bucket, upload)).await
    }

    async fn list_uploads(&self, bucket: BucketId, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.read(|state| state.list_uploads(bucket, &request)).await
    }

    async fn put_part(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        part: PartRecord,
    ) -> Result<Option<PartRecord>> {
        let upload = upload.clone();
        self.submit(&self.truth, move |state| state.put_part(bucket, upload, part)).await
    }

    async fn parts(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRecord>> {
        self.read(|state| state.parts(bucket, upload, after, limit)).await
    }

    async fn finish_upload(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        completed: CompletedUpload,
    ) -> Result<()> {
        let upload = upload.clone();
        self.submit(&self.truth, move |state| state.finish_upload(bucket, upload, completed)).await
    }

    async fn completed_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<Option<CompletedUpload>> {
        self.read(|state| state.completed_upload(bucket, upload)).await
    }

    async fn abort_upload(&self, bucket: BucketId, upload: &UploadId) -> Result<bool> {
        let upload = upload.clone();
        self.submit(&self.truth, move |state| Ok(state.end_upload(bucket, upload))).await
    }

    async fn stale_uploads(&self, before: Timestamp, limit: usize) -> Result<Vec<UploadRecord>> {
        self.read(|state| state.stale_uploads(before, limit)).await
    }

    async fn forget_completed(&self, before: Timestamp) -> Result<()> {
        self.submit(&self.truth, move |state| {
            state.forget_completed(before);
            Ok(())
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let (index, truth) = (self.submit(&self.index, |_| Ok(())), self.submit(&self.truth, |_| Ok(())));
        self.closed.store(true, Ordering::Relaxed);
        index.await.and(truth.await)
    }
}
