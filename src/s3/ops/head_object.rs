//! HeadObject: GetObject without the bytes.

use crate::{
    s3::{
        ObjectCall, Response, S3Error, Service,
        reading::{self, Reading},
        reply,
    },
    store::{Selection, selection::select},
};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let reading = Reading::of(&call)?;
    let store = &**call.bucket.store();
    let looked = match reading.selection {
        Selection::Part(_) => store.describe(&call.key, &reading.conditions).await,
        Selection::Whole | Selection::Range(_) => store.head(&call.key, &reading.conditions).await,
    };
    let info = match looked {
        Ok(info) => info,
        Err(error) => return Err(reading::failure(store, &call.key, &reading.conditions, error).await),
    };
    let selection = if reading.outdated(&info) { Selection::Whole } else { reading.selection };
    let (status, headers) = reading.reply(&info, selection, select(&info, selection)?);
    let mut response = reply::empty(status);
    *response.headers_mut() = headers;
    Ok(response)
}
