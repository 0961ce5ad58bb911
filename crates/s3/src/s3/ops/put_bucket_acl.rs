//! PutBucketAcl: a canned ACL or grants, by headers or as a document.

use crate::{
    buckets::settings::BucketAcl,
    s3::{BucketCall, Response, S3Error, Service, acl, acl_rules, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let acl = acl::from_request(call.request, call.bucket.owner(), &**service.accounts()).await?;
    acl_rules::admit_document(&acl, &call.bucket)?;
    service.buckets().set::<BucketAcl>(&call.bucket, &acl).await?;
    Ok(reply::empty(StatusCode::OK))
}
