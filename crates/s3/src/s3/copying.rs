//! The object that a copy reads: resolved and authorized like any other read.

use super::{
    ErrorCode, On, Operation, Request, S3Error, Service, asker::Asker, headers, payment, reader::Reader,
};
use crate::{
    buckets::Bucket,
    model::{ObjectAddress, ObjectInfo},
    store::{
        CopySource,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

pub(super) struct OpenedSource {
    pub(super) bucket: Arc<Bucket>,
    pub(super) object: CopySource,
    /// A client that copies may read the tags there. An ACL does not allow it.
    pub(super) shows_tags: bool,
    /// The client may know that there is no such object.
    may_miss: bool,
}

/// The source that `x-amz-copy-source` names, with its conditions. Whether `operation` may read it is decided
/// here.
pub(super) async fn source(
    service: &Service,
    operation: Operation,
    request: &Request,
) -> Result<OpenedSource, S3Error> {
    let (name, key, version) = headers::copy_source(request)?;
    let bucket = service
        .buckets()
        .get(&name)
        .await
        .map_err(|error| S3Error::from(error).detail("BucketName", name.as_str()))?;
    let address = ObjectAddress::new(&key, version.as_ref());
    let reader = Reader::new(Asker::of(request), operation, On::Source, &bucket, address);
    let (shows_tags, may_miss) = (reader.allow_copy().await?, reader.may_miss());
    headers::expected_owner(&request.headers, "x-amz-source-expected-bucket-owner", &bucket)?;
    payment::check(request, &bucket)?;
    let conditions = headers::source_conditions(&request.headers)?;
    let object = CopySource { store: bucket.store().clone(), key, version, conditions };
    Ok(OpenedSource { bucket, object, shows_tags, may_miss })
}

impl OpenedSource {
    /// The object that is there now. The copy itself reads it again: this is for checks that only S3 makes.
    pub(super) async fn head(&self) -> Result<ObjectInfo, S3Error> {
        self.object
            .store
            .head(self.object.address(), &Default::default())
            .await
            .map_err(|error| self.failure(error))
    }

    /// Maps an error where only the source's key can be the missing one.
    pub(super) fn failure(&self, error: StoreError) -> S3Error {
        match error.kind() {
            StoreErrorKind::NoSuchKey | StoreErrorKind::NoSuchVersion if !self.may_miss => {
                S3Error::from(ErrorCode::AccessDenied).with_source(error)
            }
            StoreErrorKind::NoSuchKey => S3Error::from(error).detail("Key", self.object.key.as_str()),
            _ => error.into(),
        }
    }

    /// A 412 says whether a condition on the source was broken, as the source is now.
    pub(super) async fn name_condition(&self, error: S3Error) -> S3Error {
        if error.code != ErrorCode::PreconditionFailed || self.object.conditions.is_empty() {
            return error;
        }
        let Ok(info) = self.head().await else { return error };
        match headers::broken_source_condition(&self.object.conditions, &info) {
            Some(condition) => error.detail("Condition", condition),
            None => error,
        }
    }
}
