//! What HTTP itself requires of a request before S3 reads it: one host, one way to find the end of the body,
//! and no expectation that we cannot meet.

use crate::s3::{ErrorCode, S3Error};
use http::{HeaderMap, Uri, Version, header};

/// The host that the client addressed, as it signed it.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap, version: Version) -> Result<&'a str, S3Error> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts
        .next()
        .map(|host| host.to_str())
        .transpose()
        .map_err(|_| bad_request("The Host header is not ASCII"))?;
    if hosts.next().is_some() {
        return Err(bad_request("The Host header must not be repeated"));
    }
    // HTTP/2 has `:authority` instead; HTTP/1.1 may have both, and then they must agree.
    match (host, uri.authority().map(|authority| authority.as_str())) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(bad_request("The Host header and the target of the request differ"))
        }
        (Some(host), _) => Ok(host),
        (None, Some(authority)) => Ok(authority),
        (None, None) if version < Version::HTTP_11 => Ok(""),
        (None, None) => Err(bad_request("The Host header is missing")),
    }
}

/// Content-Length, once no other header can say where the body ends.
pub(super) fn body_length(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let this = text
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| bad_request("The Content-Length is not a number"))?;
        if length.replace(this).is_some_and(|other| other != this) {
            return Err(bad_request("The Content-Length is repeated with another value"));
        }
    }
    // Any other coding of a body would have to be removed before it is stored.
    let mut codings = headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if codings.any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        return Err(S3Error::from(ErrorCode::NotImplemented).detail("Header", "Transfer-Encoding"));
    }
    if length.is_some() && headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(bad_request("Transfer-Encoding and Content-Length exclude each other"));
    }
    Ok(length)
}

fn bad_request(message: &str) -> S3Error {
    S3Error::new(ErrorCode::BadRequest, message)
}
