//! PutPublicAccessBlock of the control plane: for all buckets of an account.

use crate::s3::{AccountCall, Response, S3Error, Service, public_access, reply};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: AccountCall) -> Result<Response, S3Error> {
    let AccountCall { request, owner } = call;
    let access = public_access::read(&request.payload.collect(public_access::MAX_DOCUMENT).await?)?;
    service.set_public_access_of(owner, Some(access)).await?;
    Ok(reply::empty(StatusCode::OK))
}
