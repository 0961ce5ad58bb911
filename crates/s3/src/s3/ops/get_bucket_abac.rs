//! GetBucketAbac.

use crate::{
    buckets::settings::Abac,
    s3::{BucketCall, Response, S3Error, Service, word},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let status = call.bucket.settings().get::<Abac>().as_str();
    Ok(word::document("AbacStatus", "Status", Some(status)))
}
