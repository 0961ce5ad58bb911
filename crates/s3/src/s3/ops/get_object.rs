//! GetObject.

use crate::{
    s3::{
        Body, ReadCall, Response, S3Error,
        reader::{Read, Reader},
        reading::{self, Reading},
        reply,
    },
    store::{GetReply, GetRequest, Selection, error::StoreErrorKind},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let reader = call.reader();
    let reading = Reading::of(&call.request)?;
    let (reply, selection) = match open(&reader, &reading).await? {
        Ok(opened) => opened,
        // Boxed: what succeeds needs no place for this.
        Err(error) => return Err(Box::pin(reading::failure(&reader, &reading.conditions, error)).await),
    };
    let (status, headers) = reading.reply(reader.shows_tags(&reply.info), &reply.info, selection, reply.span);
    let mut response = reply::empty(StatusCode::OK);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.body_mut() = Body::object(reply.body, reply.span.len());
    Ok(response)
}

/// The object, and the final selection of its bytes.
async fn open(reader: &Reader<'_>, reading: &Reading) -> Read<(GetReply, Selection)> {
    let get = |selection| reader.get(GetRequest { conditions: reading.conditions.clone(), selection });
    let first = get(reading.selection).await?;
    // An If-Range is judged on the very object that was opened: so reply and verdict agree, whatever happens
    // meanwhile.
    let uncertain = match &first {
        Ok(reply) => reading.outdated(&reply.info),
        Err(error) => reading.has_if_range() && matches!(error.kind(), StoreErrorKind::InvalidRange { .. }),
    };
    if !uncertain {
        return Ok(first.map(|reply| (reply, reading.selection)));
    }
    let whole = match Box::pin(get(Selection::Whole)).await? {
        Ok(whole) => whole,
        Err(error) => return Ok(Err(error)),
    };
    Ok(match first {
        Err(unsatisfiable) if !reading.outdated(&whole.info) => Err(unsatisfiable),
        _ => Ok((whole, Selection::Whole)),
    })
}
