//! GetPublicAccessBlock.

use crate::{
    buckets::settings::PublicAccessBlock,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, public_access, reply},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let access = *call.bucket.settings().get::<PublicAccessBlock>();
    let access = access.ok_or_else(|| {
        S3Error::from(ErrorCode::NoSuchPublicAccessBlockConfiguration)
            .detail("BucketName", call.bucket.name().as_str())
    })?;
    Ok(reply::document(public_access::ROOT, |w| public_access::write(w, access)))
}
