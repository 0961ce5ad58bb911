//! DeleteObject.

use crate::{
    model::ObjectKey,
    s3::{ObjectCall, Response, S3Error, Service, headers, reply},
    store::{
        Store,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let conditions = headers::delete_conditions(&call.request.headers)?;
    delete(&**call.bucket.store(), &call.key, &conditions).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// S3 API reference, DeleteObject: what is not there is deleted, whatever the conditions say of it.
pub(in crate::s3) async fn delete(store: &dyn Store, key: &ObjectKey, conditions: &WriteConditions) -> Result<(), StoreError> {
    match store.delete(key, conditions).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(()),
        other => other,
    }
}
