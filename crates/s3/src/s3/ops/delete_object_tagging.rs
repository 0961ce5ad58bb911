//! DeleteObjectTagging.

use crate::{
    model::TagSet,
    s3::{ObjectCall, Response, S3Error, Service, reply},
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    call.bucket.store().update(call.address(), Change::Tags(TagSet::default())).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
