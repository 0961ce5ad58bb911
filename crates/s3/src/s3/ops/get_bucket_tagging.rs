//! GetBucketTagging.

use crate::{
    buckets::settings::Tagging,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, tagging},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let settings = call.bucket.settings();
    let tags = settings.get::<Tagging>();
    if tags.is_empty() { Err(ErrorCode::NoSuchTagSet.into()) } else { Ok(tagging::document(tags.iter())) }
}
