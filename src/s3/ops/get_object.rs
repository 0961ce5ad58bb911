//! GetObject.

use crate::{
    model::ObjectKey,
    s3::{
        Body, ObjectCall, Response, S3Error, Service,
        reading::{self, Reading},
        reply,
    },
    store::{GetReply, GetRequest, Selection, Store, error::StoreErrorKind},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let reading = Reading::of(&call)?;
    let store = &**call.bucket.store();
    let (reply, selection) = match open(store, &call.key, &reading).await {
        Ok(opened) => opened,
        Err(error) => return Err(reading::failure(store, &call.key, &reading.conditions, error).await),
    };
    let (status, headers) = reading.reply(&reply.info, selection, reply.span);
    let mut response = reply::empty(StatusCode::OK);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.body_mut() = Body::object(reply.body, reply.span.len());
    Ok(response)
}

/// The object, and what was selected of it in the end.
async fn open(store: &dyn Store, key: &ObjectKey, reading: &Reading) -> crate::store::Result<(GetReply, Selection)> {
    let get = |selection| store.get(key, GetRequest { conditions: reading.conditions.clone(), selection });
    let first = get(reading.selection).await;
    // An If-Range is judged by the very object that was opened: whatever happens meanwhile, reply and verdict agree.
    let doubtful = match &first {
        Ok(reply) => reading.outdated(&reply.info),
        Err(error) => reading.has_if_range() && matches!(error.kind(), StoreErrorKind::InvalidRange { .. }),
    };
    if !doubtful {
        return first.map(|reply| (reply, reading.selection));
    }
    let whole = get(Selection::Whole).await?;
    match first {
        Err(unsatisfiable) if !reading.outdated(&whole.info) => Err(unsatisfiable),
        _ => Ok((whole, Selection::Whole)),
    }
}
