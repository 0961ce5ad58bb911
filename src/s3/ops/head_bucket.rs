//! HeadBucket.

use crate::s3::{BucketCall, Response, S3Error, Service, region, reply};
use http::{HeaderName, HeaderValue, StatusCode};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let mut response = reply::empty(StatusCode::OK);
    let region = region::of(call.bucket.location(), &service.settings().region);
    if let Ok(region) = HeaderValue::try_from(region) {
        response.headers_mut().insert(HeaderName::from_static("x-amz-bucket-region"), region);
    }
    response.headers_mut().insert(HeaderName::from_static("x-amz-access-point-alias"), HeaderValue::from_static("false"));
    Ok(response)
}
