//! PutBucketWebsite: replaces the website configuration.

use crate::{
    buckets::settings::WebsiteConfiguration,
    s3::{BucketCall, Response, S3Error, Service, reply, website},
};
use http::StatusCode;
use std::sync::Arc;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let BucketCall { request, bucket } = call;
    let website = website::read(&request.payload.collect(website::MAX_DOCUMENT).await?)?;
    service.buckets().set::<WebsiteConfiguration>(&bucket, &Some(Arc::new(website))).await?;
    Ok(reply::empty(StatusCode::OK))
}
