//! GetBucketAccelerateConfiguration. The document is empty if it was never set.

use crate::{
    buckets::settings::{Accelerate, Acceleration},
    s3::{BucketCall, Response, S3Error, Service, word},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let status = *call.bucket.settings().get::<Acceleration>();
    let word = (status != Accelerate::Unset).then(|| status.as_str());
    Ok(word::document("AccelerateConfiguration", "Status", word))
}
