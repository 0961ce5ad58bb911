//! GetObjectTagging.

use crate::s3::{ObjectCall, Response, S3Error, Service, tagging};

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let info = call.bucket.store().describe(call.address(), &Default::default()).await?;
    Ok(tagging::document(info.attributes.tags.iter()))
}
