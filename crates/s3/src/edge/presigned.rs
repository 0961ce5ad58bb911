//! Requests authenticated by their query: the parameters of a presigned URL, its lifetime, and the headers
//! that some SDKs also put into the query.
//!
//! The signer of a URL does not know the body, so a checksum of the body in the query is no promise: the AWS
//! SDK for JavaScript writes that of an empty body there. S3 ignores it, and checks a body against headers
//! only.

use super::{
    announced,
    claim::{Algorithm, Claim, Credential, SigningTime},
    version2_parameters,
};
use crate::{
    model::Timestamp,
    s3::{ErrorCode, S3Error},
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A decoded query.
pub(super) type Pairs = Vec<(String, String)>;

const SIGNATURE: &str = "X-Amz-Signature";
const REGION_SET: &str = "X-Amz-Region-Set";
/// The authentication parameters. The last but one is only there with temporary credentials, and the last one
/// only with SigV4A.
const PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    SIGNATURE,
    "X-Amz-Security-Token",
    REGION_SET,
];
/// Each of these alone says that a request means to be presigned.
const MARKS: [&str; 3] = ["X-Amz-Algorithm", "X-Amz-Credential", SIGNATURE];
/// The first second that is too many: seven days.
const MAX_EXPIRES: i64 = 604_800;

/// By which version of the signature a URL is presigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Two,
    Four,
}

/// The claim of a presigned URL.
#[derive(Debug)]
pub(super) struct Presigned<'a> {
    pub(super) claim: Claim<'a>,
    pub(super) time: SigningTime,
    /// The regions that the URL is signed for, of SigV4A.
    pub(super) region_set: Option<&'a str>,
    /// Seconds.
    expires: i64,
}

/// Whether the query means to authenticate its request.
pub(super) fn is_meant(query: &Pairs) -> bool {
    query.iter().any(|(name, _)| MARKS.iter().any(|mark| mark.eq_ignore_ascii_case(name)))
}

pub(super) fn is_parameter(name: &str) -> bool {
    PARAMETERS.iter().any(|parameter| parameter.eq_ignore_ascii_case(name))
}

/// The signature itself is not part of the signed text.
pub(super) fn is_signature(name: &str) -> bool {
    name.eq_ignore_ascii_case(SIGNATURE)
}

pub(super) fn is_session_token(name: &str) -> bool {
    name.eq_ignore_ascii_case("X-Amz-Security-Token")
}

/// The session token of the query.
pub(super) fn session_token(query: &Pairs) -> Result<Option<&str>, S3Error> {
    let mut tokens = query.iter().filter(|(name, _)| is_session_token(name));
    match (tokens.next(), tokens.next()) {
        (token, None) => Ok(token.map(|(_, token)| token.as_str())),
        (_, Some(_)) => Err(malformed("X-Amz-Security-Token must not be repeated")),
    }
}

/// The `X-Amz-Content-Sha256` of the query.
pub(super) fn content_sha256(query: &Pairs) -> Option<&str> {
    query
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"))
        .map(|(_, value)| value.as_str())
}

impl<'a> Presigned<'a> {
    pub(super) fn parse(query: &'a Pairs, services: &[&str]) -> Result<Self, S3Error> {
        let algorithm = Algorithm::parse(parameter(query, "X-Amz-Algorithm")?).ok_or_else(|| {
            malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\" and \"AWS4-ECDSA-P256-SHA256\"")
        })?;
        let credential = Credential::parse(parameter(query, "X-Amz-Credential")?, services, algorithm)
            .map_err(|why| malformed(format!("Error parsing the X-Amz-Credential parameter; {why}.")))?;
        let region_set = match algorithm {
            Algorithm::Hmac => None,
            Algorithm::Ecdsa => Some(parameter(query, REGION_SET)?),
        };
        let time = SigningTime::parse(parameter(query, "X-Amz-Date")?).ok_or_else(|| {
            malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?;
        let expires = parameter(query, "X-Amz-Expires")?
            .parse::<i64>()
            .map_err(|_| malformed("X-Amz-Expires should be a number"))?;
        if expires < 0 {
            return Err(malformed("X-Amz-Expires must be non-negative"));
        }
        if expires > MAX_EXPIRES {
            return Err(malformed(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
            ));
        }
        let signed_headers = parameter(query, "X-Amz-SignedHeaders")?;
        let signature = parameter(query, SIGNATURE)?;
        Ok(Self { claim: Claim { credential, signed_headers, signature }, time, region_set, expires })
    }

    /// Whether the URL holds at this moment. One that lasts zero seconds never does.
    pub(super) fn check_time(&self, now: Timestamp, skew: i64) -> Result<(), S3Error> {
        let denied = |message: &str| {
            let end = Timestamp::from_millis(self.time.at.millis() + self.expires * 1000);
            S3Error::new(ErrorCode::AccessDenied, message)
                .detail("X-Amz-Expires", self.expires.to_string())
                .detail("Expires", end.iso8601())
                .detail("ServerTime", now.iso8601())
        };
        let age = now.millis() - self.time.at.millis();
        if age < -skew {
            return Err(denied("Request is not yet valid"));
        }
        if age >= self.expires * 1000 {
            return Err(denied("Request has expired"));
        }
        Ok(())
    }
}

fn parameter<'a>(query: &'a Pairs, wanted: &str) -> Result<&'a str, S3Error> {
    let mut values =
        query.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(malformed(format!("{wanted} must not be repeated"))),
        (None, _) => Err(malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, \
             X-Amz-SignedHeaders, and X-Amz-Expires parameters, and with AWS4-ECDSA-P256-SHA256 X-Amz-Region-Set.",
        )),
    }
}

pub(super) fn malformed(why: impl Into<String>) -> S3Error {
    S3Error::new(ErrorCode::AuthorizationQueryParametersError, why)
}

/// 400 for a request that authenticates itself twice.
pub(super) fn two_mechanisms() -> S3Error {
    let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                   parameter or the Authorization header should be specified";
    S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", "Authorization")
}

/// Called once the signature is verified: turns parameters that represent headers into headers, and drops the
/// authentication parameters. With `foreign_checksum`, checksums are about something else than the body, and
/// are kept.
pub(super) fn unfold(
    version: Version,
    query: Pairs,
    headers: &mut HeaderMap,
    foreign_checksum: bool,
) -> Result<Pairs, S3Error> {
    let mut rest = Vec::with_capacity(query.len());
    for (name, value) in query {
        let is_authentication = match version {
            Version::Two => version2_parameters::is_parameter(&name),
            Version::Four => is_parameter(&name),
        };
        // Nearly all parameters of such a request are those of its authentication.
        if is_authentication {
            continue;
        }
        let lower = name.to_ascii_lowercase();
        if !foreign_checksum && announced::is_checksum(&lower) {
            continue;
        }
        let stands_for_header = match version {
            Version::Two => version2_parameters::stands_for_header(&lower),
            Version::Four => lower.starts_with("x-amz-"),
        };
        if !stands_for_header {
            rest.push((name, value));
        } else {
            let illegal = || {
                S3Error::argument(name.as_str(), value.as_str(), "This parameter cannot stand for a header")
            };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| illegal())?;
            let wanted = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| illegal())?;
            if headers.get_all(&header).iter().any(|present| present != wanted) {
                let message = format!("The parameter {name} and the header of that name differ");
                return Err(S3Error::new(ErrorCode::InvalidRequest, message));
            }
            headers.insert(header, wanted);
        }
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_that_stand_for_headers_become_headers_and_the_authentication_leaves() {
        let query = pairs(&[
            ("X-Amz-Signature", "00"),
            ("x-amz-acl", "private"),
            ("X-Amz-Meta-A", "é"),
            ("partNumber", "1"),
        ]);
        let mut headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-amz-acl"),
            HeaderValue::from_static("private"),
        )]);
        assert_eq!(
            unfold(Version::Four, query, &mut headers, false).expect("unfolds"),
            pairs(&[("partNumber", "1")])
        );
        assert_eq!(headers.get("x-amz-meta-a").map(HeaderValue::as_bytes), Some("é".as_bytes()));
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn a_parameter_never_replaces_another_value() {
        for query in
            [pairs(&[("x-amz-acl", "public-read")]), pairs(&[("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2")])]
        {
            let mut headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-amz-acl"),
                HeaderValue::from_static("private"),
            )]);
            assert_eq!(
                unfold(Version::Four, query, &mut headers, false).map_err(|error| error.code),
                Err(ErrorCode::InvalidRequest)
            );
        }
        assert!(unfold(Version::Four, pairs(&[("x-amz-a b", "1")]), &mut HeaderMap::new(), false).is_err());
        assert!(
            unfold(
                Version::Four,
                pairs(&[("x-amz-meta-a", "1\r\nx-amz-acl: public-read")]),
                &mut HeaderMap::new(),
                false
            )
            .is_err()
        );
    }
}
