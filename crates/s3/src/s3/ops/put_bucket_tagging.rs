//! PutBucketTagging: replaces all tags.

use crate::{
    buckets::settings::Tagging,
    s3::{BucketCall, Response, S3Error, Service, headers, reply, tagging},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let BucketCall { request, bucket } = call;
    headers::require_integrity(&request)?;
    tagging::require_no_abac(&bucket)?;
    let tags = tagging::read_of_bucket(&request.payload.collect(tagging::MAX_DOCUMENT).await?)?;
    service.buckets().set::<Tagging>(&bucket, &tags).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
