//! HeadBucket.

use crate::s3::{BucketCall, Response, S3Error, Service, identification, reply};
use http::{HeaderName, HeaderValue, StatusCode};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let mut response = reply::empty(StatusCode::OK);
    let identified =
        identification::headers(call.bucket.name(), &call.bucket.location(), &service.settings().region);
    response.headers_mut().extend(identified);
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-amz-access-point-alias"), HeaderValue::from_static("false"));
    Ok(response)
}
