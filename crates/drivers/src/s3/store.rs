//! One bucket: what reads it, changes it and empties it. Writing, copying, listing and uploads are in files of their own.

use super::{
    client::{Call, Client},
    describing,
    dialect::Dialect,
    gcs, headers,
    keeping::Tried,
    names::Names,
    probe::{self, Promises},
    refusal::{self, Asked},
};
use crate::{
    backend::{
        locks::Locks,
        place::Place,
        wire::{self, Again, Reply},
    },
    catalog::{BucketId, Catalog},
    model::{ETag, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, Span, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, Deleted, GetReply, GetRequest, ListPage,
        ListRequest, ListUploadsRequest, NativeSource, ObjectBody, PartWritten, PartsPage, PutRequest, Removal, Result, Selection, Store,
        UploadsPage, Written,
        condition::{Current, ETagMatch, ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        selection,
    },
};
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// How often a range is asked for that an object has and its storage refuses, because it was another just now.
const ROUNDS: usize = 4;

/// Documents about one object: ten thousand parts are the longest.
const LONGEST_DOCUMENT: usize = 16 << 20;

#[derive(Debug, Clone)]
pub(super) struct S3Store {
    pub(super) client: Arc<Client>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) bucket: BucketId,
    pub(super) place: Place,
    /// One Complete of an upload at a time.
    pub(super) completing: Arc<Locks<UploadId>>,
    pub(super) names: Arc<Names>,
    pub(super) tried: Arc<Tried>,
    /// On GCS, one body of a part at a time.
    pub(super) sending: Arc<Locks<(UploadId, PartNumber)>>,
}

/// What must be true of a key at the moment of a write, in the words of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    None,
    Absent,
    Tag(ETag),
    /// GCS: the object's generation; 0 is none.
    Generation(u64),
}

impl S3Store {
    pub(super) fn new(client: Arc<Client>, catalog: Arc<dyn Catalog>, bucket: BucketId, place: Place) -> Self {
        let (completing, sending, names, tried) = Default::default();
        Self { client, catalog, bucket, place, completing, sending, names, tried }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.client.dialect()
    }

    pub(super) fn call(&self, method: Method, name: &str) -> Call<'_> {
        self.client.call(method, &self.place.remote, Some(name))
    }

    pub(super) async fn promises(&self) -> Result<Promises> {
        self.client.promises(&self.place).await
    }

    /// HEAD. Its reply is all there is: `extra` says more of what is asked.
    pub(super) async fn look(&self, name: &str, extra: HeaderMap) -> Result<(ObjectInfo, HeaderMap)> {
        let mut call = self.call(Method::HEAD, name).headers(extra);
        if self.dialect() == Dialect::S3 {
            call = call.vendor("checksum-mode", "ENABLED");
        }
        let reply = call.send(Again::Harmless).await?;
        if reply.status == StatusCode::BAD_REQUEST {
            // A reply to HEAD has no words; to GET it has.
            self.open(name, Some("bytes=0-0".to_owned()), HeaderMap::new()).await?;
        }
        if !reply.status.is_success() {
            return Err(refusal::read(reply, Asked::Object).await.into());
        }
        let size = reply.number(header::CONTENT_LENGTH).unwrap_or(0);
        Ok((headers::info(&reply.headers, size, self.dialect())?, reply.headers))
    }

    async fn open(&self, name: &str, range: Option<String>, extra: HeaderMap) -> Result<Reply> {
        let mut call = self.call(Method::GET, name).headers(extra);
        if self.dialect() == Dialect::Gcs {
            // Or GCS would unpack what was stored packed, and send other bytes than it has.
            call = call.text("accept-encoding", "gzip");
        }
        match range {
            Some(range) => call = call.text("range", &range),
            // The checksum of the whole says nothing of a range, and storages refuse to be asked.
            None if self.dialect() == Dialect::S3 => call = call.vendor("checksum-mode", "ENABLED"),
            None => {}
        }
        let reply = call.send(Again::Harmless).await?;
        match reply.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(reply),
            _ => Err(refusal::read(reply, Asked::Object).await.into()),
        }
    }

    /// What the storage is to check when it publishes. Only what it promised to check.
    pub(super) async fn guard(&self, name: &str, conditions: &WriteConditions, deleting: bool) -> Result<Guard> {
        if conditions.is_empty() {
            return Ok(Guard::None);
        }
        let promises = self.promises().await?;
        let kept = if deleting { promises.conditional_deletes } else { promises.create && promises.swap };
        if !kept {
            let what = if deleting { "deletes" } else { "writes" };
            return Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                format!("The storage behind this bucket has no conditional {what}"),
            ));
        }
        let only_tags = conditions.last_modified.is_none() && conditions.size.is_none();
        if self.dialect() == Dialect::S3 && only_tags {
            match (&conditions.if_match, &conditions.if_none_match) {
                (None, Some(ETagMatch::Any)) if !deleting => return Ok(Guard::Absent),
                (Some(ETagMatch::OneOf(tags)), None) if tags.len() == 1 => return Ok(Guard::Tag(tags[0].clone())),
                _ => {}
            }
        }
        if self.dialect() == Dialect::Gcs && !deleting && only_tags && conditions.wants_absent() && conditions.if_match.is_none() {
            return Ok(Guard::Generation(0));
        }
        // Anything else is judged here, and then it must still be what was judged.
        let found = match self.look(name, HeaderMap::new()).await {
            Ok(found) => Some(found),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(error) => return Err(error),
        };
        let current = found.as_ref().map(|(info, _)| Current { etag: &info.etag, size: info.size, last_modified: info.last_modified });
        conditions.check(current)?;
        Ok(match (found, self.dialect()) {
            (None, Dialect::S3) => Guard::Absent,
            (None, Dialect::Gcs) => Guard::Generation(0),
            (Some((info, _)), Dialect::S3) => Guard::Tag(info.etag),
            (Some((_, headers)), Dialect::Gcs) => {
                let generation = headers.get("x-goog-generation").and_then(|value| value.to_str().ok()?.parse().ok());
                let none = || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no generation");
                Guard::Generation(generation.ok_or_else(none)?)
            }
        })
    }

    /// The document of a successful reply.
    pub(super) async fn document(&self, reply: Reply, asked: Asked) -> Result<bytes::Bytes> {
        match reply.status.is_success() {
            true => reply.bytes(LONGEST_DOCUMENT).await,
            false => Err(refusal::read(reply, asked).await.into()),
        }
    }

    async fn get_span(&self, name: &str, request: &GetRequest, range: Option<String>) -> Result<GetReply> {
        let extra = match self.dialect() {
            Dialect::S3 => headers::of_conditions(&request.conditions, ""),
            Dialect::Gcs => headers::of_conditions(&gcs::facts::conditions_there(&request.conditions), ""),
        };
        let first = self.open_span(name, request, range, extra).await?;
        let (size, span) = extent(&first)?;
        let info = headers::info(&first.headers, size, self.dialect())?;
        request.conditions.check(&info.etag, info.last_modified)?;
        let expected = selection::select(&info, request.selection)?;
        if span != expected {
            return Err(StoreError::new(StoreErrorKind::Internal, "the storage answered with another range than it was asked for"));
        }
        Ok(GetReply { body: self.body(name, first, &info, span), info, span })
    }

    async fn open_span(&self, name: &str, request: &GetRequest, range: Option<String>, extra: HeaderMap) -> Result<Reply> {
        let mut refused = None;
        for _ in 0..ROUNDS {
            match self.open(name, range.clone(), extra.clone()).await {
                Err(error) if error.kind() == StoreErrorKind::InvalidRequest && matches!(request.selection, Selection::Range(_)) => {
                    // A refusal of a range may lack what S3 would say: the size of the object. It may also be another by now.
                    let (info, _) = self.look(name, HeaderMap::new()).await?;
                    selection::select(&info, request.selection)?;
                    refused = Some(error);
                }
                other => return other,
            }
        }
        Err(refused.unwrap_or_else(|| StoreErrorKind::Internal.into()))
    }

    fn body(&self, name: &str, first: Reply, info: &ObjectInfo, span: Span) -> ObjectBody {
        // The storage's own, which is not what we show of every object.
        let etag = first.header("etag").map(|etag| ETag::parse(etag).quoted()).unwrap_or_else(|| info.etag.quoted());
        let reader = Reader { client: self.client.clone(), remote: self.place.remote.clone(), name: name.to_owned(), etag };
        let reopen: wire::Reopen = Box::new(move |read| {
            let reader = reader.clone();
            Box::pin(async move { reader.open(span.start + read, span.end).await })
        });
        ObjectBody::Stream(wire::resuming(first, span.len(), self.client.attempts(), reopen))
    }
}

/// Goes on reading the very object that was begun.
#[derive(Clone)]
struct Reader {
    client: Arc<Client>,
    remote: String,
    name: String,
    etag: String,
}

impl Reader {
    async fn open(&self, start: u64, end: u64) -> Result<Reply> {
        let call = self.client.call(Method::GET, &self.remote, Some(&self.name));
        let mut call = call.text("range", &format!("bytes={start}-{}", end - 1)).text("if-match", &self.etag);
        if self.client.dialect() == Dialect::Gcs {
            call = call.text("accept-encoding", "gzip");
        }
        let reply = call.send(Again::Harmless).await?;
        let same = reply.header("etag").map(ETag::parse) == Some(ETag::parse(&self.etag));
        let here = reply.status.is_success() && extent(&reply).is_ok_and(|(_, span)| span == Span { start, end });
        match (reply.status, same) {
            _ if here && same => Ok(reply),
            (StatusCode::PARTIAL_CONTENT | StatusCode::OK | StatusCode::PRECONDITION_FAILED, _) => {
                Err(StoreError::new(StoreErrorKind::Internal, "the object was replaced while it was read from the storage"))
            }
            _ => Err(refusal::read(reply, Asked::Object).await.into()),
        }
    }
}

/// The size of the object, and which bytes of it a reply holds. The header tells: some answer ranges with 200.
fn extent(reply: &Reply) -> Result<(u64, Span)> {
    let strange = || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no length");
    if reply.status == StatusCode::OK && reply.header(header::CONTENT_RANGE).is_none() {
        let size = reply.number(header::CONTENT_LENGTH).ok_or_else(strange)?;
        return Ok((size, Span::whole(size)));
    }
    reply.header("content-range").and_then(content_range).ok_or_else(strange)
}

/// `bytes FIRST-LAST/SIZE`. An empty object has no last byte, and storages that answer a range of it all the same write
/// `bytes 0--1/0`: its size alone tells what the reply holds.
fn content_range(text: &str) -> Option<(u64, Span)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let size = size.parse().ok()?;
    if size == 0 {
        return Some((0, Span::whole(0)));
    }
    let (first, last) = range.split_once('-')?;
    let span = Span { start: first.parse().ok()?, end: last.parse::<u64>().ok()?.checked_add(1)? };
    (span.start < span.end && span.end <= size).then_some((size, span))
}

fn range_header(selection: Selection) -> Option<String> {
    use crate::model::ByteRange;
    match selection {
        Selection::Range(ByteRange::FromTo(first, last)) => Some(format!("bytes={first}-{last}")),
        Selection::Range(ByteRange::From(first)) => Some(format!("bytes={first}-")),
        Selection::Range(ByteRange::Suffix(length)) => Some(format!("bytes=-{length}")),
        Selection::Whole | Selection::Part(_) => None,
    }
}

#[async_trait]
impl Store for S3Store {
    fn capabilities(&self) -> Capabilities {
        probe::capabilities(self.dialect(), self.client.known())
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(probe::capabilities(self.dialect(), Some(self.promises().await?)))
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let name = self.name_of_existing(address.unversioned()?).await?;
        let (info, _) = self.look(&name, HeaderMap::new()).await?;
        conditions.check(&info.etag, info.last_modified)?;
        Ok(info)
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        let name = self.name_of_existing(address.unversioned()?).await?;
        let mut info = self.head(address, conditions).await?;
        if self.dialect() == Dialect::Gcs {
            return Ok(info);
        }
        if info.tag_count > 0 || self.promises().await?.tags {
            info.attributes.tags = self.tags(&name).await?;
            info.tag_count = info.attributes.tags.len();
        }
        // Only a multipart object's tag has the number of its parts.
        if info.etag.as_str().contains('-') {
            info.parts = match self.parts(&name).await {
                Ok(parts) => parts,
                Err(error) if error.kind() == StoreErrorKind::NotImplemented => Vec::new(),
                Err(error) => return Err(error),
            };
        }
        Ok(info)
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let name = self.name_of_existing(address.unversioned()?).await?;
        let Selection::Part(number) = request.selection else {
            return self.get_span(&name, &request, range_header(request.selection)).await;
        };
        // Where the part lies is known first; then it has to be the same object still.
        let (info, same, forgotten) = match self.dialect() {
            Dialect::Gcs => {
                let (info, headers) = self.look(&name, HeaderMap::new()).await?;
                request.conditions.check(&info.etag, info.last_modified)?;
                let forgotten = gcs::facts::has_forgotten_parts(&headers, &info);
                (info, headers.get(header::ETAG).cloned().ok_or(StoreErrorKind::Internal)?, forgotten)
            }
            Dialect::S3 => {
                let info = self.describe(address, &request.conditions).await?;
                let forgotten = info.parts.is_empty() && info.etag.as_str().contains('-');
                let same = HeaderValue::from_str(&info.etag.quoted()).map_err(|_| StoreErrorKind::Internal)?;
                (info, same, forgotten)
            }
        };
        if forgotten {
            return Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                "The storage behind this bucket does not tell the parts of its objects",
            ));
        }
        let span = selection::part_span(&info.parts, info.size, number)?;
        let part_of_same = |info: ObjectInfo| async {
            if span.is_empty() {
                return Ok(GetReply { info, span, body: ObjectBody::Full(bytes::Bytes::new()) });
            }
            let same = HeaderMap::from_iter([(header::IF_MATCH, same)]);
            let first = self.open(&name, Some(format!("bytes={}-{}", span.start, span.end - 1)), same).await?;
            Ok(GetReply { body: self.body(&name, first, &info, span), info, span })
        };
        part_of_same(info).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        match self.dialect() {
            Dialect::S3 => self.write(key, request).await,
            Dialect::Gcs => self.put_with_facts(key, request).await,
        }
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        match self.dialect() {
            Dialect::S3 => self.copy_object(key, request).await,
            Dialect::Gcs => self.copy_with_facts(key, request).await,
        }
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let name = match self.name_of_existing(address.unversioned()?).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey && conditions.is_empty() => return Ok(Removal::Absent.into()),
            other => other?,
        };
        let guard = self.guard(&name, conditions, true).await?;
        if matches!(guard, Guard::Absent | Guard::Generation(0)) {
            // There was nothing, as was asked for: so there is nothing to delete.
            return Ok(Removal::Absent.into());
        }
        let reply = guard.apply(self.call(Method::DELETE, &name)).send(Again::OnlyIfRefused).await?;
        if reply.status.is_success() {
            // S3 answers alike whether there was something or not, unless a tag had to match.
            let tells = guard != Guard::None || self.dialect() == Dialect::Gcs;
            return Ok(if tells { Removal::Removed } else { Removal::Unknown }.into());
        }
        let error = StoreError::from(refusal::read(reply, Asked::Object).await);
        // Some storages say so, S3 does not: what is not there is as good as deleted.
        if error.kind() == StoreErrorKind::NoSuchKey && conditions.is_empty() { Ok(Removal::Absent.into()) } else { Err(error) }
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let key = address.unversioned()?;
        if self.dialect() == Dialect::Gcs {
            return self.change_facts(key, change).await;
        }
        let name = self.name_of_existing(key).await?;
        let tags = match change {
            // An ACL lies in the metadata, which only a new object could change.
            Change::Acl(acl) => {
                let (info, _) = self.look(&name, HeaderMap::new()).await?;
                return if info.attributes.acl == acl { Ok(()) } else { Err(no_acls()) };
            }
            Change::Tags(tags) => tags,
        };
        if !self.promises().await?.tags {
            return Err(no_tags());
        }
        let call = match tags.is_empty() {
            true => self.call(Method::DELETE, &name).query(&[("tagging", None)]),
            false => self.call(Method::PUT, &name).query(&[("tagging", None)]).document(describing::tagging_document(&tags)),
        };
        let reply = call.send(Again::OnlyIfRefused).await?;
        match reply.status.is_success() {
            true => Ok(()),
            false => Err(refusal::read(reply, Asked::Object).await.into()),
        }
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.list_page(request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        match self.dialect() {
            Dialect::S3 => self.begin(key, request).await,
            Dialect::Gcs => self.begin_staged(key, request).await,
        }
    }

    async fn put_part(&self, key: &ObjectKey, upload: &UploadId, number: PartNumber, payload: Payload) -> Result<PartWritten> {
        match self.dialect() {
            Dialect::S3 => self.write_part(key, upload, number, payload).await,
            Dialect::Gcs => self.stage_part(key, upload, number, payload).await,
        }
    }

    async fn copy_part(&self, key: &ObjectKey, upload: &UploadId, number: PartNumber, request: CopyPartRequest) -> Result<PartWritten> {
        self.copy_into_part(key, upload, number, request).await
    }

    async fn list_parts(&self, key: &ObjectKey, upload: &UploadId, after: u16, limit: usize) -> Result<PartsPage> {
        match self.dialect() {
            Dialect::S3 => self.parts_of(key, upload, after, limit).await,
            Dialect::Gcs => self.staged_parts(key, upload, after, limit).await,
        }
    }

    async fn complete_upload(&self, key: &ObjectKey, upload: &UploadId, request: CompleteUpload) -> Result<Written> {
        match self.dialect() {
            Dialect::S3 => self.complete(key, upload, request).await,
            Dialect::Gcs => self.complete_staged(key, upload, request).await,
        }
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        match self.dialect() {
            Dialect::S3 => self.abort(key, upload).await,
            Dialect::Gcs => self.abort_staged(key, upload).await,
        }
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.catalog.list_uploads(self.bucket, request).await?)
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        Some(NativeSource::new(self))
    }
}

impl Guard {
    pub(super) fn apply<'c>(&self, call: Call<'c>) -> Call<'c> {
        match self {
            Self::None => call,
            Self::Absent => call.text("if-none-match", "*"),
            Self::Tag(etag) => call.text("if-match", &etag.quoted()),
            Self::Generation(generation) => call.text("x-goog-if-generation-match", &generation.to_string()),
        }
    }
}

pub(super) fn no_acls() -> StoreError {
    StoreError::new(StoreErrorKind::AclNotSupported, "an object's ACL cannot be changed on this storage")
}

pub(super) fn no_tags() -> StoreError {
    StoreError::new(StoreErrorKind::NotImplemented, "The storage behind this bucket keeps no tags")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_names_bytes_that_the_object_has() {
        assert_eq!(content_range("bytes 2-4/10"), Some((10, Span { start: 2, end: 5 })));
        assert_eq!(content_range("bytes 0--1/0"), Some((0, Span::whole(0))), "a storage's words for nothing of nothing");
        for strange in ["bytes 4-2/10", "bytes 2-10/10", "bytes 2-4/*", "bytes */10", "bytes 0--1/10", "2-4/10"] {
            assert_eq!(content_range(strange), None, "{strange}");
        }
    }
}
