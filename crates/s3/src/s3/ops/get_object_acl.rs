//! GetObjectAcl.

use crate::s3::{ReadCall, Response, S3Error, acl, acl_rules, object_owner};

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let reader = call.reader();
    let info = reader.head(&Default::default()).await??;
    let bucket = reader.bucket();
    let owner = object_owner::shown(info.attributes.owner.as_ref(), bucket, &*call.accounts);
    let acl = acl_rules::shown(info.attributes.acl, bucket);
    Ok(acl::policy(&owner, Some(bucket.owner()), &acl, &call.request.context, &*call.accounts))
}
