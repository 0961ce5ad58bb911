//! A storage that counts its requests, and that waits and fails on demand.

use async_trait::async_trait;
use bytes::Bytes;
use causeway::{
    backend::{Backend, Depth, OpenedBucket, Progress, Upkeep, memory::MemoryBackend},
    cache::{CachedBackend, DataCache, DataSettings, Freshness, MetadataCache},
    catalog::{BucketId, BucketRecord, NewBucket},
    model::{BucketName, ObjectAddress, ObjectInfo, ObjectKey, Owner, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest,
        Deleted, GetReply, GetRequest, Layer, ListPage, ListRequest, ListUploadsRequest, NativeSource,
        ObjectBody, PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Semaphore, oneshot};

/// The moment of a call at which it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The call has done nothing yet.
    Before,
    /// The call is done, and not answered yet.
    After,
}

#[derive(Debug)]
struct Gate {
    call: &'static str,
    side: Side,
    reached: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// A call that waits, or is going to wait.
#[derive(Debug)]
pub struct Held {
    reached: Option<oneshot::Receiver<()>>,
    go_on: oneshot::Sender<()>,
}

impl Held {
    /// Waits until a call has reached this gate.
    pub async fn reached(&mut self) {
        self.reached.take().expect("asked once").await.expect("the call comes");
    }

    pub fn go_on(self) {
        // The call may have been dropped.
        let _ = self.go_on.send(());
    }
}

/// The size of each frame of a body.
pub const FRAME: usize = 64 << 10;

#[derive(Debug)]
pub struct Watch {
    asked: Mutex<BTreeMap<&'static str, usize>>,
    gates: Mutex<Vec<Gate>>,
    failing: Mutex<Option<StoreErrorKind>>,
    /// How many frames of bodies may be sent.
    frames: Arc<Semaphore>,
    torn: Mutex<Option<(usize, Tear)>>,
}

/// How a body ends early.
#[derive(Debug, Clone, Copy)]
pub enum Tear {
    Fails,
    JustEnds,
    /// The driver panics, as a defect would make it.
    Panics,
}

impl Default for Watch {
    fn default() -> Self {
        let frames = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self {
            asked: Mutex::default(),
            gates: Mutex::default(),
            failing: Mutex::default(),
            frames,
            torn: Mutex::default(),
        }
    }
}

impl Watch {
    /// From now on, only frames that `let_frames` allows are sent.
    pub fn hold_frames(&self) {
        self.frames.forget_permits(usize::MAX);
    }

    pub fn let_frames(&self, frames: usize) {
        self.frames.add_permits(frames);
    }

    /// The next body ends after so many frames.
    pub fn tear(&self, frames: usize, how: Tear) {
        *self.torn.lock().expect("no panic") = Some((frames, how));
    }

    /// The body as a stream of frames, each sent on its own.
    async fn framed(&self, body: ObjectBody) -> ObjectBody {
        let mut all = Vec::new();
        match body {
            ObjectBody::Full(bytes) => all.extend_from_slice(&bytes),
            body => {
                let mut stream = body.into_stream();
                while let Some(frame) = stream.next().await {
                    all.extend_from_slice(&frame.expect("memory does not fail"));
                }
            }
        }
        let mut frames: Vec<_> =
            all.chunks(FRAME).map(|frame| Some(Ok(Bytes::copy_from_slice(frame)))).collect();
        if let Some((whole, how)) = self.torn.lock().expect("no panic").take() {
            frames.truncate(whole);
            match how {
                Tear::Fails => frames.push(Some(Err(StoreErrorKind::Unavailable.into()))),
                Tear::JustEnds => {}
                Tear::Panics => frames.push(None),
            }
        }
        let gate = self.frames.clone();
        ObjectBody::Stream(Box::pin(futures_util::stream::iter(frames).then(move |frame| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.expect("is open").forget();
                frame.expect("a panic that a test asked for")
            }
        })))
    }

    /// How often this call was made since `asked` was last called for it.
    pub fn asked(&self, call: &'static str) -> usize {
        self.asked.lock().expect("no panic").remove(call).unwrap_or(0)
    }

    /// The next call of this name waits.
    pub fn hold(&self, call: &'static str, side: Side) -> Held {
        let ((reached, is_reached), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
        self.gates.lock().expect("no panic").push(Gate { call, side, reached, go_on: goes_on });
        Held { reached: Some(is_reached), go_on }
    }

    /// From now on every call fails with this kind; `None` ends that.
    pub fn fail(&self, kind: impl Into<Option<StoreErrorKind>>) {
        *self.failing.lock().expect("no panic") = kind.into();
    }

    async fn enter(&self, call: &'static str) -> Result<()> {
        *self.asked.lock().expect("no panic").entry(call).or_default() += 1;
        self.wait(call, Side::Before).await;
        match *self.failing.lock().expect("no panic") {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    async fn wait(&self, call: &'static str, side: Side) {
        let gate = {
            let mut gates = self.gates.lock().expect("no panic");
            let at = gates.iter().position(|gate| gate.call == call && gate.side == side);
            at.map(|at| gates.remove(at))
        };
        if let Some(gate) = gate {
            // The test may have dropped its end.
            let _ = gate.reached.send(());
            let _ = gate.go_on.await;
        }
    }
}

#[derive(Debug)]
struct WatchedStore {
    below: Arc<dyn Store>,
    watch: Arc<Watch>,
}

/// Calls the store below, unless calls are to fail, and waits at the gates.
macro_rules! watched {
    ($self:ident.$call:ident($($argument:expr),*)) => {{
        $self.watch.enter(stringify!($call)).await?;
        let answer = $self.below.$call($($argument),*).await;
        $self.watch.wait(stringify!($call), Side::After).await;
        answer
    }};
}

impl Layer for WatchedStore {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let mut info = watched!(self.head(address, conditions))?;
        // The head has no tags, like that of storage that keeps tags elsewhere.
        info.attributes.tags = Default::default();
        Ok(info)
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        watched!(self.describe(address, conditions))
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let mut reply = watched!(self.get(address, request))?;
        reply.info.attributes.tags = Default::default();
        reply.body = self.watch.framed(reply.body).await;
        Ok(reply)
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        watched!(self.put(key, request))
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        watched!(self.copy(key, request))
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        watched!(self.delete(address, conditions))
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let count = requests.len();
        let answer = async { Ok(watched!(self.delete_all(requests))) };
        let failed = |error: StoreError| (0..count).map(|_| Err(error.again())).collect();
        answer.await.unwrap_or_else(failed)
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        watched!(self.update(address, change))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        watched!(self.list(request))
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        watched!(self.begin_upload(key, request))
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        watched!(self.put_part(key, upload, number, payload))
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        watched!(self.copy_part(key, upload, number, request))
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        watched!(self.list_parts(key, upload, after, limit))
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        watched!(self.complete_upload(key, upload, request))
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        watched!(self.abort_upload(key, upload))
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        watched!(self.list_uploads(request))
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}

#[derive(Debug)]
struct WatchedBackend {
    below: MemoryBackend,
    watch: Arc<Watch>,
}

#[async_trait]
impl Backend for WatchedBackend {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.below.location_for(name)
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket> {
        let opened = self.below.open(bucket).await?;
        let opened = opened.behind(|below| Arc::new(WatchedStore { below, watch: self.watch.clone() }));
        Ok(OpenedBucket { upkeep: self.watch.clone(), ..opened })
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool> {
        self.below.remove(bucket).await
    }

    async fn discover(&self) -> Result<Vec<BucketName>> {
        self.below.discover().await
    }

    fn tells_changes(&self) -> bool {
        true
    }
}

#[async_trait]
impl Upkeep for Watch {
    async fn maintain(&self) -> Result<()> {
        self.enter("maintain").await
    }

    async fn scan(&self, _depth: Depth, _progress: &Progress) -> Result<bool> {
        self.enter("walk").await.map(|()| true)
    }

    async fn read_changes(&self) -> Result<()> {
        self.enter("follow").await
    }
}

/// A bucket behind a cache.
#[derive(Debug)]
pub struct Bed {
    pub watch: Arc<Watch>,
    /// The store without the cache, as other programs use it.
    pub below: Arc<dyn Store>,
    pub store: Arc<dyn Store>,
    pub upkeep: Arc<dyn Upkeep>,
    pub backend: Arc<dyn Backend>,
    pub cache: Arc<MetadataCache>,
    pub record: BucketRecord,
}

pub const TTL: Duration = Duration::from_secs(60);

impl Bed {
    pub async fn new() -> Self {
        Self::keeping(Freshness { ttl: TTL, stale: None }).await
    }

    pub async fn keeping(freshness: Freshness) -> Self {
        Self::with(Some(freshness), None).await
    }

    /// A bucket behind a cache of bytes only.
    pub async fn of_bytes(settings: DataSettings) -> Self {
        Self::with(None, Some(DataCache::open(settings).expect("opens"))).await
    }

    pub async fn with(freshness: Option<Freshness>, data: Option<Arc<DataCache>>) -> Self {
        let (watch, memory) = (Arc::<Watch>::default(), MemoryBackend::new());
        let record = record("bucket");
        let below = memory.open(&record).await.expect("opens").store;
        let cache = MetadataCache::new(1 << 20);
        let watched = Arc::new(WatchedBackend { below: memory, watch: watch.clone() });
        let backend: Arc<dyn Backend> = Arc::new(CachedBackend::new(
            watched,
            "nas",
            freshness.map(|freshness| (cache.clone(), freshness)),
            data,
        ));
        let OpenedBucket { store, upkeep, .. } = backend.open(&record).await.expect("opens");
        Self { watch, below, store, upkeep, backend, cache, record }
    }
}

pub fn record(name: &str) -> BucketRecord {
    let name = BucketName::parse(name).expect("a name");
    let owner = Owner { id: "o".into(), display_name: "o".into() };
    let (created, location) = (Timestamp::from_millis(0), name.to_string());
    let bucket =
        NewBucket { name, owner, created, tenant: Default::default(), backend: "nas".into(), location };
    BucketRecord::new(BucketId(1), bucket)
}
