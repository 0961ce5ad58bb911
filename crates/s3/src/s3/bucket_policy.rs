//! What the operations on the policy of a bucket share.

use super::{BucketCall, ErrorCode, S3Error, asker::Asker, rights};
use crate::buckets::{
    Bucket,
    settings::{BucketPolicy, PolicyDocument},
};
use std::sync::Arc;

/// The policy, or 404.
pub(super) fn current(bucket: &Bucket) -> Result<Arc<BucketPolicy>, S3Error> {
    let policy = bucket.settings().get::<PolicyDocument>().clone();
    policy.ok_or_else(|| {
        S3Error::from(ErrorCode::NoSuchBucketPolicy).detail("BucketName", bucket.name().as_str())
    })
}

/// S3 API reference, PutBucketPolicy: whoever has the permission and is not of the owner's account is
/// answered 405.
pub(super) fn require_owner(call: &BucketCall) -> Result<(), S3Error> {
    let asker = Asker::of(&call.request);
    if rights::is_of_owner(asker.context, &call.bucket) {
        Ok(())
    } else {
        Err(ErrorCode::MethodNotAllowed.into())
    }
}
