//! PutObjectAcl: a canned ACL or grants, by headers or as a document.

use crate::{
    model::ObjectAddress,
    s3::{ObjectCall, Response, S3Error, Service, acl, acl_rules, object_owner, reply},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, version } = call;
    let address = ObjectAddress::new(&key, version.as_ref());
    // A document names the owner of the object.
    let info = bucket.store().head(address, &Default::default()).await?;
    let accounts = &**service.accounts();
    let owner = object_owner::shown(info.attributes.owner.as_ref(), &bucket, accounts);
    let acl = acl::from_request(request, &owner, accounts).await?;
    acl_rules::admit_document(&acl, &bucket)?;
    bucket.store().update(address, Change::Acl(acl)).await?;
    Ok(reply::empty(StatusCode::OK))
}
