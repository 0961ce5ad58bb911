//! DeleteBucketWebsite. It succeeds as well where there is no website.

use crate::{
    buckets::settings::WebsiteConfiguration,
    s3::{BucketCall, Response, S3Error, Service, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    service.buckets().set::<WebsiteConfiguration>(&call.bucket, &None).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
