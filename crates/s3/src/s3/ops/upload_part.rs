//! UploadPart.

use crate::s3::{ObjectCall, Response, S3Error, Service, headers, limits, multipart, reply};
use http::{HeaderValue, StatusCode, header};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let upload = multipart::upload_id(&call.request.query)?;
    let number = multipart::part_number(&call.request.query)?;
    limits::sent(&call.request.payload)?;
    let written = call.bucket.store().put_part(&call.key, &upload, number, call.request.payload).await?;
    let mut response = reply::empty(StatusCode::OK);
    if let Ok(etag) = HeaderValue::try_from(written.etag.quoted()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response.headers_mut().extend(written.checksum.as_ref().map(headers::part_checksum_header));
    Ok(response)
}
