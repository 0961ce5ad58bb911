//! CreateMultipartUpload.

use crate::{
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec},
    s3::{ObjectCall, Response, S3Error, Service, headers, multipart, object_owner, reply},
    store::BeginUpload,
};
use http::{HeaderName, HeaderValue};

/// S3 User Guide, "Checking object integrity": what S3 adds where the client asks for nothing.
const DEFAULT_CHECKSUM: ChecksumSpec =
    ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject };

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let asked = headers::checksum_spec(&call.request)?;
    let mut attributes = headers::attributes(&call.request)?;
    attributes.owner = object_owner::of_new(&call.request.context, &attributes.acl, &call.bucket)?;
    let begin = BeginUpload {
        attributes,
        checksum: asked.unwrap_or(DEFAULT_CHECKSUM),
        explicit_checksum: asked.is_some(),
        initiator: multipart::initiator(&call.request.context.principal),
    };
    let encryption = begin.attributes.encryption.clone();
    let upload = call.bucket.store().begin_upload(&call.key, begin).await?;
    let mut response = reply::document("InitiateMultipartUploadResult", |w| {
        w.text("Bucket", call.bucket.name().as_str());
        w.text("Key", call.key.as_str());
        w.text("UploadId", upload.as_str());
    });
    response.headers_mut().extend(headers::encryption_headers(encryption.as_ref()));
    if let Some(spec) = asked {
        let said = [
            ("x-amz-checksum-algorithm", spec.algorithm.as_str()),
            ("x-amz-checksum-type", spec.kind.as_str()),
        ];
        for (name, value) in said {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    Ok(response)
}
