//! One bucket as a [`Store`]: describing, deleting and changing objects. The other operations are in files of
//! their own.

use super::{
    bucket::S3Store,
    describing::{self, no_acls, no_tags},
    dialect::Dialect,
    gcs,
    guard::Guard,
    probe,
    reading::range_header,
    refusal::{self, RequestSubject},
};
use crate::{
    backend::wire::Again,
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest,
        Deleted, GetReply, GetRequest, ListPage, ListRequest, ListUploadsRequest, NativeSource, ObjectBody,
        PartWritten, PartsPage, PutRequest, Removal, Result, Selection, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        selection,
    },
};
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, header};

#[async_trait]
impl Store for S3Store {
    fn capabilities(&self) -> Capabilities {
        probe::capabilities(self.dialect(), self.client.known())
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        Ok(probe::capabilities(self.dialect(), Some(self.features().await?)))
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
        if info.tag_count > 0 || self.features().await?.tags {
            info.attributes.tags = self.tags(&name).await?;
            info.tag_count = info.attributes.tags.len();
        }
        // Only the ETag of a multipart object contains the number of its parts.
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
        // The position of the part is found first; afterwards the object must be unchanged.
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
                let same =
                    HeaderValue::from_str(&info.etag.quoted()).map_err(|_| StoreErrorKind::Internal)?;
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
            let first =
                self.open(&name, Some(format!("bytes={}-{}", span.start, span.end - 1)), same).await?;
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
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey && conditions.is_empty() => {
                return Ok(Removal::Absent.into());
            }
            other => other?,
        };
        let guard = self.guard(&name, conditions, true).await?;
        if matches!(guard, Guard::Absent | Guard::Generation(0)) {
            // There is no object, as the condition required, so there is nothing to delete.
            return Ok(Removal::Absent.into());
        }
        let reply = guard.apply(self.call(Method::DELETE, &name)).send(Again::OnlyIfRefused).await?;
        if reply.status.is_success() {
            // S3's reply does not show whether an object existed, unless a tag had to match.
            let tells = guard != Guard::None || self.dialect() == Dialect::Gcs;
            return Ok(if tells { Removal::Removed } else { Removal::Unknown }.into());
        }
        let error = StoreError::from(refusal::read(reply, RequestSubject::Object).await);
        // Some storages report a missing object, S3 does not: it counts as deleted.
        if error.kind() == StoreErrorKind::NoSuchKey && conditions.is_empty() {
            Ok(Removal::Absent.into())
        } else {
            Err(error)
        }
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        self.delete_several(requests).await
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let key = address.unversioned()?;
        if self.dialect() == Dialect::Gcs {
            return self.change_facts(key, change).await;
        }
        let name = self.name_of_existing(key).await?;
        let tags = match change {
            // An ACL is in the metadata, which cannot be changed without a new object.
            Change::Acl(acl) => {
                let (info, _) = self.look(&name, HeaderMap::new()).await?;
                return if info.attributes.acl == acl { Ok(()) } else { Err(no_acls()) };
            }
            Change::Tags(tags) => tags,
        };
        if !self.features().await?.tags {
            return Err(no_tags());
        }
        let call = if tags.is_empty() {
            self.call(Method::DELETE, &name).query(&[("tagging", None)])
        } else {
            self.call(Method::PUT, &name)
                .query(&[("tagging", None)])
                .document(describing::tagging_document(&tags))
        };
        let reply = call.send(Again::OnlyIfRefused).await?;
        if reply.status.is_success() {
            Ok(())
        } else {
            Err(refusal::read(reply, RequestSubject::Object).await.into())
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

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        match self.dialect() {
            Dialect::S3 => self.write_part(key, upload, number, payload).await,
            Dialect::Gcs => self.stage_part(key, upload, number, payload).await,
        }
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        self.copy_into_part(key, upload, number, request).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        match self.dialect() {
            Dialect::S3 => self.parts_of(key, upload, after, limit).await,
            Dialect::Gcs => self.staged_parts(key, upload, after, limit).await,
        }
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
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
