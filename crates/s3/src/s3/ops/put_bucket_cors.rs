//! PutBucketCors: replaces all rules.

use crate::{
    buckets::settings::Cors,
    s3::{BucketCall, Response, S3Error, Service, cors, headers, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let BucketCall { request, bucket } = call;
    headers::require_integrity(&request)?;
    let rules = cors::read(&request.payload.collect(cors::MAX_DOCUMENT).await?)?;
    service.buckets().set::<Cors>(&bucket, &rules).await?;
    Ok(reply::empty(StatusCode::OK))
}
