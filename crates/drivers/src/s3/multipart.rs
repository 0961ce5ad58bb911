//! Multipart uploads. Each is an upload of the storage. A part is sent once, and Complete transfers no bytes.
//!
//! The catalog stores the initiator of an upload, its checksum algorithm and its id at the storage; the
//! storage stores the parts. A Complete whose reply was lost is recognised by the object's ETag, which only
//! those parts can have.

use super::{
    bucket::S3Store,
    describing::checksum_of,
    guard::Guard,
    headers::{self, answered},
    refusal::{self, RequestSubject},
    wish::Wish,
    writing::{Announced, reply_etag, unread},
};
use crate::{
    backend::{pages::Pages, uploads, wire::Again},
    catalog::{CompletedUpload, UploadRecord},
    model::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, ListedPart, PartWritten, PartsPage, Result, UploadInfo, Written,
        error::{StoreError, StoreErrorKind},
        multipart,
        payload::Payload,
    },
    xml,
};
use http::{HeaderMap, Method, StatusCode};
use md5::{Digest, Md5};

impl S3Store {
    pub(super) async fn begin(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let name = self.name(key).await?;
        let attributes = &request.attributes;
        let mut call = self
            .call(Method::POST, &name)
            .query(&[("uploads", None)])
            .headers(self.described(attributes).await?);
        let wish = Wish { class: attributes.storage_class, encryption: attributes.encryption.clone() };
        call = call.headers(self.kept_as(&wish).await?);
        let initiated = Timestamp::now();
        let upload = uploads::new_id(initiated)?;
        if request.explicit_checksum && self.keeps(request.checksum.algorithm).await? {
            let spec = request.checksum;
            call = call
                .vendor("checksum-algorithm", spec.algorithm.as_str())
                .vendor("checksum-type", spec.kind.as_str());
        }
        // A request that is repeated could begin a second upload, which nobody knows and which costs money
        // until it expires.
        let reply = call.send(Again::OnlyIfRefused).await?;
        let promised = self.promises_to(&wish, &reply);
        let document = self.document(reply, RequestSubject::Bucket).await?;
        let root = xml::parse_reply(&document).map_err(|_| unexpected())?;
        let theirs = root.value("UploadId").filter(|id| !id.is_empty()).ok_or_else(unexpected)?.to_owned();
        if let Err(refused) = promised {
            let _ = self
                .call(Method::DELETE, &name)
                .query(&[("uploadId", Some(&theirs))])
                .send(Again::Harmless)
                .await;
            return Err(refused);
        }
        let record = UploadRecord {
            bucket: self.bucket,
            upload: upload.clone(),
            key: key.clone(),
            initiator: request.initiator,
            initiated,
            attributes: request.attributes,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
            location: theirs,
        };
        self.catalog.begin_upload(record).await?;
        Ok(upload)
    }

    /// Returns the record of an upload of this key that is in progress.
    pub(super) async fn upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<UploadRecord> {
        let record = self.catalog.upload(self.bucket, upload).await?;
        record.filter(|record| record.key == *key).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    pub(super) async fn write_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let record = self.upload(key, upload).await?;
        let wanted = multipart::part_algorithm(
            record.checksum,
            record.explicit_checksum,
            payload.checksum_algorithm(),
        )?;
        // A checksum that the client did not request is left to the storage.
        let algorithm = payload.checksum_algorithm().or(record.explicit_checksum.then_some(wanted));
        let Announced { body, headers, verification, .. } = self.announce(payload, algorithm, None).await?;
        let number = number.get().to_string();
        let query = [("partNumber", Some(number.as_str())), ("uploadId", Some(record.location.as_str()))];
        let call = self.call(Method::PUT, &self.name(key).await?).query(&query).headers(headers).body(body);
        let sent = async {
            let (reply, arrived) = verification.settle(call.send(Again::Harmless).await)?;
            if reply.status.is_success() {
                Ok((reply, arrived))
            } else {
                Err(StoreError::from(refusal::read(reply, RequestSubject::Upload).await))
            }
        };
        let (reply, arrived) = match sent.await {
            // If a Complete or Abort ended the upload meanwhile, the storage may have closed the connection.
            Err(error) if error.is_temporary() => {
                return Err(self.upload(key, upload).await.err().unwrap_or(error));
            }
            other => other?,
        };
        let Some(arrived) = arrived else { return Err(unread()) };
        let etag = reply_etag(&reply, &arrived)?;
        let shown = ChecksumAlgorithm::ALL
            .into_iter()
            .find_map(|a| Checksum::from_base64(a, reply.header(a.header())?));
        Ok(PartWritten { etag, checksum: arrived.checksum.or(shown), last_modified: answered(&reply) })
    }

    pub(super) async fn parts_of(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let record = self.upload(key, upload).await?;
        let (mut parts, mut truncated) = match limit {
            0 => (Vec::new(), false),
            _ => self.page_of_parts(key, &record, after, limit).await?,
        };
        // Some storages include the part of the marker in the page.
        if parts.first().is_some_and(|part| part.number.get() == after) {
            (parts, truncated) = self.page_of_parts(key, &record, after + 1, limit).await?;
        }
        let (parts, truncated) = rising(parts, truncated, after, limit)?;
        let UploadRecord {
            key, upload, initiator, initiated, attributes, checksum, explicit_checksum, ..
        } = record;
        Ok(PartsPage {
            upload: UploadInfo {
                key,
                upload,
                initiator,
                owner: attributes.owner,
                initiated,
                checksum,
                explicit_checksum,
            },
            parts,
            truncated,
        })
    }

    async fn page_of_parts(
        &self,
        key: &ObjectKey,
        record: &UploadRecord,
        after: u16,
        limit: usize,
    ) -> Result<(Vec<ListedPart>, bool)> {
        let (marker, most) = (after.to_string(), limit.to_string());
        let query = [
            ("uploadId", Some(record.location.as_str())),
            ("part-number-marker", Some(marker.as_str())),
            ("max-parts", Some(most.as_str())),
        ];
        let reply =
            self.call(Method::GET, &self.name(key).await?).query(&query).send(Again::Harmless).await?;
        let root = xml::parse_reply(&self.document(reply, RequestSubject::Upload).await?)
            .map_err(|_| unexpected())?;
        let parts =
            root.all("Part").map(|element| listed(element).ok_or_else(unexpected)).collect::<Result<_>>()?;
        Ok((parts, root.value("IsTruncated") == Some("true")))
    }

    pub(super) async fn complete(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let _only = self.completing.lock(upload).await;
        let record = match self.upload(key, upload).await {
            Ok(record) => record,
            // The lookups are in this order because another Complete of this upload may end between them.
            Err(gone) => return self.completed(key, upload).await?.ok_or(gone),
        };
        if request.parts.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                "You must specify at least one part",
            ));
        }
        let name = self.name(key).await?;
        let guard = self.guard(&name, &request.conditions, false).await?;
        if guard != Guard::None && !self.features().await?.complete {
            let what = "The storage behind this bucket completes no upload under a condition";
            return Err(StoreError::new(StoreErrorKind::NotImplemented, what));
        }
        if let Some(announced) = request.size {
            self.check_size(key, upload, &request, announced).await?;
        }
        let keeps = self.keeps_named(&request).await?;
        if let Some((algorithm, value)) = &request.checksum {
            if !keeps {
                let what = format!(
                    "The storage behind this bucket keeps no {} of objects to compare with",
                    algorithm.as_str()
                );
                return Err(StoreError::new(StoreErrorKind::NotImplemented, what));
            }
            if headers::object_checksum(*algorithm, value, None).is_none() {
                return Err(StoreError::new(
                    StoreErrorKind::BadDigest,
                    "The checksum of the object is none that an object can have",
                ));
            }
        }
        let mut answer = self.ask_to_complete(&name, &record, &request, &guard, keeps).await?;
        let in_doubt =
            matches!(answer.refused(), Some(StoreErrorKind::InvalidPart | StoreErrorKind::InvalidRequest));
        if in_doubt
            && self.keeps_checksums().await?
            && let Some(as_kept) = self.with_kept_checksums(key, upload, &request).await?
        {
            answer = self.ask_to_complete(&name, &record, &as_kept, &guard, true).await?;
        }
        let Answer { at, status, document } = answer;
        let written = match xml::parse_reply(&document) {
            Ok(root) if status.is_success() => {
                let said = ETag::parse(root.value("ETag").ok_or_else(unexpected)?);
                // Some storages report the ETag of a multipart object only in the reply to Complete, and
                // another one afterwards.
                let etag = match self.client.known() {
                    Some(features) if !features.upload_etags => {
                        self.look(&name, HeaderMap::new()).await?.0.etag
                    }
                    _ => said,
                };
                Written { etag, last_modified: at, checksum: whole_checksum(&root), version: None }
            }
            _ => {
                let status = if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
                let error = StoreError::from(refusal::of_document(status, &document, RequestSubject::Upload));
                match error.kind() {
                    // Another request has completed the upload. If the object is made of these parts, this
                    // Complete succeeds too.
                    StoreErrorKind::NoSuchUpload => {
                        self.completed_before(&name, &request).await?.ok_or(error)?
                    }
                    _ => return Err(error),
                }
            }
        };
        let ended = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
        match self.catalog.finish_upload(self.bucket, upload, ended).await {
            Ok(()) => {}
            Err(error) if error.kind() == crate::catalog::CatalogErrorKind::NoSuchUpload => {}
            Err(error) => return Err(error.into()),
        }
        Ok(written)
    }

    async fn ask_to_complete(
        &self,
        name: &str,
        record: &UploadRecord,
        request: &CompleteUpload,
        guard: &Guard,
        checksums: bool,
    ) -> Result<Answer> {
        let mut call = self.call(Method::POST, name).query(&[("uploadId", Some(record.location.as_str()))]);
        if let Some((algorithm, value)) = &request.checksum {
            call =
                call.text(algorithm.header(), value).vendor("checksum-type", record.checksum.kind.as_str());
        }
        let call = guard.apply(call.document(complete_document(request, checksums))).patiently();
        let reply =
            call.send(if *guard == Guard::None { Again::Harmless } else { Again::OnlyIfRefused }).await?;
        Ok(Answer { at: answered(&reply), status: reply.status, document: reply.bytes(1 << 20).await? })
    }

    /// Returns the same request with exactly the checksums that the storage lists for its parts. S3 lets
    /// clients choose which checksums they name. Some storages require all checksums that they keep, and
    /// refuse others, which they do not keep because the upload was begun without them. Those were verified
    /// when the part arrived, and the part's ETag is compared here. `None`: the refusal was right, or the new
    /// request would be the same.
    async fn with_kept_checksums(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: &CompleteUpload,
    ) -> Result<Option<CompleteUpload>> {
        let (mut as_kept, mut found, mut after) = (request.clone(), 0, 0);
        loop {
            let page = self.parts_of(key, upload, after, 1000).await?;
            for listed in &page.parts {
                after = listed.number.get();
                let Ok(at) = request.parts.binary_search_by_key(&listed.number, |part| part.number) else {
                    continue;
                };
                let named = &request.parts[at];
                let (said, kept) = (named.checksum.as_ref(), listed.checksum.as_ref());
                let comparable =
                    said.zip(kept).map(|(said, kept)| (said, kept, said.algorithm() == kept.algorithm()));
                if named.etag != listed.etag
                    || comparable.is_some_and(|(said, kept, comparable)| comparable && said != kept)
                {
                    return Ok(None);
                }
                let unheard_of = comparable.is_some_and(|(.., comparable)| !comparable);
                as_kept.parts[at].checksum = listed.checksum.clone().filter(|_| !unheard_of);
                found += 1;
            }
            if !page.truncated || page.parts.is_empty() {
                break;
            }
        }
        let differs =
            as_kept.parts.iter().zip(&request.parts).any(|(kept, named)| kept.checksum != named.checksum);
        Ok((differs && found == request.parts.len()).then_some(as_kept))
    }

    pub(super) async fn completed(&self, key: &ObjectKey, upload: &UploadId) -> Result<Option<Written>> {
        let done = self.catalog.completed_upload(self.bucket, upload).await?;
        Ok(done.filter(|done| done.key == *key).map(|done| done.written))
    }

    /// Checks `x-amz-mp-object-size`, which not every storage supports.
    async fn check_size(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: &CompleteUpload,
        announced: u64,
    ) -> Result<()> {
        let (mut size, mut after) = (0u64, 0);
        loop {
            let page = self.parts_of(key, upload, after, 1000).await?;
            for part in &page.parts {
                after = part.number.get();
                if request.parts.binary_search_by_key(&part.number, |wanted| wanted.number).is_ok() {
                    size = size.saturating_add(part.size);
                }
            }
            if !page.truncated || page.parts.is_empty() {
                break;
            }
        }
        if size == announced {
            return Ok(());
        }
        let message = format!(
            "The provided 'x-amz-mp-object-size' header value {announced} does not match what was computed: {size}"
        );
        Err(StoreError::new(StoreErrorKind::InvalidRequest, message))
    }

    async fn completed_before(&self, name: &str, request: &CompleteUpload) -> Result<Option<Written>> {
        let mut md5 = Md5::new();
        for part in &request.parts {
            let Some(of_part) = part.etag.as_md5() else { return Ok(None) };
            md5.update(of_part);
        }
        let expected = ETag::multipart(md5.finalize().into(), request.parts.len());
        match self.look(name, HeaderMap::new()).await {
            Ok((info, _)) if info.etag == expected => Ok(Some(Written {
                etag: info.etag,
                last_modified: info.last_modified,
                checksum: info.checksum,
                version: None,
            })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn abort(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let record = self.upload(key, upload).await?;
        let call = self
            .call(Method::DELETE, &self.name(key).await?)
            .query(&[("uploadId", Some(record.location.as_str()))]);
        let reply = call.send(Again::Harmless).await?;
        if !reply.status.is_success() {
            let error = StoreError::from(refusal::read(reply, RequestSubject::Upload).await);
            if error.kind() != StoreErrorKind::NoSuchUpload {
                return Err(error);
            }
        }
        if self.catalog.abort_upload(self.bucket, upload).await? {
            Ok(())
        } else {
            Err(StoreErrorKind::NoSuchUpload.into())
        }
    }
}

/// The storage's reply to a Complete.
struct Answer {
    at: Timestamp,
    status: StatusCode,
    document: bytes::Bytes,
}

impl Answer {
    fn refused(&self) -> Option<StoreErrorKind> {
        let refusal = refusal::of_document(self.status, &self.document, RequestSubject::Upload);
        (!refusal.code.is_empty()).then(|| refusal.kind())
    }
}

pub(super) fn complete_document(request: &CompleteUpload, checksums: bool) -> bytes::Bytes {
    let mut document = xml::Writer::document();
    document.root("CompleteMultipartUpload", |w| {
        for part in &request.parts {
            w.element("Part", |w| {
                w.number("PartNumber", part.number.get());
                w.text("ETag", part.etag.quoted());
                if let Some(checksum) = part.checksum.as_ref().filter(|_| checksums) {
                    w.text(checksum.algorithm().element(), checksum.to_base64());
                }
            });
        }
    });
    document.finish()
}

fn whole_checksum(root: &xml::Element) -> Option<crate::model::ObjectChecksum> {
    let kind = root.value("ChecksumType").and_then(ChecksumKind::parse);
    ChecksumAlgorithm::ALL
        .into_iter()
        .find_map(|algorithm| headers::object_checksum(algorithm, root.value(algorithm.element())?, kind))
}

/// Returns the parts after the marker in order, without duplicates and at most `limit` of them. It is an
/// error if a truncated page does not advance.
fn rising(
    mut parts: Vec<ListedPart>,
    truncated: bool,
    after: u16,
    limit: usize,
) -> Result<(Vec<ListedPart>, bool)> {
    parts.sort_by_key(|part| part.number);
    parts.dedup_by_key(|part| part.number);
    parts.retain(|part| part.number.get() > after);
    if truncated && limit > 0 {
        Pages::of("listing the parts of an upload")
            .beyond(Some(&after), parts.last().map(|part| part.number.get()).as_ref())?;
    }
    let truncated = truncated || parts.len() > limit;
    parts.truncate(limit);
    Ok((parts, truncated))
}

fn listed(element: &xml::Element) -> Option<ListedPart> {
    Some(ListedPart {
        number: element.value("PartNumber")?.trim().parse().ok().and_then(PartNumber::new)?,
        size: element.value("Size")?.trim().parse().ok()?,
        etag: ETag::parse(element.value("ETag")?),
        checksum: checksum_of(element),
        last_modified: Timestamp::parse_iso8601(element.value("LastModified")?)?,
    })
}

pub(super) fn unexpected() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "the storage's reply about an upload is not understood")
}
