//! DeleteBucket: only of an empty one.

use crate::s3::{BucketCall, Response, S3Error, Service, reply};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    service.buckets().delete(call.bucket.name()).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
