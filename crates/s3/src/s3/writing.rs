//! Writing one object from a body, as PutObject and an upload by form do it.
//!
//! Owns the headers that both read and answer with. Does not own the status of the reply, nor how long a body
//! may be.

use super::{call::ObjectCall, error::S3Error, headers, object_owner};
use crate::{model::ETag, store::PutRequest};
use http::{HeaderMap, HeaderValue, header};

/// What the reply says about an object that was written.
#[derive(Debug)]
pub(super) struct WrittenObject {
    pub(super) etag: ETag,
    pub(super) headers: HeaderMap,
}

pub(super) async fn write(call: ObjectCall) -> Result<WrittenObject, S3Error> {
    let mut attributes = headers::attributes(&call.request)?;
    attributes.owner = object_owner::of_new(&call.request.context, &attributes.acl, &call.bucket)?;
    let conditions = headers::write_conditions(&call.request.headers)?;
    let encryption = attributes.encryption.clone();
    let request = PutRequest { attributes, conditions, payload: call.request.payload };
    let written = call.bucket.store().put(&call.key, request).await?;
    let mut said = headers::encryption_headers(encryption.as_ref());
    if let Ok(etag) = HeaderValue::try_from(written.etag.quoted()) {
        said.insert(header::ETAG, etag);
    }
    if let Some(checksum) = &written.checksum {
        said.extend(headers::checksum_headers(checksum));
    }
    said.extend(headers::version_header(written.version.as_ref()));
    Ok(WrittenObject { etag: written.etag, headers: said })
}
