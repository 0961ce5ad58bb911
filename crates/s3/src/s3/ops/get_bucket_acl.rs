//! GetBucketAcl.

use crate::s3::{BucketCall, Response, S3Error, Service, acl, acl_rules};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let acl = acl_rules::shown(call.bucket.acl(), &call.bucket);
    Ok(acl::policy(call.bucket.owner(), None, &acl, &call.request.context, &**service.accounts()))
}
