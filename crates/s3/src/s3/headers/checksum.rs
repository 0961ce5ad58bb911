//! Checksums in headers, except those that announce a body, which the edge reads.

use crate::{
    model::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectChecksum},
    s3::{ErrorCode, HeaderMapExt, Request, S3Error},
};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(in crate::s3) const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// The checksum that CreateMultipartUpload and CopyObject ask for; `None` if they ask for none.
pub(in crate::s3) fn checksum_spec(request: &Request) -> Result<Option<ChecksumSpec>, S3Error> {
    let invalid = |message: String| S3Error::new(ErrorCode::InvalidRequest, message);
    let kind = request.headers.text(CHECKSUM_TYPE)?;
    let Some(name) = request.headers.amz("x-amz-checksum-algorithm")? else {
        return match kind {
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                    .into(),
            )),
            None => Ok(None),
        };
    };
    let algorithm = ChecksumAlgorithm::parse(name).ok_or_else(|| {
        let names = ChecksumAlgorithm::names();
        invalid(format!("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{names}]"))
    })?;
    let kind = match kind {
        Some(text) => ChecksumKind::parse(text)
            .ok_or_else(|| invalid("Value for x-amz-checksum-type header is invalid.".into()))?,
        None => algorithm.default_kind(),
    };
    if !algorithm.supports(kind) {
        let (kind, algorithm) = (kind.as_str(), algorithm.as_str().to_ascii_lowercase());
        return Err(invalid(format!(
            "The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        )));
    }
    Ok(Some(ChecksumSpec { algorithm, kind }))
}

/// `x-amz-checksum-mode: ENABLED`
pub(in crate::s3) fn checksum_mode(headers: &HeaderMap) -> Result<bool, S3Error> {
    match headers.amz("x-amz-checksum-mode")? {
        None => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case("ENABLED") => Ok(true),
        Some(other) => Err(S3Error::argument(
            "x-amz-checksum-mode",
            other,
            "Value for x-amz-checksum-mode header is invalid.",
        )),
    }
}

/// The checksum of a whole object and its type.
pub(in crate::s3) fn checksum_headers(checksum: &ObjectChecksum) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksum.kind.as_str()));
    headers.insert(HeaderName::from_static(checksum.algorithm().header()), ascii(checksum.text()));
    headers
}

/// The checksum of a part, which has no type.
pub(in crate::s3) fn part_checksum_header(checksum: &Checksum) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(checksum.algorithm().header()), ascii(checksum.to_base64()))
}

/// Base64, digits and a hyphen are legal in any header.
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    fn spec(headers: &[(&'static str, &str)]) -> Result<Option<ChecksumSpec>, ErrorCode> {
        checksum_spec(&request(headers)).map_err(|error| error.code)
    }

    #[test]
    fn a_spec_has_the_kind_that_s3_defaults_to() {
        let (composite, full) = (ChecksumKind::Composite, ChecksumKind::FullObject);
        let of = |algorithm, kind| Ok(Some(ChecksumSpec { algorithm, kind }));
        assert_eq!(spec(&[]), Ok(None));
        assert_eq!(spec(&[("x-amz-checksum-algorithm", "SHA256")]), of(ChecksumAlgorithm::Sha256, composite));
        assert_eq!(
            spec(&[("x-amz-checksum-algorithm", "crc64nvme")]),
            of(ChecksumAlgorithm::Crc64Nvme, full)
        );
        let asked = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
        assert_eq!(spec(&asked), of(ChecksumAlgorithm::Crc32, full));
    }

    #[test]
    fn combinations_that_s3_does_not_have_are_refused() {
        for headers in [
            &[("x-amz-checksum-type", "COMPOSITE")][..],
            &[("x-amz-checksum-algorithm", "MD4")],
            &[("x-amz-checksum-algorithm", "SHA512"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "MD5"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "XXHASH64"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "XXHASH3"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "XXHASH128"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "SHA1"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "COMPOSITE")],
            &[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "PARTIAL")],
        ] {
            assert_eq!(spec(headers), Err(ErrorCode::InvalidRequest), "{headers:?}");
        }
    }
}
