//! One bucket behind the data cache. All but `get` goes straight through.

use super::{
    block::{BLOCK, BlockName, BucketIdentity, Version},
    fetch::Piece,
    memory::{Counted, DataCache},
    reader::Reader,
};
use crate::{
    cache::counts::Kind,
    catalog::BucketRecord,
    model::{CacheUse, ObjectInfo, ObjectKey, PartNumber, Span, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, GetReply, GetRequest, ListPage, ListRequest,
        ListUploadsRequest, NativeSource, ObjectBody, PartWritten, PartsPage, PutRequest, Result, Selection, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        payload::Payload,
        selection,
    },
};
use async_trait::async_trait;
use futures_util::StreamExt;
use std::sync::Arc;

/// How often it is looked again what the current version is, when the storage holds another one each time.
const LOOKS: usize = 3;
/// How much is read ahead for those who read on from where they were.
const READ_AHEAD: u64 = 4;

#[derive(Debug)]
pub(in crate::cache) struct DataStore {
    below: Arc<dyn Store>,
    bucket: BucketIdentity,
    cache: Arc<DataCache>,
    counted: Arc<Counted>,
}

impl DataStore {
    pub(in crate::cache) fn new(below: Arc<dyn Store>, record: &BucketRecord, backend: &Arc<str>, cache: Arc<DataCache>) -> Self {
        let counted = cache.counted(backend, &record.bucket.name);
        Self { below, bucket: BucketIdentity::of(record), cache, counted }
    }

    /// `None`: what is in the storage is another version.
    async fn open(&self, key: &ObjectKey, mut info: ObjectInfo, span: Span) -> Result<Option<GetReply>> {
        let version = Arc::new(Version::of(self.bucket, key, &info));
        let begun = Reader::begin(self.cache.clone(), self.below.clone(), version.clone(), span).await?;
        let Some(mut reader) = begun else { return Ok(None) };
        let used = if reader.has_all() { CacheUse::Hit } else { CacheUse::Miss };
        self.counted.counts.add(Kind::Data, used);
        info.notes.cache = Some(used);
        if self.cache.goes_on(&version, span.start, span.end) {
            self.read_ahead(&version, (span.end - 1) / BLOCK + 1);
        }
        // What was at hand may have been dropped meanwhile: until the first byte is passed on, another version can be read instead.
        let begin = match used {
            CacheUse::Hit => match reader.next().await? {
                Some(begin) if reader.span.is_empty() => return Ok(Some(GetReply { info, span, body: ObjectBody::Full(begin) })),
                Some(begin) => Some(Ok(begin)),
                None => return Ok(None),
            },
            _ => None,
        };
        let body = ObjectBody::Stream(futures_util::stream::iter(begin).chain(reader.into_stream()).boxed());
        Ok(Some(GetReply { info, span, body }))
    }

    /// Fetches the next blocks in the background, unless that is done for many already.
    fn read_ahead(&self, version: &Arc<Version>, from: u64) {
        let to = version.last().min(from + READ_AHEAD - 1);
        let name = |number| BlockName { version: version.clone(), number };
        let Some(first) = (from..=to).find(|number| !self.cache.blocks.has(&name(*number))) else { return };
        let Ok(permit) = self.cache.ahead.clone().try_acquire_owned() else { return };
        let Some(fetch) = self.cache.fetches.follow(&self.below, version, first, to) else { return };
        let (mut at, end) = (version.span(first).start, version.span(to).end);
        tokio::spawn(async move {
            // If that fails, nobody has asked for it.
            while at < end
                && let Ok(Piece::Bytes(bytes)) = fetch.read(at).await
            {
                at += bytes.len() as u64;
            }
            drop(permit);
        });
    }
}

#[async_trait]
impl Store for DataStore {
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        self.below.tried_capabilities().await
    }

    async fn head(&self, key: &ObjectKey, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.below.head(key, conditions).await
    }

    async fn describe(&self, key: &ObjectKey, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.below.describe(key, conditions).await
    }

    async fn get(&self, key: &ObjectKey, request: GetRequest) -> Result<GetReply> {
        // Where a part lies, a head need not say.
        if matches!(request.selection, Selection::Part(_)) {
            return self.below.get(key, request).await;
        }
        for _ in 0..LOOKS {
            let info = self.below.head(key, &request.conditions).await?;
            let span = selection::select(&info, request.selection)?;
            let stale = info.notes.cache == Some(CacheUse::Stale);
            if stale || span.is_empty() || span.len() > self.cache.max_object {
                break;
            }
            if let Some(reply) = self.open(key, info, span).await? {
                return Ok(reply);
            }
        }
        self.below.get(key, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.below.put(key, request).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        self.below.copy(key, request).await
    }

    async fn delete(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
        self.below.delete(key, conditions).await
    }

    async fn update(&self, key: &ObjectKey, change: Change) -> Result<()> {
        self.below.update(key, change).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.below.list(request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        self.below.begin_upload(key, request).await
    }

    async fn put_part(&self, key: &ObjectKey, upload: &UploadId, number: PartNumber, payload: Payload) -> Result<PartWritten> {
        self.below.put_part(key, upload, number, payload).await
    }

    async fn copy_part(&self, key: &ObjectKey, upload: &UploadId, number: PartNumber, request: CopyPartRequest) -> Result<PartWritten> {
        self.below.copy_part(key, upload, number, request).await
    }

    async fn list_parts(&self, key: &ObjectKey, upload: &UploadId, after: u16, limit: usize) -> Result<PartsPage> {
        self.below.list_parts(key, upload, after, limit).await
    }

    async fn complete_upload(&self, key: &ObjectKey, upload: &UploadId, request: CompleteUpload) -> Result<Written> {
        self.below.complete_upload(key, upload, request).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        self.below.abort_upload(key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        self.below.list_uploads(request).await
    }

    /// What is cached are the bytes of the store below.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}
