//! PutBucketAccelerateConfiguration: kept. There are no other endpoints that could be faster.

use crate::{
    buckets::settings::{Accelerate, Acceleration},
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, reply, word},
};
use http::StatusCode;

/// As S3 says it.
const DOTS: &str = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let bucket = call.bucket.clone();
    let parse = |text: &str| Accelerate::parse(text).filter(|status| *status != Accelerate::Unset);
    let status = word::read(call, "AccelerateConfiguration", "Status", parse).await?;
    if bucket.name().as_str().contains('.') {
        return Err(S3Error::new(ErrorCode::InvalidRequest, DOTS));
    }
    service.buckets().set::<Acceleration>(&bucket, &status).await?;
    Ok(reply::empty(StatusCode::OK))
}
