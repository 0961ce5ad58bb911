//! The parameters of a URL that is presigned by version 2 of the signature.

use http::{HeaderName, header};

pub(super) const ACCESS_KEY: &str = "AWSAccessKeyId";
pub(super) const EXPIRES: &str = "Expires";
pub(super) const SIGNATURE: &str = "Signature";
/// The parameters of a presigned URL that are the authentication.
const PARAMETERS: [&str; 3] = [ACCESS_KEY, EXPIRES, SIGNATURE];

pub(super) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Whether a parameter of a presigned URL is part of the authentication.
pub(super) fn is_parameter(name: &str) -> bool {
    PARAMETERS.contains(&name)
}

/// Whether a parameter of a presigned URL, in lower case, stands for a header.
pub(super) fn stands_for_header(name: &str) -> bool {
    name.starts_with("x-amz-") || name == CONTENT_MD5 || name == header::CONTENT_TYPE
}
