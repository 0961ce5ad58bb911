//! Signature version 2 (S3 API reference, "Signing and authenticating REST requests"): the claim of a
//! request, and the text that it signs.
//!
//! Version 2 signs the method, the path as it was sent, `Content-MD5`, `Content-Type`, the date, every
//! `x-amz-*` header and the sub-resources. It signs neither the host nor any other parameter of the query.
//!
//! Invariants:
//! - a parameter that is not signed is refused, unless it only shapes a listing: a client that may list a
//!   bucket by a signature may list all of it anyway;
//! - parameters that represent headers are signed as the headers that `presigned` makes of them.

use super::{
    claim::SigningTime,
    head::Head,
    presigned::{self, Pairs},
    skew::check_skew,
    version2_parameters::{ACCESS_KEY, CONTENT_MD5, EXPIRES, SIGNATURE, is_parameter, stands_for_header},
};
use crate::{
    model::{Secret, Timestamp},
    s3::{ErrorCode, HeaderMapExt, S3Error},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, header};
use ring::hmac;
use std::collections::BTreeMap;

const SCHEME: &str = "AWS";
/// Parameters that are part of the canonical resource: those of the documentation, and the later ones that
/// SDKs sign.
const SUBRESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];
/// Parameters that are not signed, and only shape a listing of a bucket or of all buckets.
const OF_LISTINGS: &[&str] = &[
    "bucket-region",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "max-uploads",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "x-id",
];
/// Parameters that are not signed, and only shape a list of the parts of an upload.
const OF_PARTS: &[&str] = &["encoding-type", "max-parts", "part-number-marker", "x-id"];

/// The signature data of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) access_key: &'a str,
    /// In base64.
    pub(super) signature: &'a str,
    /// In seconds since 1970, as text; none of a request that is signed in a header.
    expires: Option<&'a str>,
}

/// Whether an `Authorization` header is of this version.
pub(super) fn is_header(authorization: &str) -> bool {
    authorization.trim_start().split(' ').next() == Some(SCHEME)
}

/// Whether the query means to authenticate its request by this version.
pub(super) fn is_meant(query: &Pairs) -> bool {
    query.iter().any(|(name, _)| name == ACCESS_KEY || name == SIGNATURE)
}

impl<'a> Claim<'a> {
    /// Reads `AWS access-key:signature`.
    pub(super) fn by_header(authorization: &'a str) -> Result<Self, S3Error> {
        let fields =
            authorization.trim().strip_prefix(SCHEME).and_then(|fields| fields.trim_start().rsplit_once(':'));
        match fields {
            Some((access_key, signature)) => Ok(Self { access_key, signature, expires: None }),
            None => {
                let message = "AWS authorization header is invalid. Expected AwsAccessKeyId:signature";
                Err(S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", "Authorization"))
            }
        }
    }

    pub(super) fn by_query(query: &'a Pairs) -> Result<Self, S3Error> {
        let mixed = |name: &str| presigned::is_parameter(name) && !presigned::is_session_token(name);
        if query.iter().any(|(name, _)| mixed(name)) {
            return Err(presigned::two_mechanisms());
        }
        let (access_key, signature) = (parameter(query, ACCESS_KEY)?, parameter(query, SIGNATURE)?);
        Ok(Self { access_key, signature, expires: Some(parameter(query, EXPIRES)?) })
    }

    fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }

    /// Whether the signature holds at this moment: a URL until it expires, a header within the difference of
    /// clocks.
    pub(super) fn check_time(&self, head: Head<'_>, now: Timestamp) -> Result<(), S3Error> {
        let Some(expires) = self.expires else {
            let (text, at) = date(head)?;
            return check_skew(at, text, now);
        };
        let denied = |message: String| S3Error::new(ErrorCode::AccessDenied, message);
        let digits = Some(expires).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let end = digits.and_then(|text| text.parse::<i64>().ok());
        let end =
            end.ok_or_else(|| denied(format!("Invalid date (should be seconds since epoch): {expires}")))?;
        if end <= now.seconds() {
            let end = Timestamp::from_millis(end * 1000);
            return Err(denied("Request has expired".to_owned())
                .detail("Expires", end.iso8601())
                .detail("ServerTime", now.iso8601()));
        }
        Ok(())
    }

    /// 403 unless the signature covers every parameter that decides what is done.
    pub(super) fn check_coverage(&self, head: Head<'_>) -> Result<(), S3Error> {
        let shaping = if head.target.key.is_some() { OF_PARTS } else { OF_LISTINGS };
        let is_folded = |name: &str| {
            self.is_presigned() && (is_parameter(name) || stands_for_header(&name.to_ascii_lowercase()))
        };
        let is_covered =
            |name: &str| SUBRESOURCES.contains(&name) || shaping.contains(&name) || is_folded(name);
        if let Some((name, _)) = head.query.iter().find(|(name, _)| !is_covered(name)) {
            let message = "The request has a query parameter that signature version 2 does not sign. Sign the request with AWS4-HMAC-SHA256.";
            return Err(S3Error::new(ErrorCode::AccessDenied, message).detail("ParameterNotSigned", name));
        }
        // Values are signed without escapes: `versionId=a%26acl` would pass for `versionId=a&acl`, and the
        // other way round.
        let names_another = |value: &str| {
            value
                .split('&')
                .skip(1)
                .any(|part| SUBRESOURCES.contains(&part.split('=').next().unwrap_or(part)))
        };
        if let Some((name, _)) = head
            .query
            .iter()
            .find(|(name, value)| SUBRESOURCES.contains(&name.as_str()) && names_another(value))
        {
            let message = "The value of a query parameter reads like another parameter. Sign the request with AWS4-HMAC-SHA256.";
            return Err(S3Error::new(ErrorCode::AccessDenied, message).detail("ParameterNotSigned", name));
        }
        Ok(())
    }

    /// The texts that may have been signed, the most likely first: SDKs put a slash behind the name of a
    /// bucket, and send none.
    pub(super) fn strings_to_sign(&self, head: Head<'_>) -> Result<Vec<Vec<u8>>, S3Error> {
        let text = self.string_to_sign(head, head.raw_path)?;
        if head.target.key.is_some() || head.raw_path.ends_with('/') {
            return Ok(vec![text]);
        }
        Ok(vec![text, self.string_to_sign(head, &format!("{}/", head.raw_path))?])
    }

    fn string_to_sign(&self, head: Head<'_>, path: &str) -> Result<Vec<u8>, S3Error> {
        let mut out = Vec::with_capacity(512);
        let date = match self.expires {
            Some(expires) => expires,
            // The other header is signed with all of its kind.
            None if head.headers.contains_key("x-amz-date") => "",
            None => head.headers.text(header::DATE)?.unwrap_or_default(),
        };
        for line in [
            head.method.as_str(),
            self.positional(head, CONTENT_MD5)?,
            self.positional(head, header::CONTENT_TYPE)?,
            date,
        ] {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        for (name, value) in self.amz_headers(head) {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(&value);
            out.push(b'\n');
        }
        canonical_resource(head, path, &mut out);
        Ok(out)
    }

    /// A header that is signed by its value alone, or the parameter that stands for it.
    fn positional<'h>(&self, head: Head<'h>, name: HeaderName) -> Result<&'h str, S3Error> {
        if let Some(value) = head.headers.text(&name)? {
            return Ok(value);
        }
        let folded = head
            .query
            .iter()
            .find(|(parameter, _)| self.is_presigned() && name.as_str().eq_ignore_ascii_case(parameter));
        Ok(folded.map_or("", |(_, value)| value.as_str()))
    }

    /// Every `x-amz-*` header, the values of one name joined, and the parameters that stand for such headers.
    fn amz_headers(&self, head: Head<'_>) -> BTreeMap<String, Vec<u8>> {
        let names = head.headers.keys().filter(|name| name.as_str().starts_with("x-amz-"));
        let values = |name| {
            head.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect::<Vec<_>>()
        };
        let mut all: BTreeMap<String, Vec<u8>> =
            names.map(|name| (name.as_str().to_owned(), values(name).join(&b","[..]))).collect();
        for (name, value) in head.query.iter().filter(|_| self.is_presigned()) {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-amz-") {
                all.entry(name).or_insert_with(|| value.trim().as_bytes().to_vec());
            }
        }
        all
    }
}

/// The bucket, if the host names it, the path, and the sub-resources in order of their names.
fn canonical_resource(head: Head<'_>, path: &str, out: &mut Vec<u8>) {
    if let (true, Some(bucket)) = (head.bucket_in_host, &head.target.bucket) {
        out.push(b'/');
        out.extend_from_slice(bucket.as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    let mut signed: Vec<_> =
        head.query.iter().filter(|(name, _)| SUBRESOURCES.contains(&name.as_str())).collect();
    signed.sort();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        out.push(if index == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// In constant time.
pub(super) fn verifies(secret: &Secret, text: &[u8], signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(&key, text, &tag).is_ok())
}

/// `x-amz-date`, or else `Date`: as it was sent, and as a point in time.
fn date(head: Head<'_>) -> Result<(&str, Timestamp), S3Error> {
    let text = match head.headers.amz("x-amz-date")? {
        Some(text) => Some(text),
        None => head.headers.text(header::DATE)?,
    };
    let parsed = text.and_then(|text| {
        let at = SigningTime::parse(text).map(|time| time.at);
        Some((text, at.or_else(|| parse_date(text))?))
    });
    parsed.ok_or_else(|| {
        S3Error::new(ErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
    })
}

/// A date in any form of RFC 822: clients write `+0000` or `GMT`. The day of the week may be a wrong one, or
/// be missing.
fn parse_date(text: &str) -> Option<Timestamp> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let gmt = text.strip_suffix("+0000").map(|rest| format!("{rest}GMT"));
    let gmt = gmt.as_deref().unwrap_or(text);
    let without_day = gmt.split_once(", ").map_or(gmt, |(_, rest)| rest);
    let on = |day| Timestamp::parse_http_date(&format!("{day}, {without_day}"));
    Timestamp::parse_http_date(gmt).or_else(|| DAYS.iter().find_map(on))
}

fn parameter<'a>(query: &'a Pairs, wanted: &str) -> Result<&'a str, S3Error> {
    let mut values = query.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => {
            Err(S3Error::argument(wanted, "", format!("The parameter {wanted} must not be repeated")))
        }
        (None, _) => {
            let message =
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
            Err(S3Error::new(ErrorCode::AccessDenied, message))
        }
    }
}
