//! GetBucketAcl.

use crate::s3::{BucketCall, Response, S3Error, Service, acl, acl_rules};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    Ok(acl::policy(call.bucket.owner(), acl_rules::shown(call.bucket.acl(), &call.bucket)))
}
