//! GetBucketOwnershipControls.

use crate::{
    buckets::settings::OwnershipControls,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, reply},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let ownership = *call.bucket.settings().get::<OwnershipControls>();
    let ownership = ownership.ok_or_else(|| {
        S3Error::from(ErrorCode::OwnershipControlsNotFoundError)
            .detail("BucketName", call.bucket.name().as_str())
    })?;
    Ok(reply::document("OwnershipControls", |w| {
        w.element("Rule", |w| w.text("ObjectOwnership", ownership.as_str()));
    }))
}
