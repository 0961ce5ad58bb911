//! DeleteBucketCors. It succeeds as well where there are no rules.

use crate::{
    buckets::settings::Cors,
    model::CorsRules,
    s3::{BucketCall, Response, S3Error, Service, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    service.buckets().set::<Cors>(&call.bucket, &CorsRules::default()).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
