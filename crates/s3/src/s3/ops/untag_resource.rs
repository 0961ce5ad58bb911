//! UntagResource: removes tags of a bucket by their keys. A key that it does not have changes nothing.

use crate::{
    buckets::settings::Tagging,
    s3::{BucketCall, Response, S3Error, Service, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let keys: Vec<&str> = call.request.query.all("tagKeys").collect();
    service.buckets().change::<Tagging, S3Error>(&call.bucket, |known| Ok(known.without(&keys))).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
