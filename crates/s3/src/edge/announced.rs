//! The announcements of the headers about the body: its framing, its length and its digests.

use super::claim::Algorithm;
use crate::{
    model::{Checksum, ChecksumAlgorithm},
    s3::{ErrorCode, HeaderMapExt, S3Error},
    store::payload::{Announced, AnnouncedChecksum},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// `x-amz-content-sha256` of a body that nothing was signed about.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How the bytes of the object lie in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The bytes as they are; the digest is `x-amz-content-sha256`, if that is one.
    Plain(Option<[u8; 32]>),
    /// `aws-chunked`, a trailer allowed.
    Chunks,
    /// `aws-chunked` with a signature for each chunk, and for the trailer where one is allowed.
    SignedChunks { by: Algorithm, trailer: bool },
}

/// The payload modes of signed chunks.
const SIGNED_CHUNKS: [(&str, Framing); 4] = [
    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Framing::SignedChunks { by: Algorithm::Hmac, trailer: false }),
    (
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        Framing::SignedChunks { by: Algorithm::Hmac, trailer: true },
    ),
    (
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        Framing::SignedChunks { by: Algorithm::Ecdsa, trailer: false },
    ),
    (
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
        Framing::SignedChunks { by: Algorithm::Ecdsa, trailer: true },
    ),
];

impl Framing {
    /// `content_sha256` is the header of that name, absent only where the request is not signed in its
    /// headers.
    pub(super) fn of(content_sha256: Option<&str>, headers: &HeaderMap) -> Result<Self, S3Error> {
        match content_sha256 {
            Some(UNSIGNED) => Ok(Self::Plain(None)),
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Ok(Self::Chunks),
            Some(text) => {
                if let Some((_, framing)) = SIGNED_CHUNKS.iter().find(|(mode, _)| *mode == text) {
                    return Ok(*framing);
                }
                let mut digest = [0; 32];
                hex::decode_to_slice(text, &mut digest).map_err(|_| {
                    let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                                   STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
                                   STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
                    S3Error::argument("x-amz-content-sha256", text, message)
                })?;
                Ok(Self::Plain(Some(digest)))
            }
            // SDKs frame a body whether or not they sign the request.
            None if headers.contains_key(DECODED_LENGTH) && codings(headers).any(is_framing) => {
                Ok(Self::Chunks)
            }
            None => Ok(Self::Plain(None)),
        }
    }
}

const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
/// Headers under the prefix that carry no value of a checksum.
const NOT_CHECKSUMS: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// Whether a header of this name, in lower case, promises a checksum of the body.
pub(super) fn is_checksum(name: &str) -> bool {
    name == SDK_ALGORITHM || (name.starts_with(CHECKSUM_PREFIX) && !NOT_CHECKSUMS.contains(&name))
}

/// Reads all announcements. `wire_length` is the length of the body as it is on the wire. With
/// `foreign_checksum` the checksum headers are about something else than this body, and are left to the code
/// that needs them.
pub(super) fn read(
    headers: &HeaderMap,
    framing: Framing,
    wire_length: Option<u64>,
    foreign_checksum: bool,
) -> Result<Announced, S3Error> {
    let (length, sha256) = match framing {
        Framing::Plain(sha256) => (wire_length, sha256),
        Framing::Chunks | Framing::SignedChunks { .. } => {
            let text = headers.amz(DECODED_LENGTH)?.ok_or(ErrorCode::MissingContentLength)?;
            let number = text
                .parse()
                .map_err(|_| S3Error::argument(DECODED_LENGTH, text, "The decoded length is not a number"));
            (Some(number?), None)
        }
    };
    let checksum = if foreign_checksum { AnnouncedChecksum::None } else { checksum(headers, framing)? };
    Ok(Announced { length, sha256, md5: md5(headers)?, checksum })
}

fn md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(text) = headers.text(HeaderName::from_static("content-md5"))? else { return Ok(None) };
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or_else(|| S3Error::from(ErrorCode::InvalidDigest).detail("Content-MD5", text))
}

fn checksum(headers: &HeaderMap, framing: Framing) -> Result<AnnouncedChecksum, S3Error> {
    let value = header_checksum(headers)?;
    let trailer = trailer_algorithm(headers, framing)?;
    let chosen = match headers.amz(SDK_ALGORITHM)? {
        Some(text) => Some(ChecksumAlgorithm::parse(text).ok_or_else(|| {
            let names = ChecksumAlgorithm::names();
            invalid(&format!("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{names}]"))
        })?),
        None => None,
    };
    let announced = match (value, trailer) {
        (Some(_), Some(_)) => {
            return Err(invalid("Expecting a single x-amz-checksum- header, or a trailer, but not both"));
        }
        (Some(value), None) => AnnouncedChecksum::Header(value),
        (None, Some(algorithm)) => AnnouncedChecksum::Trailer(algorithm),
        (None, None) => return Ok(chosen.map_or(AnnouncedChecksum::None, AnnouncedChecksum::Algorithm)),
    };
    // The API reference says BadDigest here; S3 itself answers so only if a value was computed and differs.
    if chosen.is_some() && chosen != announced.algorithm() {
        return Err(invalid(
            "The x-amz-sdk-checksum-algorithm header does not name the algorithm of the checksum that was sent",
        ));
    }
    Ok(announced)
}

fn header_checksum(headers: &HeaderMap) -> Result<Option<Checksum>, S3Error> {
    let mut found = None;
    for name in headers.keys().filter(|name| name.as_str().starts_with(CHECKSUM_PREFIX)) {
        if NOT_CHECKSUMS.contains(&name.as_str()) {
            continue;
        }
        let algorithm = algorithm_of(name.as_str())
            .ok_or_else(|| S3Error::not_implemented(format_args!("The checksum {name}")))?;
        let text = headers.text(name)?.unwrap_or_default();
        let value = Checksum::from_base64(algorithm, text)
            .ok_or_else(|| invalid(&format!("Value for {name} header is invalid.")))?;
        if found.replace(value).is_some() {
            return Err(invalid(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok(found)
}

fn algorithm_of(header: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header))
}

/// The algorithm of the checksum that will come behind the body.
fn trailer_algorithm(headers: &HeaderMap, framing: Framing) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(names) = headers.amz("x-amz-trailer")? else { return Ok(None) };
    if !matches!(framing, Framing::Chunks | Framing::SignedChunks { trailer: true, .. }) {
        return Err(invalid(
            "The x-amz-trailer header announces a trailer that x-amz-content-sha256 does not allow",
        ));
    }
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    match (names.next().map(algorithm_of), names.next()) {
        (Some(Some(algorithm)), None) => Ok(Some(algorithm)),
        _ => Err(invalid("The value specified in the x-amz-trailer header is not supported")),
    }
}

fn invalid(message: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest, message)
}

/// Takes `aws-chunked` out of Content-Encoding: it is a framing, not a property of the object.
pub(super) fn strip_framing(headers: &mut HeaderMap) {
    if !codings(headers).any(is_framing) {
        return;
    }
    let rest = codings(headers).filter(|coding| !is_framing(coding)).collect::<Vec<_>>().join(", ");
    headers.remove(header::CONTENT_ENCODING);
    if !rest.is_empty()
        && let Ok(value) = HeaderValue::try_from(rest)
    {
        headers.insert(header::CONTENT_ENCODING, value);
    }
}

fn codings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_framing(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("aws-chunked")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn announced(list: &[(&'static str, &'static str)]) -> Result<Announced, ErrorCode> {
        let headers = headers(list);
        let code = |error: S3Error| error.code;
        let framing =
            Framing::of(headers.amz("x-amz-content-sha256").map_err(code)?, &headers).map_err(code)?;
        read(&headers, framing, Some(3), false).map_err(code)
    }

    const TRAILERS: (&str, &str) = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");

    #[test]
    fn each_payload_mode_is_told_from_the_others() {
        let framing =
            |text: &'static str| Framing::of(Some(text), &HeaderMap::new()).map_err(|error| error.code);
        assert_eq!(framing("UNSIGNED-PAYLOAD"), Ok(Framing::Plain(None)));
        assert_eq!(
            framing("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85f")
                .map(|f| matches!(f, Framing::Plain(Some(_)))),
            Ok(true)
        );
        assert_eq!(
            framing("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            Ok(Framing::SignedChunks { by: Algorithm::Hmac, trailer: false })
        );
        assert_eq!(
            framing("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            Ok(Framing::SignedChunks { by: Algorithm::Hmac, trailer: true })
        );
        assert_eq!(framing("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), Ok(Framing::Chunks));
        for (mode, trailer) in [
            ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", false),
            ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", true),
        ] {
            assert_eq!(framing(mode), Ok(Framing::SignedChunks { by: Algorithm::Ecdsa, trailer }), "{mode}");
        }
        for bad in ["", "e3b0", "unsigned-payload", "STREAMING-UNSIGNED-PAYLOAD"] {
            assert_eq!(framing(bad), Err(ErrorCode::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn an_unsigned_request_says_in_its_encoding_that_it_is_chunked() {
        let of =
            |list: &[(&'static str, &'static str)]| Framing::of(None, &headers(list)).expect("a framing");
        assert_eq!(of(&[("content-encoding", "gzip,AWS-Chunked"), (DECODED_LENGTH, "3")]), Framing::Chunks);
        assert_eq!(of(&[("content-encoding", "aws-chunked")]), Framing::Plain(None));
        assert_eq!(of(&[(DECODED_LENGTH, "3")]), Framing::Plain(None));
    }

    #[test]
    fn a_chunked_body_must_say_how_long_it_is() {
        assert_eq!(announced(&[TRAILERS]).map(|a| a.length), Err(ErrorCode::MissingContentLength));
        assert_eq!(
            announced(&[TRAILERS, (DECODED_LENGTH, "-1")]).map(|a| a.length),
            Err(ErrorCode::InvalidArgument)
        );
        assert_eq!(announced(&[TRAILERS, (DECODED_LENGTH, "7")]).map(|a| a.length), Ok(Some(7)));
        assert_eq!(announced(&[]).map(|a| a.length), Ok(Some(3)));
    }

    #[test]
    fn a_content_md5_that_is_none_is_an_invalid_digest() {
        for bad in ["", "YWJyYWNhZGFicmE=", "rL0Y20xC+Fzt72VPzMSk2A", "!"] {
            assert_eq!(
                announced(&[("content-md5", bad)]).map(|a| a.md5),
                Err(ErrorCode::InvalidDigest),
                "{bad}"
            );
        }
        assert_eq!(
            announced(&[("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==")]).map(|a| a.md5.is_some()),
            Ok(true)
        );
    }

    #[test]
    fn a_checksum_is_one_value_of_the_right_length() {
        let value = Checksum::from_base64(ChecksumAlgorithm::Crc32, CRC32.1).expect("a checksum");
        assert_eq!(announced(&[CRC32]).map(|a| a.checksum), Ok(AnnouncedChecksum::Header(value)));
        assert_eq!(
            announced(&[("x-amz-checksum-mode", "ENABLED")]).map(|a| a.checksum),
            Ok(AnnouncedChecksum::None)
        );
        let error =
            |list: &[(&'static str, &'static str)]| announced(list).map(|a| a.checksum).expect_err("refused");
        for bad in [
            ("x-amz-checksum-sha256", "bad"),
            ("x-amz-checksum-crc32", ""),
            ("x-amz-checksum-crc64nvme", "y/Q5Jg=="),
        ] {
            assert_eq!(error(&[bad]), ErrorCode::InvalidRequest);
        }
        assert_eq!(error(&[CRC32, CRC32]), ErrorCode::InvalidRequest);
        assert_eq!(error(&[CRC32, ("x-amz-checksum-crc32c", "y/Q5Jg==")]), ErrorCode::InvalidRequest);
        assert_eq!(error(&[("x-amz-checksum-sha3", "AAAAAAAAAAA=")]), ErrorCode::NotImplemented);
    }

    #[test]
    fn a_trailer_names_one_checksum_and_fits_the_payload_mode() {
        let decoded = (DECODED_LENGTH, "3");
        let trailer = ("x-amz-trailer", "x-amz-checksum-CRC32c");
        assert_eq!(
            announced(&[TRAILERS, decoded, trailer]).map(|a| a.checksum),
            Ok(AnnouncedChecksum::Trailer(ChecksumAlgorithm::Crc32c))
        );
        let error =
            |list: &[(&'static str, &'static str)]| announced(list).map(|a| a.checksum).expect_err("refused");
        assert_eq!(error(&[trailer]), ErrorCode::InvalidRequest);
        assert_eq!(error(&[TRAILERS, decoded, trailer, CRC32]), ErrorCode::InvalidRequest);
        for bad in [
            "",
            "x-amz-meta-a",
            "x-amz-checksum-crc32,x-amz-checksum-sha1",
            "x-amz-checksum-crc32,x-amz-meta-a",
        ] {
            assert_eq!(
                error(&[TRAILERS, decoded, ("x-amz-trailer", bad)]),
                ErrorCode::InvalidRequest,
                "{bad}"
            );
        }
    }

    #[test]
    fn the_named_algorithm_is_computed_and_never_contradicted() {
        let named = ("x-amz-sdk-checksum-algorithm", "crc32c");
        assert_eq!(
            announced(&[named]).map(|a| a.checksum),
            Ok(AnnouncedChecksum::Algorithm(ChecksumAlgorithm::Crc32c))
        );
        assert_eq!(announced(&[named, CRC32]).map(|a| a.checksum), Err(ErrorCode::InvalidRequest));
        let trailer = [TRAILERS, (DECODED_LENGTH, "3"), named, ("x-amz-trailer", "x-amz-checksum-crc32")];
        assert_eq!(announced(&trailer).map(|a| a.checksum), Err(ErrorCode::InvalidRequest));
        assert_eq!(
            announced(&[("x-amz-sdk-checksum-algorithm", "MD4")]).map(|a| a.checksum),
            Err(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn a_checksum_of_something_else_is_left_alone() {
        let headers = headers(&[("x-amz-checksum-sha256", "bad")]);
        let announced = read(&headers, Framing::Plain(None), Some(3), true).expect("read");
        assert_eq!(announced.checksum, AnnouncedChecksum::None);
    }

    #[test]
    fn aws_chunked_is_no_encoding_of_the_object() {
        for (before, after) in [
            ("gzip", Some("gzip")),
            ("deflate, gzip", Some("deflate, gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("aws-chunked, gzip", Some("gzip")),
            ("aws-chunked", None),
            ("aws-chunked, aws-chunked", None),
        ] {
            let mut headers = headers(&[("content-encoding", before)]);
            strip_framing(&mut headers);
            assert_eq!(
                headers.get("content-encoding").map(|value| value.to_str().expect("ASCII")),
                after,
                "{before}"
            );
        }
    }
}
