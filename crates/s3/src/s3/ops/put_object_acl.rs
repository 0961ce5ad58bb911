//! PutObjectAcl: a canned ACL by header, or grants that amount to one.

use crate::{
    model::ObjectAddress,
    s3::{ObjectCall, Response, S3Error, Service, acl, acl_rules, reply},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, version } = call;
    let acl = acl::from_request(request, bucket.owner()).await?;
    acl_rules::admit_document(acl, &bucket)?;
    bucket.store().update(ObjectAddress::new(&key, version.as_ref()), Change::Acl(acl)).await?;
    Ok(reply::empty(StatusCode::OK))
}
