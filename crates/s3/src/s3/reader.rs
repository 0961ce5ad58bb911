//! One object, read by somebody who may or may not: whoever reads by an ACL is let, or not, by that of the very object that was opened.
//!
//! Invariant: nothing of an object leaves here, not even which condition it breaks, before that was decided. An operation that reads an
//! object is handed this and no store.

use super::{
    error::{ErrorCode, S3Error},
    gate::Reads,
};
use crate::{
    buckets::Bucket,
    model::{CannedAcl, ObjectAddress, ObjectInfo, ObjectKey, VersionId},
    store::{
        self, GetReply, GetRequest, Keeping,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Reader {
    bucket: Arc<Bucket>,
    key: ObjectKey,
    version: Option<VersionId>,
    reads: Reads,
}

/// What the storage answers to somebody who may read it. The outer error: he may not, or it cannot be decided.
pub(super) type Read<T> = Result<store::Result<T>, S3Error>;

impl Reader {
    pub(super) fn new(bucket: Arc<Bucket>, key: ObjectKey, version: Option<VersionId>, reads: Reads) -> Self {
        Self { bucket, key, version, reads }
    }

    fn address(&self) -> ObjectAddress<'_> {
        ObjectAddress::new(&self.key, self.version.as_ref())
    }

    /// Whether tags and names of owners may be shown.
    pub(super) fn is_by_right(&self) -> bool {
        self.reads == Reads::ByRight
    }

    pub(super) async fn get(&self, request: GetRequest) -> Read<GetReply> {
        let opened = self.bucket.store().get(self.address(), request).await;
        self.decided(opened, |reply| &reply.info).await
    }

    pub(super) async fn head(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        let found = self.bucket.store().head(self.address(), conditions).await;
        self.decided(found, |info| info).await
    }

    pub(super) async fn describe(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        let found = self.bucket.store().describe(self.address(), conditions).await;
        self.decided(found, |info| info).await
    }

    /// Before a copy reads it, which opens it by itself.
    pub(super) async fn allow(&self) -> Result<(), S3Error> {
        if self.is_by_right() || self.reads.are_let_by(self.acl().await?) { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
    }

    async fn decided<T>(&self, read: store::Result<T>, info: impl Fn(&T) -> &ObjectInfo) -> Read<T> {
        if self.is_by_right() {
            return Ok(read);
        }
        let acl = match &read {
            Ok(found) => info(found).attributes.acl,
            Err(error) if self.is_absence(error) => self.bucket.acl(),
            Err(error) if error.kind() == StoreErrorKind::NoSuchVersion => return Ok(read),
            // A condition that it breaks says something about it, too.
            Err(_) => self.acl().await?,
        };
        if self.reads.are_let_by(acl) { Ok(read) } else { Err(ErrorCode::AccessDenied.into()) }
    }

    /// Whether an error says that there is no such object. Where no versions are kept, every id but `null` is unknown, whatever the
    /// bucket holds: that says nothing of the object.
    fn is_absence(&self, error: &StoreError) -> bool {
        match error.kind() {
            StoreErrorKind::NoSuchKey => true,
            StoreErrorKind::NoSuchVersion => self.bucket.store().capabilities().versions == Keeping::Kept,
            _ => false,
        }
    }

    async fn acl(&self) -> Result<CannedAcl, S3Error> {
        match self.bucket.store().head(self.address(), &Default::default()).await {
            Ok(info) => Ok(info.attributes.acl),
            // Whoever may list may know that there is nothing.
            Err(error) if self.is_absence(&error) => Ok(self.bucket.acl()),
            Err(error) => Err(error.into()),
        }
    }
}
