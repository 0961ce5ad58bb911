//! DeletePublicAccessBlock. Where there is none, nothing changes.

use crate::{
    buckets::settings::PublicAccessBlock,
    s3::{BucketCall, Response, S3Error, Service, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    service.buckets().set::<PublicAccessBlock>(&call.bucket, &None).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
