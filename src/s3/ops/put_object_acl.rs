//! placeholder: to be written

use crate::s3::{ObjectCall, Response, S3Error, Service};

pub(in crate::s3) async fn handle(_service: &Service, _call: ObjectCall) -> Result<Response, S3Error> {
    Err(S3Error::not_implemented("put_object_acl"))
}
