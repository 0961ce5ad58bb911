//! PutObject.

use crate::s3::{ObjectCall, Response, S3Error, Service, limits, reply, writing};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    limits::sent(&call.request.payload)?;
    let written = writing::write(call).await?;
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().extend(written.headers);
    Ok(response)
}
