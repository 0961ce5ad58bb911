//! Copies within one storage: the storage makes them, and no byte passes through the gateway. Copies between
//! storages use the default, which streams.

use super::{
    Dialect,
    bucket::S3Store,
    describing::checksum_of,
    headers,
    refusal::{self, RequestSubject},
    wish::Wish,
};
use crate::{
    backend::wire::{Again, Reply, encode_path},
    model::{Attributes, ByteRange, ETag, ObjectInfo, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        CopyAttributes, CopyPartRequest, CopyRequest, CopySource, PartWritten, Result, Written, copy,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::{Method, StatusCode};
use std::sync::Arc;

/// How often a copy is repeated because the source was replaced meanwhile.
const PATIENCE: usize = 16;

impl S3Store {
    pub(super) async fn copy_object(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        let Some(from) = self.here(&request.source).await? else {
            return copy::stream_object(self, key, request).await;
        };
        let attributes = &request.attributes;
        let replaces_tags = attributes.tags.as_ref().is_some_and(|tags| !tags.is_empty());
        // A copy that the storage cannot make in one step is streamed through the gateway.
        let plain = request.conditions.is_empty();
        // S3 refuses to copy an object onto itself without a change.
        let changes = attributes.metadata.is_some()
            || !wish(attributes).is_empty()
            || request.checksum.is_some()
            || request.source.key != *key
            || !self.is(&request.source);
        let features = self.features().await?;
        let tags_are_kept = self.dialect() == Dialect::S3 && features.tags;
        let sums = self.sums_copies(request.checksum).await?;
        if !features.copies || !plain || !changes || !sums || (replaces_tags && !tags_are_kept) {
            return copy::stream_object(self, key, request).await;
        }
        for _ in 0..PATIENCE {
            // The metadata also contains attributes that belong to the source alone: its ACL, and on GCS
            // more. They must not be copied, so the source is read first.
            let pinned = match &attributes.metadata {
                None => Some(request.source.store.head(request.source.address(), &Default::default()).await?),
                Some(_) => None,
            };
            match &pinned {
                Some(source) => request.source.conditions.check_source(&source.etag, source.last_modified)?,
                None => self.check_source(&request.source).await?,
            }
            match self.copy_here(key, &request, &from, pinned.as_ref(), tags_are_kept).await {
                // The source was replaced between the check and the copy.
                Err(error) if pinned.is_some() && error.kind() == StoreErrorKind::PreconditionFailed => {}
                other => return other,
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "the source of the copy was replaced again and again"))
    }

    async fn copy_here(
        &self,
        key: &ObjectKey,
        request: &CopyRequest,
        from: &str,
        pinned: Option<&ObjectInfo>,
        tags_are_kept: bool,
    ) -> Result<Written> {
        let attributes = &request.attributes;
        let (name, wish) = (self.name(key).await?, wish(&request.attributes));
        let mut call =
            self.call(Method::PUT, &name).vendor("copy-source", from).headers(self.kept_as(&wish).await?);
        let CopyAttributes { acl, owner, .. } = attributes;
        let own = |given: &Attributes| Attributes { acl: acl.clone(), owner: owner.clone(), ..given.clone() };
        let replaced = match (&attributes.metadata, pinned) {
            (Some(given), _) => Some(own(given)),
            // A website redirect is not copied, but not every storage knows that.
            (None, Some(source))
                if self.dialect() == Dialect::Gcs
                    || source.attributes.acl != *acl
                    || source.attributes.owner != *owner
                    || source.attributes.website_redirect.is_some() =>
            {
                Some(Attributes { website_redirect: None, ..own(&source.attributes) })
            }
            _ => None,
        };
        match pinned {
            Some(source) => call = call.vendor("copy-source-if-match", &source.etag.quoted()),
            None => {
                call = call.headers(headers::of_conditions(
                    &request.source.conditions,
                    &self.dialect().header("copy-source-"),
                ))
            }
        }
        match &replaced {
            Some(given) => {
                let untagged = Attributes { tags: Default::default(), ..given.clone() };
                call = call.vendor("metadata-directive", "REPLACE").headers(self.described(&untagged).await?);
            }
            None => call = call.vendor("metadata-directive", "COPY"),
        }
        if tags_are_kept {
            match &attributes.tags {
                Some(tags) => {
                    call = call
                        .vendor("tagging-directive", "REPLACE")
                        .headers(self.tagging(&headers::tagging(tags)))
                }
                None => call = call.vendor("tagging-directive", "COPY"),
            }
        }
        if let Some(algorithm) = request.checksum.filter(|_| self.dialect() == Dialect::S3) {
            call = call.vendor("checksum-algorithm", algorithm.as_str());
        }
        let reply = call.patiently().send(Again::OnlyIfRefused).await?;
        let said = reply.headers.clone();
        let root = copied(reply).await?;
        self.confirm(&name, &wish, &said).await?;
        let checksum = crate::model::ChecksumAlgorithm::ALL
            .into_iter()
            .find_map(|a| headers::object_checksum(a, root.value(a.element())?, None));
        Ok(Written { etag: etag(&root)?, last_modified: modified(&root), checksum, version: None })
    }

    pub(super) async fn copy_into_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        // GCS has no UploadPartCopy, so parts are streamed.
        let here = self.here(&request.source).await?.filter(|_| self.dialect() == Dialect::S3);
        let record = self.upload(key, upload).await?;
        let features = self.features().await?;
        let summed = features.summed_part_copies && self.keeps(record.checksum.algorithm).await?;
        let kept = features.part_copies && (!record.explicit_checksum || summed || !features.checksums);
        let Some(from) = here.filter(|_| kept) else {
            return copy::stream_part(self, key, upload, number, request).await;
        };
        self.check_source(&request.source).await?;
        let n = number.get().to_string();
        let query = [("partNumber", Some(n.as_str())), ("uploadId", Some(record.location.as_str()))];
        let mut call =
            self.call(Method::PUT, &self.name(key).await?).query(&query).vendor("copy-source", &from);
        call = call.headers(headers::of_conditions(
            &request.source.conditions,
            &self.dialect().header("copy-source-"),
        ));
        if let Some(range) = request.range {
            let CopySource { store, conditions, .. } = &request.source;
            let source =
                store.head(request.source.address(), conditions).await.map_err(|error| {
                    match error.kind() {
                        StoreErrorKind::NotModified => StoreErrorKind::PreconditionFailed.into(),
                        _ => error,
                    }
                })?;
            copy::check_range(range, source.size)?;
            if let ByteRange::FromTo(first, last) = range {
                call = call.vendor("copy-source-range", &format!("bytes={first}-{last}"));
            }
            call = call.vendor("copy-source-if-match", &source.etag.quoted());
        }
        let root = copied(call.patiently().send(Again::Harmless).await?).await?;
        Ok(PartWritten { etag: etag(&root)?, checksum: checksum_of(&root), last_modified: modified(&root) })
    }

    /// Checks the conditions on the source. They are also sent with the copy, but not every storage evaluates
    /// them.
    async fn check_source(&self, source: &CopySource) -> Result<()> {
        if source.conditions.is_empty() {
            return Ok(());
        }
        let info = source.store.head(source.address(), &Default::default()).await?;
        Ok(source.conditions.check_source(&info.etag, info.last_modified)?)
    }

    fn is(&self, source: &CopySource) -> bool {
        source.native::<S3Store>().is_some_and(|store| store.bucket == self.bucket)
    }

    /// Returns the source as a header value, if it is on this storage.
    async fn here(&self, source: &CopySource) -> Result<Option<String>> {
        match source.native::<S3Store>() {
            Some(store) if Arc::ptr_eq(&store.client, &self.client) => {
                let name = store.name_of_existing(&source.key).await?;
                Ok(Some(format!("/{}/{}", encode_path(&store.location.remote), encode_path(&name))))
            }
            _ => Ok(None),
        }
    }
}

fn wish(attributes: &CopyAttributes) -> Wish {
    Wish { class: attributes.storage_class, encryption: attributes.encryption.clone() }
}

/// Returns the document of a copy. A copy may fail after a 200: the document shows the error.
pub(super) async fn copied(reply: Reply) -> Result<xml::Element> {
    let (status, document) = (reply.status, reply.bytes(1 << 20).await?);
    match xml::parse_reply(&document) {
        Ok(root) if status.is_success() => Ok(root),
        _ => {
            let status = if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
            let error = StoreError::from(refusal::of_document(status, &document, RequestSubject::Object));
            // A copy never replies 304.
            Err(if error.kind() == StoreErrorKind::NotModified {
                StoreErrorKind::PreconditionFailed.into()
            } else {
                error
            })
        }
    }
}

fn etag(root: &xml::Element) -> Result<ETag> {
    let none = || StoreError::new(StoreErrorKind::Internal, "the storage's reply about a copy has no ETag");
    root.value("ETag").map(ETag::parse).ok_or_else(none)
}

pub(super) fn modified(root: &xml::Element) -> Timestamp {
    root.value("LastModified").and_then(Timestamp::parse_iso8601).unwrap_or_else(Timestamp::now)
}
