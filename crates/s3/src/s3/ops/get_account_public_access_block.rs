//! GetPublicAccessBlock of the control plane.

use crate::s3::{AccountCall, ErrorCode, Response, S3Error, Service, public_access, reply};

pub(in crate::s3) async fn handle(service: &Service, call: AccountCall) -> Result<Response, S3Error> {
    let accounts = service.buckets().accounts();
    let access = accounts.and_then(|accounts| accounts.public_access(&call.owner));
    let access = access.ok_or(ErrorCode::NoSuchPublicAccessBlockConfiguration)?;
    Ok(reply::control_document(public_access::ROOT, |w| public_access::write(w, access)))
}
