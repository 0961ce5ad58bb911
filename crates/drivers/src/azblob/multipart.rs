//! Uploads: parts are blocks of a blob in the gateway's own folder, named after the upload, so that no other
//! commit discards them.
//!
//! Complete commits the chosen blocks there, with all attributes of the object, and publishes the blob by a
//! copy within the account. A part is sent once; Complete sends only its block list.
//!
//! Invariants: a part is in the catalog after its blocks are on the storage; conditions are evaluated before
//! the commit, which discards the blocks of parts that were left out, and Azure checks them again when it
//! publishes.

use super::{
    blocks::{self, Blocks},
    copying::SourceBlob,
    guard::Guard,
    headers::Draft,
    judging::judge,
    refusal,
    store::AzblobStore,
};
use crate::{
    backend::{uploads, wire::Again},
    catalog::{CompletedUpload, PartRecord, UploadRecord},
    model::{ETag, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, ListedPart, PartWritten, PartsPage, Result, UploadInfo, Written,
        error::{StoreError, StoreErrorKind},
        multipart::{RecordedPart, assemble, part_algorithm},
        payload::Payload,
        record::ObjectRecord,
    },
};
use http::{HeaderMap, Method};
use std::collections::HashMap;

pub(super) const FOLDER: &str = "uploads/";

impl AzblobStore {
    /// Returns the name of the blob that an upload's blocks belong to.
    fn stage_name(&self, upload: &UploadId) -> String {
        self.own(&format!("{FOLDER}{upload}"))
    }

    async fn upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<UploadRecord> {
        let record = self.catalog.upload(self.bucket, upload).await?;
        record.filter(|record| record.key == *key).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    pub(super) async fn begin(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        // A key that can never be published is refused before any byte is sent.
        self.name(key)?;
        let initiated = Timestamp::now();
        let upload = uploads::new_id(initiated)?;
        let record = UploadRecord {
            bucket: self.bucket,
            upload: upload.clone(),
            key: key.clone(),
            initiator: request.initiator,
            initiated,
            attributes: request.attributes,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
            location: String::new(),
        };
        self.catalog.begin_upload(record).await?;
        Ok(upload)
    }

    pub(super) async fn send_part(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let upload = self.upload(key, id).await?;
        let algorithm =
            part_algorithm(upload.checksum, upload.explicit_checksum, payload.checksum_algorithm())?;
        let body = blocks::ready(payload, algorithm).await?;
        let staged = self.stage(&self.stage_name(id), body).await?;
        let md5 = staged
            .arrived
            .md5
            .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "a part was not digested"))?;
        let part = PartRecord {
            number,
            size: staged.arrived.size,
            md5,
            checksum: staged.arrived.checksum,
            last_modified: Timestamp::now(),
            location: staged.blocks.location(),
        };
        let written = PartWritten {
            etag: ETag::from_md5(md5),
            checksum: part.checksum.clone(),
            last_modified: part.last_modified,
        };
        // The blocks of a part that was replaced are discarded by the commit.
        self.catalog.put_part(self.bucket, id, part).await?;
        Ok(written)
    }

    pub(super) async fn parts_page(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let record = self.upload(key, id).await?;
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
            key: record.key,
            upload: record.upload,
            initiator: record.initiator,
            owner: record.attributes.owner,
            initiated: record.initiated,
            checksum: record.checksum,
            explicit_checksum: record.explicit_checksum,
        };
        Ok(PartsPage { upload, parts: listed.collect(), truncated })
    }

    /// Completes an upload in a task of its own. Once begun, the task runs to its end, even if the client
    /// disconnects.
    pub(super) async fn complete(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let (store, key, id) = (self.share(), key.clone(), id.clone());
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
        let _completing = self.completing.lock(id).await;
        let upload = match self.upload(key, id).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => return self.replay(key, id).await,
            other => other?,
        };
        let recorded = self.catalog.parts(self.bucket, id, 0, usize::MAX).await?;
        let known: Vec<RecordedPart> = recorded
            .iter()
            .map(|part| RecordedPart {
                number: part.number,
                size: part.size,
                md5: part.md5,
                checksum: part.checksum.clone(),
            })
            .collect();
        let assembled = assemble(upload.checksum, upload.explicit_checksum, &request, &known)?;
        let draft = Draft::new(ObjectRecord::of_upload(assembled, upload.attributes, id.clone()));
        match self.publish_upload(key, id, &request, &recorded, &draft).await {
            Ok(written) => self.finish(key, id, written).await,
            // The conflicting object may be the result of this upload, published before a crash or with a
            // lost reply.
            Err(error) => match self.find(&self.name(key)?).await? {
                Some(found)
                    if found
                        .record
                        .as_ref()
                        .is_some_and(|record| record.object.upload.as_ref() == Some(id)) =>
                {
                    let ObjectInfo { etag, last_modified, checksum, .. } = found.info;
                    let written = Written { etag, last_modified, checksum, version: None };
                    self.finish(key, id, written).await
                }
                _ => Err(error),
            },
        }
    }

    async fn publish_upload(
        &self,
        key: &ObjectKey,
        id: &UploadId,
        request: &CompleteUpload,
        recorded: &[PartRecord],
        draft: &Draft,
    ) -> Result<Written> {
        let (name, stage) = (self.name(key)?, self.stage_name(id));
        if !request.conditions.is_empty() {
            judge(&request.conditions, self.find(&name).await?.as_ref())?;
        }
        let located: HashMap<u16, &PartRecord> =
            recorded.iter().map(|part| (part.number.get(), part)).collect();
        let blocks: Vec<Blocks> = draft
            .object
            .parts
            .list()
            .iter()
            .map(|part| located.get(&part.number).and_then(|part| Blocks::parse(&part.location)))
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "a part is in no known location"))?;
        let native = draft.native();
        let list = blocks::list(blocks.iter());
        let reply =
            self.commit(&stage, &list, None, &super::headers::of_native(&native), Guard::None).await?;
        if !reply.status.is_success() {
            let refusal = refusal::read(reply).await;
            // An earlier commit left these parts out, or a process that was then killed published the upload
            // and removed all of its blocks.
            return Err(if refusal.is_overtaken() {
                StoreErrorKind::NoSuchUpload.into()
            } else {
                refusal.into()
            });
        }
        let source = SourceBlob { url: self.client.source(&self.location.remote, &stage), tag: None, native };
        Ok(draft.clone().written(&self.publish_copy(key, &request.conditions, &source, draft).await??))
    }

    /// Records that the upload was published, and removes its staged blob.
    async fn finish(&self, key: &ObjectKey, id: &UploadId, written: Written) -> Result<Written> {
        // The blob is removed before the upload is forgotten: a Complete that is repeated after a crash at
        // this point must not publish again.
        let stage = self.stage_name(id);
        if let Err(error) = self.remove_blob(&stage).await {
            tracing::warn!(%error, upload = %id, "what was staged of an upload could not be removed; it is swept later");
        }
        let completed = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
        self.catalog.finish_upload(self.bucket, id, completed).await?;
        Ok(written)
    }

    /// Returns the result of an earlier Complete of the same upload that succeeded.
    async fn replay(&self, key: &ObjectKey, id: &UploadId) -> Result<Written> {
        let completed =
            self.catalog.completed_upload(self.bucket, id).await?.filter(|completed| completed.key == *key);
        Ok(completed.ok_or(StoreErrorKind::NoSuchUpload)?.written)
    }

    pub(super) async fn abort(&self, key: &ObjectKey, id: &UploadId) -> Result<()> {
        self.upload(key, id).await?;
        let _completing = self.completing.lock(id).await;
        if !self.catalog.abort_upload(self.bucket, id).await? {
            return Err(StoreErrorKind::NoSuchUpload.into());
        }
        // The storage may have blocks although the catalog has no part: an interrupted part leaves them.
        if let Err(error) = self.discard(&self.stage_name(id)).await {
            tracing::warn!(%error, upload = %id, "blocks of an aborted upload are left to the storage, which drops them after a week");
        }
        Ok(())
    }

    /// Blocks without a blob cannot be deleted: a commit with an empty list discards them.
    async fn discard(&self, stage: &str) -> Result<()> {
        let empty = blocks::list(std::iter::empty());
        refusal::accept(self.commit(stage, &empty, None, &HeaderMap::new(), Guard::None).await?).await?;
        self.remove_blob(stage).await
    }

    /// Removes a blob in the gateway's own folder.
    pub(super) async fn remove_blob(&self, name: &str) -> Result<()> {
        let reply = self.blob(Method::DELETE, name).send(Again::Harmless).await?;
        match refusal::accept(reply).await {
            Err(error) if error.kind() != StoreErrorKind::NoSuchKey => Err(error),
            _ => Ok(()),
        }
    }
}
