//! PutObject.

use crate::{
    s3::{ObjectCall, Response, S3Error, Service, headers, limits, reply},
    store::PutRequest,
};
use http::{HeaderValue, StatusCode, header};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let attributes = headers::attributes(&call.request)?;
    let conditions = headers::write_conditions(&call.request.headers)?;
    limits::sent(&call.request.payload)?;
    let encryption = attributes.encryption.clone();
    let request = PutRequest { attributes, conditions, payload: call.request.payload };
    let written = call.bucket.store().put(&call.key, request).await?;
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().extend(headers::encryption_headers(encryption.as_ref()));
    if let Ok(etag) = HeaderValue::try_from(written.etag.quoted()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    if let Some(checksum) = &written.checksum {
        response.headers_mut().extend(headers::checksum_headers(checksum));
    }
    response.headers_mut().extend(headers::version_header(written.version.as_ref()));
    Ok(response)
}
