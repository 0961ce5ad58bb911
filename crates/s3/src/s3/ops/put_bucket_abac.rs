//! PutBucketAbac: whether policies see the tags of the bucket.

use crate::{
    buckets::settings::{Abac, AbacStatus},
    s3::{BucketCall, Response, S3Error, Service, reply, word},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let bucket = call.bucket.clone();
    let status = word::read(call, "AbacStatus", "Status", AbacStatus::parse).await?;
    service.buckets().set::<Abac>(&bucket, &status).await?;
    Ok(reply::empty(StatusCode::OK))
}
