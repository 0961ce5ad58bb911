//! PutObjectAcl: a canned ACL by header, or grants that amount to one.

use crate::{
    s3::{ObjectCall, Response, S3Error, Service, acl, reply},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let acl = acl::from_request(call.request, call.bucket.owner()).await?;
    call.bucket.store().update(&call.key, Change::Acl(acl)).await?;
    Ok(reply::empty(StatusCode::OK))
}
