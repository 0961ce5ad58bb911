//! DeleteBucketPolicy. Where there is none, nothing changes.

use crate::{
    buckets::settings::PolicyDocument,
    s3::{BucketCall, Response, S3Error, Service, bucket_policy, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    bucket_policy::require_owner(&call)?;
    service.buckets().set::<PolicyDocument>(&call.bucket, &None).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
