//! Uploads: parts are collected under a private name, and Complete publishes them by a copy within the
//! storage.
//!
//! GCS accepts metadata only when an upload begins, and conditions never. So the parts of an upload are sent
//! to a name of its own ([`STAGE`]); Complete assembles them there, and copies the result to its key with all
//! its attributes, under a precondition on the generation. The catalog stores the parts, with the checksums
//! that GCS does not keep.
//!
//! A repeated Complete continues an interrupted one: the staged object is the assembled one if its size and
//! CRC32C are those of the named parts, and the published object names the upload that created it.
//! Invariants: a part is in the catalog after the storage has it; the staged object is removed before the
//! upload is forgotten.

use super::{
    ROUNDS, STAGE,
    facts::{self, Facts},
    not_ours,
    writing::{SourceObject, is_lost_race},
};
use crate::{
    backend::{uploads, wire::Again},
    catalog::{CompletedUpload, PartRecord, UploadRecord},
    model::{
        Checksum, ChecksumAlgorithm, ETag, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId,
        combine_crc,
    },
    s3::{
        bucket::S3Store,
        headers::answered,
        multipart::{complete_document, unexpected},
        refusal::{self, RequestSubject},
        writing::{Announced, reply_etag, unread},
    },
    store::{
        BeginUpload, CompletePart, CompleteUpload, ListedPart, PartWritten, PartsPage, Result, UploadInfo,
        Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
        multipart::{Assembled, RecordedPart, assemble, part_algorithm, too_large},
        payload::Payload,
        record::ObjectRecord,
    },
    xml,
};
use http::{HeaderMap, Method, StatusCode};

/// The largest object (Google Cloud, "Quotas and limits").
const MAX_SIZE: u64 = 5 << 40;

impl S3Store {
    pub(super) fn stage(&self, upload: &str) -> String {
        self.location.below(&format!("{STAGE}{upload}"))
    }

    pub(in crate::s3) async fn begin_staged(
        &self,
        key: &ObjectKey,
        request: BeginUpload,
    ) -> Result<UploadId> {
        // A key that can never be published is refused before any byte is sent.
        not_ours(key)?;
        self.name(key).await?;
        Facts::of(request.attributes.clone()).headers()?;
        let initiated = Timestamp::now();
        let upload = uploads::new_id(initiated)?;
        let call = self.call(Method::POST, &self.stage(upload.as_str())).query(&[("uploads", None)]);
        let document = self.document(call.send(Again::OnlyIfRefused).await?, RequestSubject::Bucket).await?;
        let root = xml::parse_reply(&document).map_err(|_| unexpected())?;
        let location = root.value("UploadId").filter(|id| !id.is_empty()).ok_or_else(unexpected)?.to_owned();
        let record = UploadRecord {
            bucket: self.bucket,
            upload: upload.clone(),
            key: key.clone(),
            initiator: request.initiator,
            initiated,
            attributes: request.attributes,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
            location,
        };
        self.catalog.begin_upload(record).await?;
        Ok(upload)
    }

    pub(in crate::s3) async fn stage_part(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        // Bodies of one part are sent one at a time, so that storage and catalog agree on which one was the
        // last.
        let _only = self.sending.lock(&(id.clone(), number)).await;
        let upload = self.upload(key, id).await?;
        let algorithm =
            part_algorithm(upload.checksum, upload.explicit_checksum, payload.checksum_algorithm())?;
        let Announced { body, headers, verification, .. } =
            self.announce(payload, Some(algorithm), None).await?;
        let n = number.get().to_string();
        let query = [("partNumber", Some(n.as_str())), ("uploadId", Some(upload.location.as_str()))];
        let call = self.call(Method::PUT, &self.stage(id.as_str())).query(&query).headers(headers).body(body);
        let sent = async {
            let (reply, arrived) = verification.settle(call.send(Again::Harmless).await)?;
            if reply.status.is_success() {
                Ok((reply, arrived))
            } else {
                Err(StoreError::from(refusal::read(reply, RequestSubject::Upload).await))
            }
        };
        let (reply, arrived) = match sent.await {
            // If a Complete or Abort ended the upload meanwhile, GCS may have closed the connection.
            Err(error) if error.is_temporary() => {
                return Err(self.upload(key, id).await.err().unwrap_or(error));
            }
            other => other?,
        };
        let Some(arrived) = arrived else { return Err(unread()) };
        let theirs = reply_etag(&reply, &arrived)?;
        let md5 = theirs.as_md5().or(arrived.md5).or_else(|| md5_of(facts::hash(&reply.headers, "md5=")?));
        let part = PartRecord {
            number,
            size: arrived.size,
            md5: md5.ok_or_else(|| {
                StoreError::new(StoreErrorKind::Internal, "the storage's reply has no MD5 of the part")
            })?,
            checksum: arrived.checksum,
            last_modified: answered(&reply),
            location: Location { etag: theirs, crc32c: crc32c(&reply.headers) }.text(),
        };
        let written = PartWritten {
            etag: ETag::from_md5(part.md5),
            checksum: part.checksum.clone(),
            last_modified: part.last_modified,
        };
        self.catalog.put_part(self.bucket, id, part).await?;
        Ok(written)
    }

    pub(in crate::s3) async fn staged_parts(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let UploadRecord {
            key, upload, initiator, initiated, attributes, checksum, explicit_checksum, ..
        } = self.upload(key, id).await?;
        let mut parts = self.catalog.parts(self.bucket, id, after, limit.saturating_add(1)).await?;
        let truncated = parts.len() > limit && limit > 0;
        parts.truncate(limit);
        let listed = parts.into_iter().map(|part| ListedPart {
            number: part.number,
            size: part.size,
            etag: ETag::from_md5(part.md5),
            checksum: part.checksum,
            last_modified: part.last_modified,
        });
        let upload = UploadInfo {
            key,
            upload,
            initiator,
            owner: attributes.owner,
            initiated,
            checksum,
            explicit_checksum,
        };
        Ok(PartsPage { upload, parts: listed.collect(), truncated })
    }

    /// Completes an upload in a task of its own. Once begun, the task runs to its end, even if the client
    /// disconnects.
    pub(in crate::s3) async fn complete_staged(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let (store, key, id) = (self.clone(), key.clone(), id.clone());
        let task = tokio::spawn(async move { store.complete_to_the_end(&key, &id, request).await });
        task.await.map_err(|error| {
            StoreError::new(StoreErrorKind::Internal, "completing failed").with_source(error)
        })?
    }

    async fn complete_to_the_end(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let _only = self.completing.lock(id).await;
        let upload = match self.upload(key, id).await {
            Err(gone) if gone.kind() == StoreErrorKind::NoSuchUpload => {
                return self.completed(key, id).await?.ok_or(gone);
            }
            other => other?,
        };
        let name = self.name(key).await?;
        let parts = self.catalog.parts(self.bucket, id, 0, usize::MAX).await?;
        let assembled = assemble(upload.checksum, upload.explicit_checksum, &request, &recorded(&parts))?;
        if assembled.size > MAX_SIZE {
            return Err(too_large("Google Cloud Storage takes no object of more than 5 TiB", MAX_SIZE));
        }
        // Assembling consumes the parts, so everything that can be refused is checked before.
        if !request.conditions.is_empty()
            && let Some(published) = self.judge(&name, &request.conditions, id).await?
        {
            return self.finish(key, id, of_info(published)).await;
        }
        let written = match self.assemble_stage(&upload, &assembled, &parts).await {
            Ok(()) => self.publish(&name, &upload, assembled, &request.conditions).await?,
            // The upload was assembled before, from other parts, or it is published already.
            Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => {
                match self.made_by(&name, id).await? {
                    Some(found) => of_info(found),
                    None => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        self.finish(key, id, written).await
    }

    /// Evaluates conditions against the current object. `Some`: the object is the result of this upload,
    /// which was published before its end was recorded.
    async fn judge(
        &self,
        name: &str,
        conditions: &WriteConditions,
        id: &UploadId,
    ) -> Result<Option<ObjectInfo>> {
        let found = match self.look(name, HeaderMap::new()).await {
            Ok((info, headers)) if Facts::read(&headers, info.size).is_of(id) => return Ok(Some(info)),
            Ok((info, _)) => Some(info),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(error) => return Err(error),
        };
        let current = found.as_ref().map(|info| Current {
            etag: &info.etag,
            size: info.size,
            last_modified: info.last_modified,
        });
        conditions.check(current)?;
        Ok(None)
    }

    /// Assembles the chosen parts under the private name, unless an earlier Complete has done so.
    async fn assemble_stage(
        &self,
        upload: &UploadRecord,
        assembled: &Assembled,
        parts: &[PartRecord],
    ) -> Result<()> {
        let stage = self.stage(upload.upload.as_str());
        let chosen: Vec<(PartNumber, Location, u64)> = assembled
            .parts
            .iter()
            .filter_map(|part| parts.iter().find(|record| record.number.get() == part.number))
            .map(|record| (record.number, Location::parse(&record.location), record.size))
            .collect();
        let named = chosen.iter().map(|(number, at, _)| CompletePart {
            number: *number,
            etag: at.etag.clone(),
            checksum: None,
        });
        let request = CompleteUpload {
            parts: named.collect(),
            conditions: Default::default(),
            checksum: None,
            size: None,
        };
        let call = self.call(Method::POST, &stage).query(&[("uploadId", Some(upload.location.as_str()))]);
        let reply =
            call.document(complete_document(&request, false)).patiently().send(Again::Harmless).await?;
        let (status, document) = (reply.status, reply.bytes(1 << 20).await?);
        if status.is_success() && xml::parse_reply(&document).is_ok() {
            return Ok(());
        }
        let status = if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        let gone = StoreError::from(refusal::of_document(status, &document, RequestSubject::Upload));
        if gone.kind() != StoreErrorKind::NoSuchUpload {
            return Err(gone);
        }
        let (there, headers) = match self.look(&stage, HeaderMap::new()).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Err(gone),
            other => other?,
        };
        let expected = chosen.iter().try_fold(None::<Checksum>, |sum, (_, at, size)| {
            let next = at.crc32c.clone()?;
            Some(Some(match sum {
                Some(sum) => combine_crc(&sum, &next, *size)?,
                None => next,
            }))
        });
        let same = match (expected.flatten(), crc32c(&headers)) {
            (Some(expected), Some(found)) => expected == found,
            _ => true,
        };
        if same && there.size == assembled.size { Ok(()) } else { Err(gone) }
    }

    async fn publish(
        &self,
        name: &str,
        upload: &UploadRecord,
        assembled: Assembled,
        conditions: &WriteConditions,
    ) -> Result<Written> {
        let id = &upload.upload;
        let object = ObjectRecord::of_upload(assembled, upload.attributes.clone(), id.clone());
        let facts = Facts { says_etag: true, ..Facts::new(object) };
        let described = facts.headers()?;
        let source = SourceObject { path: self.path(&self.stage(id.as_str())), generation: None };
        for _ in 0..ROUNDS {
            let guard = self.guard(name, conditions, false).await?;
            match self.rewrite(name, &source, described.clone(), &guard).await {
                Ok(last_modified) => {
                    return Ok(Written { last_modified, ..facts.object.written() });
                }
                // The conflicting object may be the result of this upload, published by a request whose reply
                // was lost.
                Err(error) if is_lost_race(&error) => match self.made_by(name, id).await? {
                    Some(found) => return Ok(of_info(found)),
                    None if error.kind() == StoreErrorKind::NoSuchKey || conditions.wants_absent() => {
                        return Err(error);
                    }
                    None => {}
                },
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Conflict,
            "the object changes faster than its conditions can be checked",
        ))
    }

    async fn made_by(&self, name: &str, id: &UploadId) -> Result<Option<ObjectInfo>> {
        match self.look(name, HeaderMap::new()).await {
            Ok((info, headers)) => Ok(Facts::read(&headers, info.size).is_of(id).then_some(info)),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the staged object of a published upload, and then records the upload as completed.
    async fn finish(&self, key: &ObjectKey, id: &UploadId, written: Written) -> Result<Written> {
        if let Err(error) = self.drop_staged(&self.stage(id.as_str())).await {
            tracing::warn!(%error, upload = %id, "what was staged of an upload could not be removed; it is swept later");
        }
        let ended = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
        self.catalog.finish_upload(self.bucket, id, ended).await?;
        Ok(written)
    }

    pub(super) async fn drop_staged(&self, stage: &str) -> Result<()> {
        let reply = self.call(Method::DELETE, stage).send(Again::Harmless).await?;
        if reply.status.is_success() || reply.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(refusal::read(reply, RequestSubject::Object).await.into())
    }

    pub(in crate::s3) async fn abort_staged(&self, key: &ObjectKey, id: &UploadId) -> Result<()> {
        self.upload(key, id).await?;
        let _only = self.completing.lock(id).await;
        let record = self.upload(key, id).await?;
        self.drop_upload(&self.stage(id.as_str()), &record.location).await?;
        if self.catalog.abort_upload(self.bucket, id).await? {
            Ok(())
        } else {
            Err(StoreErrorKind::NoSuchUpload.into())
        }
    }

    pub(super) async fn drop_upload(&self, stage: &str, theirs: &str) -> Result<()> {
        let reply = self
            .call(Method::DELETE, stage)
            .query(&[("uploadId", Some(theirs))])
            .send(Again::Harmless)
            .await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let error = StoreError::from(refusal::read(reply, RequestSubject::Upload).await);
        match error.kind() {
            // A Complete that was interrupted has assembled it.
            StoreErrorKind::NoSuchUpload => self.drop_staged(stage).await,
            _ => Err(error),
        }
    }
}

/// What the storage reported of a part.
struct Location {
    etag: ETag,
    crc32c: Option<Checksum>,
}

impl Location {
    fn text(&self) -> String {
        format!(
            "{} {}",
            self.etag.as_str(),
            self.crc32c.as_ref().map(Checksum::to_base64).unwrap_or_default()
        )
    }

    fn parse(text: &str) -> Self {
        let (etag, sum) = text.split_once(' ').unwrap_or((text, ""));
        Self { etag: ETag::parse(etag), crc32c: Checksum::from_base64(ChecksumAlgorithm::Crc32c, sum) }
    }
}

fn crc32c(headers: &HeaderMap) -> Option<Checksum> {
    facts::native(headers).map(|sum| sum.checksum)
}

fn md5_of(text: &str) -> Option<[u8; 16]> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn recorded(parts: &[PartRecord]) -> Vec<RecordedPart> {
    parts
        .iter()
        .map(|part| RecordedPart {
            number: part.number,
            size: part.size,
            md5: part.md5,
            checksum: part.checksum.clone(),
        })
        .collect()
}

fn of_info(info: ObjectInfo) -> Written {
    Written { etag: info.etag, last_modified: info.last_modified, checksum: info.checksum, version: None }
}
