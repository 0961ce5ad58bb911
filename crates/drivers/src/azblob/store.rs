//! One bucket: reading, deleting and describing its objects. Writing, copying, listing and uploads are in
//! files of their own.

use super::{
    client::{Call, Client},
    headers::{self, Found},
    judging::judge,
    marks::Marks,
    refusal,
};
use crate::{
    backend::{
        location::RemoteLocation,
        locks::Locks,
        names,
        wire::{self, Again, Reply},
    },
    catalog::{BucketId, Catalog},
    model::{ByteRange, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Span, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyRequest, Deleted, Durability, GetReply,
        GetRequest, Guarantee, Keeping, ListPage, ListRequest, ListUploadsRequest, MultipartSupport,
        NativeSource, ObjectBody, PartWritten, PartsPage, PutRequest, Removal, Result, Selection, Store,
        UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        selection,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use std::sync::Arc;

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    conditional_writes: Guarantee::Native,
    conditional_completes: Guarantee::Native,
    conditional_deletes: Guarantee::Native,
    checksums: Keeping::Kept,
    tags: Keeping::Kept,
    parts: Keeping::Kept,
    object_acls: Keeping::Kept,
    versions: Keeping::NotKept,
    storage_classes: Keeping::NotKept,
    encryption: Keeping::NotKept,
    late_conditions: false,
    needs_length: true,
    multipart: MultipartSupport::InPlace,
    durability: Durability::Strict,
};

/// The longest name in UTF-16 units, which is how Azure counts ("Naming and referencing containers, blobs,
/// and metadata").
const LONGEST_NAME: usize = 1024;
const MOST_SEGMENTS: usize = 254;

/// Bodies up to this length are read completely before the reply.
const SHORT: u64 = 128 << 10;

/// How often a read or a change is repeated because the object was replaced meanwhile.
pub(super) const ROUNDS: usize = 32;

#[derive(Debug)]
pub(super) struct AzblobStore {
    pub(super) client: Arc<Client>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) bucket: BucketId,
    pub(super) location: RemoteLocation,
    pub(super) marks: Arc<Marks>,
    /// Locks of uploads: one Complete of an upload runs at a time.
    pub(super) completing: Arc<Locks<UploadId>>,
}

impl AzblobStore {
    pub(super) fn new(
        client: Arc<Client>,
        catalog: Arc<dyn Catalog>,
        bucket: BucketId,
        location: RemoteLocation,
    ) -> Self {
        Self { client, catalog, bucket, location, marks: Arc::default(), completing: Arc::default() }
    }

    /// Returns a handle that a task of its own can hold.
    pub(super) fn share(&self) -> Arc<Self> {
        Arc::new(Self {
            client: self.client.clone(),
            catalog: self.catalog.clone(),
            bucket: self.bucket,
            location: self.location.clone(),
            marks: self.marks.clone(),
            completing: self.completing.clone(),
        })
    }

    pub(super) fn name(&self, key: &ObjectKey) -> Result<String> {
        let name = self.location.below(&names::encode(key.as_str()));
        if name.encode_utf16().count() > LONGEST_NAME || name.split('/').count() > MOST_SEGMENTS {
            let message = "Azure Blob Storage has no room for this key: 1,024 characters and 254 segments, some of them written as several";
            return Err(StoreError::new(StoreErrorKind::KeyTooLong, message));
        }
        Ok(name)
    }

    /// Returns the blob name of a key. A key that Azure cannot store has no object.
    pub(super) fn name_of_existing(&self, key: &ObjectKey) -> Result<String> {
        self.name(key).map_err(|_| StoreErrorKind::NoSuchKey.into())
    }

    /// Returns the name of a blob in the gateway's own folder, beside the bucket's objects.
    pub(super) fn own(&self, path: &str) -> String {
        self.location.below(&format!("{}/{path}", names::RESERVED))
    }

    pub(super) fn blob(&self, method: Method, name: &str) -> Call<'_> {
        self.client.blob(method, &self.location.remote, name)
    }

    /// Returns the blob's description without its overflow.
    pub(super) async fn look(&self, name: &str) -> Result<Found> {
        let look =
            async || headers::described(self.blob(Method::HEAD, name).send(Again::Harmless).await?).await;
        let mut found = look().await?;
        for _ in 0..ROUNDS {
            if !found.is_uncertain {
                break;
            }
            // A second reply with the same values shows that the record belongs to other bytes, because
            // another program replaced them.
            let before = std::mem::replace(&mut found, look().await?);
            if (&before.tag, before.info.size, &before.info.etag)
                == (&found.tag, found.info.size, &found.info.etag)
            {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn find(&self, name: &str) -> Result<Option<Found>> {
        match self.look(name).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the blob's description with its overflow: all of it, or what every reply has to show.
    pub(super) async fn look_for(&self, name: &str, all: bool) -> Result<Found> {
        let mut found = self.look(name).await?;
        if self.complete_info(&mut found, all).await.is_err() {
            // The object was replaced, and its overflow swept, between the two requests.
            found = self.look(name).await?;
            self.complete_info(&mut found, all).await?;
        }
        Ok(found)
    }

    /// Reads a part of an object. Its position has to be known first, and the object must be unchanged
    /// afterwards.
    async fn get_known(&self, name: &str, request: &GetRequest) -> Result<GetReply> {
        for _ in 0..ROUNDS {
            let found = self.look_for(name, matches!(request.selection, Selection::Part(_))).await?;
            request.conditions.check(&found.info.etag, found.info.last_modified)?;
            let span = selection::select(&found.info, request.selection)?;
            if span.is_empty() {
                return Ok(GetReply { info: found.info, span, body: ObjectBody::Full(Bytes::new()) });
            }
            let reader = self.reader(name, &found.tag, found.info.size);
            let body = match reader.open(span).await {
                Ok(reply) => reader.body(reply, span).await,
                Err(error) => Err(error),
            };
            match body {
                Ok(body) => return Ok(GetReply { body, info: found.info, span }),
                Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "the object changes faster than it can be read"))
    }

    /// Gets the object with a single request.
    async fn get_at_once(&self, name: &str, range: Option<String>, request: &GetRequest) -> Result<GetReply> {
        let mut call = self.blob(Method::GET, name);
        if let Some(range) = &range {
            call = call.header("x-ms-range", range);
        }
        let reply = call.send(Again::Harmless).await?;
        let nothing = range.is_some() && reply.number(http::header::CONTENT_LENGTH) == Some(0);
        if reply.status == StatusCode::RANGE_NOT_SATISFIABLE || (reply.status.is_success() && nothing) {
            return self.get_known(name, request).await;
        }
        let reply = refusal::accept(reply).await?;
        let (size, span) = extent(&reply)?;
        let mut found = Found::read(&reply, size)?;
        if found.is_uncertain || found.elsewhere().is_some_and(|elsewhere| elsewhere.user) {
            return self.get_known(name, request).await;
        }
        request.conditions.check(&found.info.etag, found.info.last_modified)?;
        if span != selection::select(&found.info, request.selection)? {
            return Err(StoreError::new(
                StoreErrorKind::Internal,
                "the storage answered with another range than it was asked for",
            ));
        }
        found.info.parts.clear();
        match self.reader(name, &found.tag, size).body(reply, span).await {
            Ok(body) => Ok(GetReply { info: found.info, span, body }),
            // The object was replaced before the whole body arrived, and no byte was passed on yet.
            Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => {
                self.get_known(name, request).await
            }
            Err(error) => Err(error),
        }
    }

    fn reader(&self, name: &str, tag: &str, size: u64) -> Reader {
        let (name, tag) = (name.to_owned(), tag.to_owned());
        Reader { client: self.client.clone(), container: self.location.remote.clone(), name, tag, size }
    }
}

/// Reads the blob with the tag with which reading began.
#[derive(Clone)]
struct Reader {
    client: Arc<Client>,
    container: String,
    name: String,
    tag: String,
    size: u64,
}

impl Reader {
    /// Requests a span. `PreconditionFailed`: the blob was replaced.
    async fn open(&self, span: Span) -> Result<Reply> {
        let call = self.client.blob(Method::GET, &self.container, &self.name);
        let call = call
            .header("x-ms-range", &format!("bytes={}-{}", span.start, span.end - 1))
            .header("if-match", &self.tag);
        let reply = refusal::accept(call.send(Again::Harmless).await?).await?;
        match extent(&reply)? {
            (size, sent) if sent == span && size == self.size => Ok(reply),
            // Azure checked the condition before the blob was replaced, and made the reply after it.
            (size, _) if size != self.size || reply.header("etag") != Some(&self.tag) => {
                Err(StoreErrorKind::PreconditionFailed.into())
            }
            _ => Err(StoreError::new(
                StoreErrorKind::Internal,
                "the storage answered with another range than it was asked for",
            )),
        }
    }

    /// Returns the body. A short one is read completely here: the result is `PreconditionFailed` if it was
    /// replaced meanwhile, and no byte was passed on.
    async fn body(self, first: Reply, span: Span) -> Result<ObjectBody> {
        let (attempts, short) = (self.client.attempts(), span.len() <= SHORT);
        let reopen: wire::Reopen = Box::new(move |read| {
            let reader = self.clone();
            Box::pin(async move {
                let rest = Span { start: span.start + read, end: span.end };
                reader.open(rest).await.map_err(|error| match error.kind() {
                    StoreErrorKind::PreconditionFailed | StoreErrorKind::NoSuchKey if short => {
                        StoreErrorKind::PreconditionFailed.into()
                    }
                    StoreErrorKind::PreconditionFailed | StoreErrorKind::NoSuchKey => StoreError::new(
                        StoreErrorKind::Internal,
                        "the object was replaced while it was read from the storage",
                    ),
                    _ => error,
                })
            })
        });
        let mut stream = wire::resuming(first, span.len(), attempts, reopen);
        if !short {
            return Ok(ObjectBody::Stream(stream));
        }
        let mut whole = match stream.next().await.transpose()? {
            // Mostly the first piece is the whole body.
            Some(first) if first.len() as u64 == span.len() => return Ok(ObjectBody::Full(first)),
            Some(first) => Vec::from(first),
            None => Vec::new(),
        };
        while let Some(frame) = stream.next().await.transpose()? {
            whole.extend_from_slice(&frame);
        }
        Ok(ObjectBody::Full(whole.into()))
    }
}

/// Returns the size of the object, and which bytes of it a reply contains.
fn extent(reply: &Reply) -> Result<(u64, Span)> {
    if reply.status == StatusCode::OK {
        let size = headers::size_of(reply)?;
        return Ok((size, Span::whole(size)));
    }
    let read = |text: &str| {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((
            size.parse().ok()?,
            Span { start: first.parse().ok()?, end: last.parse::<u64>().ok()?.checked_add(1)? },
        ))
    };
    let unexpected =
        || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no valid Content-Range");
    reply.header("content-range").and_then(read).ok_or_else(unexpected)
}

/// Returns the `Range` header. Azure supports no ranges from the end, and its numbers are signed with 64
/// bits.
fn range_header(selection: Selection) -> Option<String> {
    match selection {
        Selection::Range(ByteRange::FromTo(first, last)) if i64::try_from(last).is_ok() => {
            Some(format!("bytes={first}-{last}"))
        }
        Selection::Range(ByteRange::FromTo(first, _) | ByteRange::From(first)) => {
            Some(format!("bytes={first}-"))
        }
        Selection::Range(ByteRange::Suffix(_)) | Selection::Whole | Selection::Part(_) => None,
    }
}

#[async_trait]
impl Store for AzblobStore {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let found = self.look_for(&self.name_of_existing(address.unversioned()?)?, false).await?;
        conditions.check(&found.info.etag, found.info.last_modified)?;
        Ok(found.info)
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let found = self.look_for(&self.name_of_existing(address.unversioned()?)?, true).await?;
        conditions.check(&found.info.etag, found.info.last_modified)?;
        Ok(found.info)
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let name = self.name_of_existing(address.unversioned()?)?;
        match request.selection {
            Selection::Part(_) | Selection::Range(ByteRange::Suffix(_)) => {
                self.get_known(&name, &request).await
            }
            selection => self.get_at_once(&name, range_header(selection), &request).await,
        }
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let written = self.put_object(key, request).await;
        self.marks.written(key.as_str());
        written
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        let written = self.copy_object(key, request).await;
        self.marks.written(key.as_str());
        written
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let Ok(name) = self.name(address.unversioned()?) else {
            conditions.check(None)?;
            return Ok(Removal::Absent.into());
        };
        for _ in 0..ROUNDS {
            let mut call = self.blob(Method::DELETE, &name);
            if !conditions.is_empty() {
                let found = self.find(&name).await?;
                judge(conditions, found.as_ref())?;
                let Some(found) = found else { return Ok(Removal::Absent.into()) };
                call = call.header("if-match", &found.tag);
            }
            let reply = call.send(Again::OnlyIfRefused).await?;
            if reply.status.is_success() {
                return Ok(Removal::Removed.into());
            }
            let refusal = refusal::read(reply).await;
            match refusal.kind() {
                StoreErrorKind::NoSuchKey if conditions.is_empty() => return Ok(Removal::Absent.into()),
                // The blob changed since its conditions were evaluated.
                StoreErrorKind::NoSuchKey | StoreErrorKind::PreconditionFailed => {}
                _ => return Err(refusal.into()),
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Conflict,
            "the object changes faster than its conditions can be checked",
        ))
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        self.change(address.unversioned()?, change).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.list_page(request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        self.begin(key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        self.send_part(key, upload, number, payload).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        self.parts_page(key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let written = self.complete(key, upload, request).await;
        self.marks.written(key.as_str());
        written
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        self.abort(key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.catalog.list_uploads(self.bucket, request).await?)
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }
}
