//! A storage in memory that lacks some of S3's guarantees, takes its time, and may still execute a call when
//! its caller is gone.
//!
//! A [`Storage`] outlives gateways. A [`Reached`] is the connection of one gateway to it and ends when that
//! gateway is killed: from then on, no call is sent or answered. Times are those of the clock that the test
//! holds.

use super::dice::Dice;
use async_trait::async_trait;
use causeway::{
    backend::{Backend, OpenedBucket, locks::Locks, memory::MemoryBackend},
    catalog::BucketRecord,
    model::{BucketName, ETag, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, Deleted, GetReply, GetRequest, Guarantee, Keeping,
        Layer, ListEntry, ListPage, ListRequest, ListUploadsRequest, PartWritten, PartsPage, PutRequest,
        Result, Store, UploadsPage, Written,
        condition::{Current, ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::{Announced, AnnouncedChecksum, Payload},
    },
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A guarantee that a storage does not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    Nothing,
    ConditionalPut,
    ConditionalDelete,
    ConditionalComplete,
    /// ETags are not MD5s.
    Md5,
    Tags,
    /// The storage lacks all of these guarantees.
    Everything,
}

pub const LACKS: [Lack; 7] = [
    Lack::Nothing,
    Lack::ConditionalPut,
    Lack::ConditionalDelete,
    Lack::ConditionalComplete,
    Lack::Md5,
    Lack::Tags,
    Lack::Everything,
];

#[derive(Debug)]
pub struct Storage {
    memory: MemoryBackend,
    lack: Lack,
    dice: Dice,
    begun: Instant,
    /// Maximum duration of a call, in ms.
    slowness: AtomicU64,
    shown: Mutex<Shown>,
    /// The storage checks conditions that come with the end of a body.
    is_told_late: bool,
    /// Locks of keys, as in drivers that make a change in several steps: each read or change of a key holds
    /// the key's lock.
    locks: Option<Arc<Locks<ObjectKey>>>,
}

/// What the storage reports of objects, where that differs from the memory.
#[derive(Debug, Default)]
struct Shown {
    written: u64,
    objects: BTreeMap<ObjectKey, (ETag, Timestamp)>,
    completed: BTreeMap<UploadId, Written>,
}

impl Storage {
    /// Must be called within a runtime whose clock is held.
    pub fn new(lack: Lack, dice: Dice) -> Self {
        let (begun, slowness) = (Instant::now(), AtomicU64::new(QUICK.as_millis() as u64));
        let (locks, is_told_late) = (dice.of(1).one_in(2).then(Arc::default), dice.of(2).one_in(2));
        Self {
            memory: MemoryBackend::new(),
            lack,
            dice,
            begun,
            slowness,
            shown: Mutex::default(),
            is_told_late,
            locks,
        }
    }

    /// Sets the maximum duration of a call.
    pub fn slow_down(&self, to: Duration) {
        self.slowness.store(to.as_millis() as u64, Ordering::Relaxed);
    }

    pub fn lack(&self) -> Lack {
        self.lack
    }

    /// Replaces the bytes by others of the same length and keeps the ETag. Returns whether there were any.
    pub async fn rot(&self, bucket: &BucketRecord, key: &ObjectKey) -> Result<bool> {
        let below = self.memory.open(bucket).await?.store;
        let Ok(reply) = below.get(key.current(), Default::default()).await else { return Ok(false) };
        let attributes = reply.info.attributes.clone();
        let mut bytes = crate::client::collect(reply).await?;
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
        below
            .put(
                key,
                PutRequest {
                    attributes,
                    conditions: Default::default(),
                    payload: Payload::from_bytes(bytes),
                },
            )
            .await?;
        Ok(true)
    }

    /// Removes an object.
    pub async fn lose(&self, bucket: &BucketRecord, key: &ObjectKey) -> Result<()> {
        self.shown().objects.remove(key);
        self.memory.open(bucket).await?.store.delete(key.current(), &Default::default()).await.map(drop)
    }

    fn lacks(&self, what: Lack) -> bool {
        self.lack == what || self.lack == Lack::Everything
    }

    fn pause(&self) -> Duration {
        self.dice.pause(Duration::from_millis(self.slowness.load(Ordering::Relaxed)))
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn info(&self, key: &ObjectKey, info: ObjectInfo) -> ObjectInfo {
        match self.shown().objects.get(key) {
            Some((etag, last_modified)) => {
                ObjectInfo { etag: etag.clone(), last_modified: *last_modified, ..info }
            }
            None => info,
        }
    }

    /// Checks conditions at the moment at which a change takes effect: nothing is awaited between this and
    /// the change.
    fn check(&self, key: &ObjectKey, conditions: &WriteConditions, size: Option<u64>) -> Result<()> {
        let shown = self.shown();
        let current = shown.objects.get(key).zip(size);
        let current = current.map(|((etag, last_modified), size)| Current {
            etag,
            size,
            last_modified: *last_modified,
        });
        Ok(conditions.check(current)?)
    }

    /// Records the ETag and the time under which a new object is reported.
    fn show(&self, key: &ObjectKey, written: Written) -> Written {
        let mut shown = self.shown();
        shown.written += 1;
        let etag = if self.lacks(Lack::Md5) {
            ETag::opaque(format!("version-{}", shown.written))
        } else {
            written.etag
        };
        // The time is in 2026.
        let last_modified =
            Timestamp::from_millis(1_770_000_000_000 + self.begun.elapsed().as_millis() as i64);
        shown.objects.insert(key.clone(), (etag.clone(), last_modified));
        Written { etag, last_modified, ..written }
    }
}

/// Maximum duration of a call where nothing is slow.
pub const QUICK: Duration = Duration::from_millis(20);

/// The connection of one gateway to a storage.
#[derive(Debug, Clone)]
pub struct Reached {
    pub storage: Arc<Storage>,
    pub killed: CancellationToken,
}

#[async_trait]
impl Backend for Reached {
    fn capabilities(&self) -> Capabilities {
        let guarantee = |lack| if self.storage.lacks(lack) { Guarantee::Refused } else { Guarantee::Native };
        let tags = if self.storage.lacks(Lack::Tags) { Keeping::NotKept } else { Keeping::Kept };
        Capabilities {
            conditional_writes: guarantee(Lack::ConditionalPut),
            conditional_deletes: guarantee(Lack::ConditionalDelete),
            conditional_completes: guarantee(Lack::ConditionalComplete),
            tags,
            late_conditions: self.storage.is_told_late,
            ..self.storage.memory.capabilities()
        }
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.storage.memory.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let opened = self.storage.memory.open(bucket).await?;
        Ok(opened.behind(|below| Arc::new(Opened { reached: self.clone(), below })))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        self.asked(None, self.storage.memory.remove(bucket)).await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        self.storage.memory.discover().await
    }
}

impl Reached {
    async fn alive(&self) {
        if self.killed.is_cancelled() {
            std::future::pending().await
        }
    }

    /// A call that only reads: it takes a while, and is answered while its gateway runs.
    async fn asked<T>(
        &self,
        key: Option<&ObjectKey>,
        question: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.alive().await;
        // The caller holds the lock: until the caller polls this again, no other call reaches the key.
        let _lock = match (&self.storage.locks, key) {
            (Some(locks), Some(key)) => Some(locks.lock(key).await),
            _ => None,
        };
        sleep(self.storage.pause()).await;
        self.alive().await;
        question.await
    }

    /// A call that changes something. It takes effect some time after the request, and is answered some time
    /// after that. If the caller gives up, the change happens or not, as the dice decide.
    async fn done<T: Send + 'static>(
        &self,
        key: &ObjectKey,
        deed: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.alive().await;
        let (before, after, goes_on) =
            (self.storage.pause(), self.storage.pause(), self.storage.dice.one_in(2));
        let (locks, key) = (self.storage.locks.clone(), key.clone());
        let mut task = tokio::spawn(async move {
            let _lock = match &locks {
                Some(locks) => Some(locks.lock(&key).await),
                None => None,
            };
            sleep(before).await;
            deed.await
        });
        let given_up = GivenUp { task: task.abort_handle(), goes_on };
        let outcome = tokio::select! {
            biased;
            () = self.killed.cancelled() => {
                drop(given_up);
                std::future::pending().await
            }
            outcome = &mut task => outcome,
        };
        sleep(after).await;
        self.alive().await;
        outcome.unwrap_or_else(|error| {
            Err(StoreError::new(StoreErrorKind::Internal, "a deed was cut short").with_source(error))
        })
    }

    /// The whole body, while its sender is there, and the conditions that count for it.
    async fn received(
        &self,
        mut payload: Payload,
        begun_with: WriteConditions,
    ) -> Result<(Payload, WriteConditions)> {
        let receive = async {
            let checksum =
                payload.checksum_algorithm().map_or(AnnouncedChecksum::None, AnnouncedChecksum::Algorithm);
            let mut digests = payload.digests(None);
            let frames = payload.read(usize::MAX).await?.unwrap_or_default();
            frames.iter().for_each(|frame| digests.update(frame));
            let arrived = payload.check(digests)?;
            let announced = Announced { length: Some(arrived.size), checksum, ..Default::default() };
            let payload =
                Payload::from_stream(futures_util::stream::iter(frames.into_iter().map(Ok)), announced);
            Ok((payload, arrived.conditions.unwrap_or(begun_with)))
        };
        tokio::select! {
            biased;
            () = self.killed.cancelled() => std::future::pending().await,
            received = receive => received,
        }
    }

    fn takes(&self, conditions: &WriteConditions, lack: Lack) -> Result<()> {
        let is_possible = conditions.is_empty() || !self.storage.lacks(lack);
        if is_possible { Ok(()) } else { Err(StoreErrorKind::NotImplemented.into()) }
    }
}

/// Decides, when the caller gives up, whether the change still happens.
struct GivenUp {
    task: tokio::task::AbortHandle,
    goes_on: bool,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if !self.goes_on {
            self.task.abort();
        }
    }
}

#[derive(Debug, Clone)]
struct Opened {
    reached: Reached,
    below: Arc<dyn Store>,
}

impl Opened {
    fn storage(&self) -> &Arc<Storage> {
        &self.reached.storage
    }

    async fn size(&self, key: &ObjectKey) -> Option<u64> {
        self.below.head(key.current(), &Default::default()).await.ok().map(|info| info.size)
    }
}

impl Layer for Opened {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn capabilities(&self) -> Capabilities {
        self.reached.capabilities()
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(self.reached.capabilities())
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let key = address.unversioned()?;
        let head = async {
            let info = self.storage().info(key, self.below.head(key.current(), &Default::default()).await?);
            conditions.check(&info.etag, info.last_modified)?;
            Ok(info)
        };
        self.reached.asked(Some(key), head).await
    }

    /// The HEAD of this storage contains everything.
    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        Layer::head(self, address, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let key = address.unversioned()?;
        let get = async {
            let reply = self
                .below
                .get(key.current(), GetRequest { selection: request.selection, ..Default::default() })
                .await?;
            let info = self.storage().info(key, reply.info);
            request.conditions.check(&info.etag, info.last_modified)?;
            Ok(GetReply { info, ..reply })
        };
        self.reached.asked(Some(key), get).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        if !request.attributes.tags.is_empty() && self.storage().lacks(Lack::Tags) {
            return Err(StoreErrorKind::NotImplemented.into());
        }
        let PutRequest { attributes, conditions, payload } = request;
        let (payload, conditions) = self.reached.received(payload, conditions).await?;
        self.reached.takes(&conditions, Lack::ConditionalPut)?;
        let (own, at, key) = (self.clone(), key, key.clone());
        let put = async move {
            own.storage().check(&key, &conditions, own.size(&key).await)?;
            let written = own
                .below
                .put(&key, PutRequest { attributes, conditions: Default::default(), payload })
                .await?;
            Ok(own.storage().show(&key, written))
        };
        self.reached.done(at, put).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let key = address.unversioned()?;
        self.reached.takes(conditions, Lack::ConditionalDelete)?;
        let (own, at, key, conditions) = (self.clone(), key, key.clone(), conditions.clone());
        let delete = async move {
            own.storage().check(&key, &conditions, own.size(&key).await)?;
            let deleted = own.below.delete(key.current(), &Default::default()).await?;
            own.storage().shown().objects.remove(&key);
            Ok(deleted)
        };
        self.reached.done(at, delete).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let key = address.unversioned()?;
        if matches!(change, Change::Tags(_)) && self.storage().lacks(Lack::Tags) {
            return Err(StoreErrorKind::NotImplemented.into());
        }
        let (own, at, key) = (self.clone(), key, key.clone());
        self.reached.done(at, async move { own.below.update(key.current(), change).await }).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let list = async {
            let mut page = self.below.list(request).await?;
            for entry in &mut page.entries {
                if let ListEntry::Object(object) = entry
                    && let Some((etag, last_modified)) = self.storage().shown().objects.get(&object.key)
                {
                    (object.etag, object.last_modified) = (etag.clone(), *last_modified);
                }
            }
            Ok(page)
        };
        self.reached.asked(None, list).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        if !request.attributes.tags.is_empty() && self.storage().lacks(Lack::Tags) {
            return Err(StoreErrorKind::NotImplemented.into());
        }
        let (own, at, key) = (self.clone(), key, key.clone());
        self.reached.done(at, async move { own.below.begin_upload(&key, request).await }).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let (payload, _) = self.reached.received(payload, WriteConditions::default()).await?;
        let (own, at, key, upload) = (self.clone(), key, key.clone(), upload.clone());
        self.reached.done(at, async move { own.below.put_part(&key, &upload, number, payload).await }).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        self.reached.asked(None, self.below.list_parts(key, upload, after, limit)).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        self.reached.takes(&request.conditions, Lack::ConditionalComplete)?;
        let (own, at, key, upload) = (self.clone(), key, key.clone(), upload.clone());
        let complete = async move {
            if let Some(written) = own.storage().shown().completed.get(&upload) {
                return Ok(written.clone());
            }
            own.storage().check(&key, &request.conditions, own.size(&key).await)?;
            let request = CompleteUpload { conditions: Default::default(), ..request };
            let written = own.below.complete_upload(&key, &upload, request).await?;
            let written = own.storage().show(&key, written);
            own.storage().shown().completed.insert(upload, written.clone());
            Ok(written)
        };
        self.reached.done(at, complete).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let (own, at, key, upload) = (self.clone(), key, key.clone(), upload.clone());
        self.reached.done(at, async move { own.below.abort_upload(&key, &upload).await }).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.reached.asked(None, self.below.list_uploads(request)).await
    }
}
