//! Frequent calls of a store, in one line each.

use bytes::Bytes;
use causeway::{
    model::{
        Attributes, ByteRange, Checksum, ChecksumAlgorithm, ChecksumHasher, ETag, ObjectInfo, ObjectKey,
        Owner, PartNumber, Timestamp, UploadId,
    },
    store::{
        BeginUpload, CompletePart, CompleteUpload, CopyRequest, CopySource, DeleteRequest, Deleted, GetReply,
        GetRequest, ListEntry, ListPage, ListRequest, ObjectBody, PartWritten, PutRequest, Result, Selection,
        Store, Written,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::{Announced, Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::sync::{Arc, LazyLock};
use tokio::sync::mpsc;

pub fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a key")
}

pub fn number(number: u16) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}

/// `len` bytes that depend on `seed` and on their position.
pub fn bytes(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut all = Vec::with_capacity(len + 8);
    while all.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(len);
    all.into()
}

/// The smallest size of a part that need not be the last one.
pub const LARGE: usize = 5 << 20;

static LARGE_PARTS: LazyLock<[Bytes; 4]> = LazyLock::new(|| [1, 2, 3, 4].map(|seed| bytes(seed, LARGE)));

/// One of four parts of 5 MiB.
pub fn large(which: usize) -> Bytes {
    LARGE_PARTS[which].clone()
}

pub fn etag_of(bytes: &[u8]) -> ETag {
    ETag::from_md5(Md5::digest(bytes).into())
}

pub fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The kind of an error that must occur.
#[track_caller]
pub fn refused<T>(result: Result<T>) -> StoreErrorKind {
    match result {
        Ok(_) => panic!("succeeded, though it must not"),
        Err(error) => error.kind(),
    }
}

/// The payload error behind a failure that must occur.
#[track_caller]
pub fn payload_refused<T>(result: Result<T>) -> PayloadError {
    let error = result.err().expect("a failure");
    *error.payload().unwrap_or_else(|| panic!("not the payload's fault: {error}"))
}

pub fn request(payload: Payload) -> PutRequest {
    PutRequest { attributes: Attributes::default(), conditions: WriteConditions::default(), payload }
}

pub async fn put(store: &dyn Store, name: &str, bytes: impl Into<Bytes>) -> Written {
    let written = store.put(&key(name), request(Payload::from_bytes(bytes))).await;
    written.unwrap_or_else(|error| panic!("putting {name:?}: {error}"))
}

pub async fn put_if(
    store: &dyn Store,
    name: &str,
    bytes: impl Into<Bytes>,
    conditions: WriteConditions,
) -> Result<Written> {
    store.put(&key(name), PutRequest { conditions, ..request(Payload::from_bytes(bytes)) }).await
}

pub async fn put_with(
    store: &dyn Store,
    name: &str,
    bytes: impl Into<Bytes>,
    attributes: Attributes,
) -> Written {
    store
        .put(&key(name), PutRequest { attributes, ..request(Payload::from_bytes(bytes)) })
        .await
        .expect("is put")
}

pub fn if_absent() -> WriteConditions {
    WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() }
}

pub fn if_still(etag: &ETag) -> WriteConditions {
    WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
}

pub async fn collect(reply: GetReply) -> Result<Vec<u8>> {
    let expected = reply.span.len();
    let mut all = Vec::new();
    match reply.body {
        ObjectBody::Full(bytes) => all.extend_from_slice(&bytes),
        other => {
            let mut stream = other.into_stream();
            while let Some(frame) = stream.next().await {
                all.extend_from_slice(&frame?);
            }
        }
    }
    assert_eq!(all.len() as u64, expected, "the body is as long as its span");
    Ok(all)
}

pub async fn get(store: &dyn Store, name: &str, selection: Selection) -> Result<(ObjectInfo, Vec<u8>)> {
    let reply = store.get(key(name).current(), GetRequest { selection, ..Default::default() }).await?;
    let mut info = reply.info.clone();
    let body = collect(reply).await?;
    if info.tag_count > info.attributes.tags.len() {
        info.attributes.tags = head(store, name).await.attributes.tags;
    }
    Ok((info, body))
}

pub async fn read(store: &dyn Store, name: &str) -> Vec<u8> {
    get(store, name, Selection::Whole).await.unwrap_or_else(|error| panic!("reading {name:?}: {error}")).1
}

pub async fn read_range(store: &dyn Store, name: &str, range: ByteRange) -> Result<Vec<u8>> {
    Ok(get(store, name, Selection::Range(range)).await?.1)
}

/// Everything that `describe` says of an object. Notes on caches are removed, so that answers of caches and
/// of the storage compare equal.
pub async fn head(store: &dyn Store, name: &str) -> ObjectInfo {
    let described = store.describe(key(name).current(), &Default::default()).await;
    let mut info = described.unwrap_or_else(|error| panic!("heading {name:?}: {error}"));
    info.notes = Default::default();
    info
}

/// Compares two times of one write. Storage with a clock of its own reports times in whole seconds, and may
/// take the time of its reply, which is late on a busy machine.
#[track_caller]
pub fn assert_same_time(a: Timestamp, b: Timestamp) {
    let whole = |time: Timestamp| time.millis() % 1000 == 0;
    let off = (a.millis() - b.millis()).abs();
    assert!(off == 0 || ((whole(a) || whole(b)) && off < 120_000), "{a:?} and {b:?}");
}

/// Whether two times are the same moment, although HEAD may report whole seconds only.
pub fn is_same_moment(a: Timestamp, b: Timestamp) -> bool {
    let whole = |time: Timestamp| time.millis() % 1000 == 0;
    a == b || ((whole(a) || whole(b)) && a.seconds() == b.seconds())
}

/// Asserts that an object is absent: for HEAD, for GET and in the listing.
pub async fn assert_absent(store: &dyn Store, name: &str) {
    assert_eq!(
        refused(store.head(key(name).current(), &Default::default()).await),
        StoreErrorKind::NoSuchKey,
        "HEAD of {name:?}"
    );
    assert_eq!(
        refused(store.get(key(name).current(), GetRequest::default()).await),
        StoreErrorKind::NoSuchKey,
        "GET of {name:?}"
    );
    assert!(!names(store).await.contains(&name.to_owned()), "{name:?} is listed");
}

pub async fn delete(store: &dyn Store, name: &str) -> Deleted {
    let deleted = store.delete(key(name).current(), &Default::default()).await;
    deleted.unwrap_or_else(|error| panic!("deleting {name:?}: {error}"))
}

/// One of several deletions, of the current object and without a condition.
pub fn deletion(name: &str) -> DeleteRequest {
    DeleteRequest { key: key(name), version: None, conditions: Default::default() }
}

pub async fn list(store: &dyn Store, request: ListRequest) -> ListPage {
    store.list(request).await.expect("a listing")
}

/// Every key, in the order of the listing, read page by page.
pub async fn names(store: &dyn Store) -> Vec<String> {
    walk(store, ListRequest { limit: 7, ..Default::default() })
        .await
        .iter()
        .map(|entry| entry.name().to_owned())
        .collect()
}

/// Reads all pages of a listing.
pub async fn walk(store: &dyn Store, mut request: ListRequest) -> Vec<ListEntry> {
    let mut entries = Vec::new();
    loop {
        let page = list(store, request.clone()).await;
        assert!(page.entries.len() <= request.limit);
        entries.extend(page.entries);
        if !page.truncated {
            return entries;
        }
        request.after = entries.last().map(|entry: &ListEntry| entry.name().to_owned());
    }
}

pub async fn copy(target: &dyn Store, to: &str, source: &Arc<dyn Store>, from: &str) -> Result<Written> {
    target.copy(&key(to), copy_request(source, from)).await
}

pub fn copy_request(source: &Arc<dyn Store>, from: &str) -> CopyRequest {
    CopyRequest {
        source: copy_source(source, from),
        attributes: Default::default(),
        conditions: Default::default(),
        checksum: None,
    }
}

pub fn copy_source(source: &Arc<dyn Store>, from: &str) -> CopySource {
    CopySource { store: source.clone(), key: key(from), version: None, conditions: Default::default() }
}

/// An upload begun by a client that does not use checksums.
pub fn plain_upload() -> BeginUpload {
    BeginUpload {
        attributes: Attributes::default(),
        checksum: causeway::model::ChecksumSpec {
            algorithm: ChecksumAlgorithm::Crc64Nvme,
            kind: ChecksumAlgorithm::Crc64Nvme.default_kind(),
        },
        explicit_checksum: false,
        initiator: Owner { id: "initiator".into(), display_name: "Initiator".into() },
    }
}

/// An upload in progress, with what its client has to remember.
pub struct Uploading<'s> {
    pub store: &'s dyn Store,
    pub key: ObjectKey,
    pub id: UploadId,
    pub done: Vec<CompletePart>,
}

impl<'s> Uploading<'s> {
    pub async fn begin(store: &'s dyn Store, name: &str) -> Self {
        Self::begin_with(store, name, plain_upload()).await
    }

    pub async fn begin_with(store: &'s dyn Store, name: &str, request: BeginUpload) -> Self {
        let key = key(name);
        let id = store.begin_upload(&key, request).await.expect("an upload begins");
        Self { store, key, id, done: Vec::new() }
    }

    pub async fn part(&mut self, n: u16, bytes: impl Into<Bytes>) -> PartWritten {
        let written = self
            .store
            .put_part(&self.key, &self.id, number(n), Payload::from_bytes(bytes))
            .await
            .expect("a part is put");
        self.sent(n, &written);
        written
    }

    /// Records a part. Complete names parts in order of their numbers, whatever the order in which they were
    /// sent.
    pub fn sent(&mut self, n: u16, written: &PartWritten) {
        self.done.retain(|part| part.number != number(n));
        self.done.push(CompletePart { number: number(n), etag: written.etag.clone(), checksum: None });
        self.done.sort_by_key(|part| part.number);
    }

    pub fn request(&self) -> CompleteUpload {
        CompleteUpload {
            parts: self.done.clone(),
            conditions: Default::default(),
            checksum: None,
            size: None,
        }
    }

    pub async fn try_complete(&self, request: CompleteUpload) -> Result<Written> {
        self.store.complete_upload(&self.key, &self.id, request).await
    }

    pub async fn complete(&self) -> Written {
        self.try_complete(self.request()).await.expect("an upload is completed")
    }

    pub async fn abort(&self) -> Result<()> {
        self.store.abort_upload(&self.key, &self.id).await
    }
}

/// A body whose frames are sent one by one: `send` returns once the store has asked for the frame before.
pub struct Dripping(mpsc::Sender<std::result::Result<Bytes, PayloadError>>);

impl Dripping {
    pub fn body(announced: Announced) -> (Self, Payload) {
        let (sender, receiver) = mpsc::channel(1);
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        });
        (Self(sender), Payload::from_stream(frames, announced))
    }

    pub async fn send(&self, frame: Bytes) {
        self.0.send(Ok(frame)).await.expect("the store is reading");
    }

    pub async fn fail(self, error: PayloadError) {
        self.0.send(Err(error)).await.expect("the store is reading");
    }
}

/// Waits until the clock shows a later time, so that a changed time would be noticed.
pub async fn later_than(time: Timestamp) {
    while Timestamp::now() <= time {
        tokio::task::yield_now().await;
    }
}

/// A function for `map_err` where only the kind matters.
pub fn kind(error: StoreError) -> StoreErrorKind {
    error.kind()
}
