//! DeleteBucketTagging. It succeeds as well where there are no tags.

use crate::{
    buckets::settings::Tagging,
    model::BucketTags,
    s3::{BucketCall, Response, S3Error, Service, reply, tagging},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    tagging::require_no_abac(&call.bucket)?;
    service.buckets().set::<Tagging>(&call.bucket, &BucketTags::default()).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
