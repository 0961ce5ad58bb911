//! DeletePublicAccessBlock of the control plane. Where there is none, nothing changes.

use crate::s3::{AccountCall, Response, S3Error, Service, reply};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: AccountCall) -> Result<Response, S3Error> {
    service.set_public_access_of(call.owner, None).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
