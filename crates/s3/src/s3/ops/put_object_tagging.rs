//! PutObjectTagging.

use crate::{
    s3::{ObjectCall, Response, S3Error, Service, headers, reply, tagging},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    headers::require_integrity(&call.request)?;
    let tags = tagging::read(&call.request.payload.collect(tagging::MAX_DOCUMENT).await?)?;
    call.bucket.store().update(&call.key, Change::Tags(tags)).await?;
    Ok(reply::empty(StatusCode::OK))
}
