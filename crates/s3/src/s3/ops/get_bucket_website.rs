//! GetBucketWebsite.

use crate::{
    buckets::settings::WebsiteConfiguration,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, website},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    match call.bucket.settings().get::<WebsiteConfiguration>() {
        Some(website) => Ok(website::document(website)),
        None => Err(ErrorCode::NoSuchWebsiteConfiguration.into()),
    }
}
