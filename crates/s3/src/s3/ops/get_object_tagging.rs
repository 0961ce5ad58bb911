//! GetObjectTagging.

use crate::s3::{ReadCall, Response, S3Error, tagging};

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let info = call.reader().describe(&Default::default()).await??;
    Ok(tagging::document(info.attributes.tags.iter()))
}
