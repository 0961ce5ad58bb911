//! GetObjectAcl.

use crate::s3::{ReadCall, Response, S3Error, acl, acl_rules};

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let reader = call.reader();
    let info = reader.head(&Default::default()).await??;
    let bucket = reader.bucket();
    Ok(acl::policy(bucket.owner(), acl_rules::shown(info.attributes.acl, bucket)))
}
