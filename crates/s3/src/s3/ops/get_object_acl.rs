//! GetObjectAcl.

use crate::s3::{ObjectCall, Response, S3Error, Service, acl};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let info = call.bucket.store().head(call.address(), &Default::default()).await?;
    Ok(acl::policy(call.bucket.owner(), info.attributes.acl))
}
