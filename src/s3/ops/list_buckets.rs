//! placeholder: to be written

use crate::s3::{Response, S3Error, Service, ServiceCall};

pub(in crate::s3) async fn handle(_service: &Service, _call: ServiceCall) -> Result<Response, S3Error> {
    Err(S3Error::not_implemented("list_buckets"))
}
