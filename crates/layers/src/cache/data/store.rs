//! One bucket behind the data cache. All operations except `get` are passed through.

use super::{
    block::{BLOCK, BlockName, BucketIdentity, Version},
    fetch::Piece,
    memory::{Counted, DataCache},
    reader::Reader,
};
use crate::{
    cache::{counts::RequestKind, current::is_current},
    catalog::BucketRecord,
    model::{CacheUse, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Span, UploadId},
    store::{
        CopyPartRequest, CopyRequest, DeleteRequest, Deleted, GetReply, GetRequest, Layer, NativeSource,
        ObjectBody, PartWritten, Result, Selection, Store, Written, selection,
    },
};
use futures_util::StreamExt;
use std::sync::Arc;

/// How often the current version is looked up again when the storage keeps returning another one.
const LOOKS: usize = 3;
/// How many blocks are read ahead for sequential readers.
const READ_AHEAD: u64 = 4;

#[derive(Debug)]
pub(in crate::cache) struct DataStore {
    below: Arc<dyn Store>,
    bucket: BucketIdentity,
    cache: Arc<DataCache>,
    counted: Arc<Counted>,
}

impl DataStore {
    pub(in crate::cache) fn new(
        below: Arc<dyn Store>,
        record: &BucketRecord,
        backend: &Arc<str>,
        cache: Arc<DataCache>,
    ) -> Self {
        let counted = cache.counted(backend, &record.bucket.name);
        Self { below, bucket: BucketIdentity::of(record), cache, counted }
    }

    /// Returns `None` if the storage holds another version.
    async fn open(&self, key: &ObjectKey, mut info: ObjectInfo, span: Span) -> Result<Option<GetReply>> {
        let version = Arc::new(Version::of(self.bucket, key, &info));
        let begun = Reader::begin(self.cache.clone(), self.below.clone(), version.clone(), span).await?;
        let Some(mut reader) = begun else { return Ok(None) };
        let used = if reader.has_all() { CacheUse::Hit } else { CacheUse::Miss };
        self.counted.counts.add(RequestKind::Data, used);
        info.notes.cache = Some(used);
        if self.cache.goes_on(&version, span.start, span.end) {
            self.read_ahead(&version, (span.end - 1) / BLOCK + 1);
        }
        // The cached bytes may have been evicted meanwhile: until the first byte is passed on, another
        // version can be read instead.
        let begin = match used {
            CacheUse::Hit => match reader.next().await? {
                Some(begin) if reader.span.is_empty() => {
                    return Ok(Some(GetReply { info, span, body: ObjectBody::Full(begin) }));
                }
                Some(begin) => Some(Ok(begin)),
                None => return Ok(None),
            },
            _ => None,
        };
        let body = ObjectBody::Stream(futures_util::stream::iter(begin).chain(reader.into_stream()).boxed());
        Ok(Some(GetReply { info, span, body }))
    }

    /// Fetches the next blocks in the background, unless that already happens for many readers.
    fn read_ahead(&self, version: &Arc<Version>, from: u64) {
        let to = version.last().min(from + READ_AHEAD - 1);
        let name = |number| BlockName { version: version.clone(), number };
        let Some(first) = (from..=to).find(|number| !self.cache.blocks.has(&name(*number))) else { return };
        let Ok(permit) = self.cache.ahead.clone().try_acquire_owned() else { return };
        let Some(fetch) = self.cache.fetches.follow(&self.below, version, first, to) else { return };
        let (mut at, end) = (version.span(first).start, version.span(to).end);
        tokio::spawn(async move {
            // A failure is ignored, because no reader has asked for these bytes.
            while at < end
                && let Ok(Piece::Bytes(bytes)) = fetch.read(at).await
            {
                at += bytes.len() as u64;
            }
            drop(permit);
        });
    }
}

impl Layer for DataStore {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        // A head need not contain the position of a part. Only bytes of current objects are cached.
        if matches!(request.selection, Selection::Part(_)) || !is_current(&*self.below, address) {
            return self.below.get(address, request).await;
        }
        for _ in 0..LOOKS {
            let info = self.below.head(address, &request.conditions).await?;
            let span = selection::select(&info, request.selection)?;
            let stale = info.notes.cache == Some(CacheUse::Stale);
            if stale || span.is_empty() || span.len() > self.cache.max_object {
                break;
            }
            if let Some(reply) = self.open(address.key, info, span).await? {
                return Ok(reply);
            }
        }
        self.below.get(address, request).await
    }

    /// A cached block belongs to one version of an object: a deletion makes none wrong.
    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        self.below.delete_all(requests).await
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        self.below.copy(key, request).await
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        self.below.copy_part(key, upload, number, request).await
    }

    /// Passes on the source below: the cache holds the same bytes as the store below.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}
