//! Requests whose document S3 accepts only with a digest of it: a corrupted document must not delete the
//! wrong objects.

use crate::s3::{ErrorCode, HeaderMapExt, Request, S3Error};

/// Content-MD5, a checksum, or a signature that covers the payload's SHA-256: each is verified as the body is
/// read.
pub(in crate::s3) fn require_integrity(request: &Request) -> Result<(), S3Error> {
    let signed_payload = request.headers.amz("x-amz-content-sha256")?.is_some_and(|hash| hash.len() == 64);
    if signed_payload
        || request.headers.contains_key("content-md5")
        || request.payload.checksum_algorithm().is_some()
    {
        return Ok(());
    }
    Err(S3Error::new(
        ErrorCode::InvalidRequest,
        "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn a_document_without_any_digest_is_refused() {
        assert!(require_integrity(&request(&[])).is_err());
        assert!(require_integrity(&request(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])).is_err());
        assert!(require_integrity(&request(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")])).is_ok());
        assert!(require_integrity(&request(&[("x-amz-content-sha256", &"a".repeat(64))])).is_ok());
    }
}
