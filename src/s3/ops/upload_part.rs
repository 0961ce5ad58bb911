//! UploadPart.

use crate::s3::{ErrorCode, ObjectCall, Response, S3Error, Service, headers, multipart, reply};
use http::{HeaderValue, StatusCode, header};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let upload = multipart::upload_id(&call.request.query)?;
    let number = multipart::part_number(&call.request.query)?;
    let length = call.request.payload.length().ok_or(ErrorCode::MissingContentLength)?;
    if length > multipart::MAX_PART_BYTES {
        return Err(S3Error::from(ErrorCode::EntityTooLarge)
            .detail("ProposedSize", length.to_string())
            .detail("MaxSizeAllowed", multipart::MAX_PART_BYTES.to_string()));
    }
    let written = call.bucket.store().put_part(&call.key, &upload, number, call.request.payload).await?;
    let mut response = reply::empty(StatusCode::OK);
    if let Ok(etag) = HeaderValue::try_from(written.etag.quoted()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response.headers_mut().extend(written.checksum.as_ref().map(headers::part_checksum_header));
    Ok(response)
}
