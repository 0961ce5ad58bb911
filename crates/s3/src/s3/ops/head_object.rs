//! HeadObject: GetObject without the bytes.

use crate::{
    s3::{
        ReadCall, Response, S3Error,
        reading::{self, Reading},
        reply,
    },
    store::{Selection, selection::select},
};

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let reader = call.reader();
    let reading = Reading::of(&call.request)?;
    let looked = match reading.selection {
        Selection::Part(_) => reader.describe(&reading.conditions).await?,
        Selection::Whole | Selection::Range(_) => reader.head(&reading.conditions).await?,
    };
    let info = match looked {
        Ok(info) => info,
        // Boxed: what succeeds needs no place for this.
        Err(error) => return Err(Box::pin(reading::failure(&reader, &reading.conditions, error)).await),
    };
    let selection = if reading.outdated(&info) { Selection::Whole } else { reading.selection };
    let (status, headers) =
        reading.reply(reader.shows_tags(&info), &info, selection, select(&info, selection)?);
    let mut response = reply::empty(status);
    *response.headers_mut() = headers;
    Ok(response)
}
