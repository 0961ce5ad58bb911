//! GetPublicAccessBlock.

use crate::{
    buckets::settings::PublicAccessBlock,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, reply},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let access = *call.bucket.settings().get::<PublicAccessBlock>();
    let access = access.ok_or_else(|| {
        S3Error::from(ErrorCode::NoSuchPublicAccessBlockConfiguration)
            .detail("BucketName", call.bucket.name().as_str())
    })?;
    Ok(reply::document("PublicAccessBlockConfiguration", |w| {
        for (rule, is_on) in access.rules() {
            w.boolean(rule, is_on);
        }
    }))
}
