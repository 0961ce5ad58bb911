//! GetBucketVersioning: an empty document, as of a bucket whose versioning was never enabled.

use crate::s3::{BucketCall, Response, S3Error, Service, reply};

pub(in crate::s3) async fn handle(_service: &Service, _call: BucketCall) -> Result<Response, S3Error> {
    Ok(reply::document("VersioningConfiguration", |_| {}))
}
