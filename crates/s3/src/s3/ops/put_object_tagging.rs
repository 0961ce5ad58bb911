//! PutObjectTagging.

use crate::{
    model::ObjectAddress,
    s3::{ObjectCall, Response, S3Error, Service, headers, reply, tagging},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, version } = call;
    headers::require_integrity(&request)?;
    let tags = tagging::read(&request.payload.collect(tagging::MAX_DOCUMENT).await?)?;
    bucket.store().update(ObjectAddress::new(&key, version.as_ref()), Change::Tags(tags)).await?;
    Ok(reply::empty(StatusCode::OK))
}
