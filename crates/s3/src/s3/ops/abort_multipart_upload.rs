//! AbortMultipartUpload.

use crate::s3::{ObjectCall, Response, S3Error, Service, multipart, reply};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let upload = multipart::upload_id(&call.request.query)?;
    call.bucket.store().abort_upload(&call.key, &upload).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
