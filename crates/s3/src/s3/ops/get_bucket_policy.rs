//! GetBucketPolicy: the text as it was set.

use crate::s3::{Body, BucketCall, Response, S3Error, Service, bucket_policy, reply};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    bucket_policy::require_owner(&call)?;
    let policy = bucket_policy::current(&call.bucket)?;
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::Full(Bytes::copy_from_slice(policy.text().as_bytes()));
    Ok(response)
}
