//! PutBucketAcl: a canned ACL by header, or grants that amount to one.

use crate::{
    buckets::settings::Acl,
    s3::{BucketCall, Response, S3Error, Service, acl, acl_rules, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let acl = acl::from_request(call.request, call.bucket.owner()).await?;
    acl_rules::admit_document(acl, &call.bucket)?;
    service.buckets().set::<Acl>(&call.bucket, &acl).await?;
    Ok(reply::empty(StatusCode::OK))
}
