//! DeleteBucketOwnershipControls: ACLs count again. Where there are no controls, nothing changes.

use crate::{
    buckets::settings::OwnershipControls,
    s3::{BucketCall, Response, S3Error, Service, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    service.buckets().set::<OwnershipControls>(&call.bucket, &None).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
