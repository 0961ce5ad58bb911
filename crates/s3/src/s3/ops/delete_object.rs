//! DeleteObject.

use crate::{
    s3::{ObjectCall, Response, S3Error, Service, headers, reply},
    store::{
        Deleted, Removal,
        error::{StoreError, StoreErrorKind},
    },
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let conditions = headers::delete_conditions(&call.request.headers)?;
    let deleted = outcome(call.bucket.store().delete(call.address(), &conditions).await)?;
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    response.headers_mut().extend(headers::deletion_headers(&deleted));
    Ok(response)
}

/// S3 API reference, DeleteObject: deleting an object that does not exist succeeds, whatever the conditions.
pub(in crate::s3) fn outcome(deleted: Result<Deleted, StoreError>) -> Result<Deleted, StoreError> {
    match deleted {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(Removal::Absent.into()),
        other => other,
    }
}
