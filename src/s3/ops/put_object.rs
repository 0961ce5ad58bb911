//! PutObject.

use crate::{
    s3::{ErrorCode, ObjectCall, Response, S3Error, Service, headers, reply},
    store::{PutRequest, payload::Payload},
};
use http::{HeaderValue, StatusCode, header};

/// S3 API reference, PutObject: what one request may carry.
const MAX_SIZE: u64 = 5 << 30;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let attributes = headers::attributes(&call.request)?;
    let conditions = headers::write_conditions(&call.request.headers)?;
    check_length(&call.request.payload)?;
    let request = PutRequest { attributes, conditions, payload: call.request.payload };
    let written = call.bucket.store().put(&call.key, request).await?;
    let mut response = reply::empty(StatusCode::OK);
    let etag = HeaderValue::try_from(written.etag.quoted()).map_err(|error| S3Error::from(ErrorCode::InternalError).with_source(error))?;
    response.headers_mut().insert(header::ETAG, etag);
    if let Some(checksum) = &written.checksum {
        response.headers_mut().extend(headers::checksum_headers(checksum));
    }
    Ok(response)
}

/// Also of UploadPart, which has the same limits.
pub(in crate::s3) fn check_length(payload: &Payload) -> Result<(), S3Error> {
    match payload.length() {
        None => Err(ErrorCode::MissingContentLength.into()),
        Some(length) if length > MAX_SIZE => Err(S3Error::from(ErrorCode::EntityTooLarge)
            .detail("ProposedSize", length.to_string())
            .detail("MaxSizeAllowed", MAX_SIZE.to_string())),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::payload::Announced;

    fn payload(length: Option<u64>) -> Payload {
        Payload::from_stream(futures_util::stream::empty(), Announced { length, ..Default::default() })
    }

    #[test]
    fn bodies_of_unknown_or_forbidden_length_are_refused_before_they_are_read() {
        let code = |length| check_length(&payload(length)).err().map(|error| error.code);
        assert_eq!(code(Some(5 << 30)), None);
        assert_eq!(code(Some((5 << 30) + 1)), Some(ErrorCode::EntityTooLarge));
        assert_eq!(code(None), Some(ErrorCode::MissingContentLength));
    }
}
