//! What a signed request claims, in its header or its query: the access key, the day and region, and the
//! signed headers.
//!
//! Parsing only; `signature` decides whether the claim is true.

use crate::model::Timestamp;
use time::{Date, Month, PrimitiveDateTime, Time};

/// SigV4.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// SigV4A.
pub(super) const ASYMMETRIC: &str = "AWS4-ECDSA-P256-SHA256";

/// How a request of version 4 is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SigV4: for one region, with a key that both sides have.
    Hmac,
    /// SigV4A: for a set of regions, with a private key that is derived from the secret.
    Ecdsa,
}

impl Algorithm {
    const ALL: [Self; 2] = [Self::Hmac, Self::Ecdsa];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hmac => ALGORITHM,
            Self::Ecdsa => ASYMMETRIC,
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// The service that requests of S3 are signed for.
pub(super) const S3: &[&str] = &["s3"];
/// The services that calls of the query APIs are signed for.
pub(super) const QUERIES: &[&str] = &["iam", "sts"];

/// A claim, borrowed from the request.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    pub credential: Credential<'a>,
    /// Names in lower case between semicolons, as signed.
    pub signed_headers: &'a str,
    /// In hexadecimal.
    pub signature: &'a str,
}

/// `AKID/20130524/us-east-1/s3/aws4_request`; of SigV4A without the region.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    pub algorithm: Algorithm,
    pub access_key: &'a str,
    /// `20130524`
    pub date: &'a str,
    /// Empty from clients that have no region, and of SigV4A.
    pub region: &'a str,
    pub service: &'a str,
    /// All behind the access key.
    pub scope: &'a str,
}

impl<'a> Credential<'a> {
    /// The error says what is wrong, for the client.
    pub(super) fn parse(
        text: &'a str,
        services: &[&str],
        algorithm: Algorithm,
    ) -> Result<Self, &'static str> {
        let (count, shape) = match algorithm {
            Algorithm::Hmac => (
                5,
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"",
            ),
            Algorithm::Ecdsa => {
                (4, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/SERVICE/aws4_request\"")
            }
        };
        // The fields are read from behind: nothing forbids a slash in an access key.
        let mut fields = text.rsplitn(count, '/');
        let mut field = || fields.next().ok_or(shape);
        let (terminator, service) = (field()?, field()?);
        let region = if algorithm == Algorithm::Hmac { field()? } else { "" };
        let (date, access_key) = (field()?, field()?);
        if access_key.is_empty() {
            return Err(shape);
        }
        if terminator != "aws4_request" {
            return Err("incorrect terminal. This endpoint uses \"aws4_request\"");
        }
        if !services.contains(&service) {
            return Err(match services {
                ["s3"] => "incorrect service. This endpoint belongs to \"s3\"",
                _ => "Credential should be scoped to correct service",
            });
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(
                "incorrect date format. This date in the credential must be in the format \"yyyyMMdd\"",
            );
        }
        let scope = text.get(access_key.len() + 1..).ok_or(shape)?;
        Ok(Self { algorithm, access_key, date, region, service, scope })
    }
}

/// `20130524T000000Z`, as signed and as a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SigningTime {
    text: [u8; 16],
    pub(super) at: Timestamp,
}

impl SigningTime {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        if bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes[from..to]
                .iter()
                .try_fold(0u16, |n, byte| byte.is_ascii_digit().then(|| n * 10 + u16::from(byte - b'0')))
        };
        let small = |from: usize| number(from, from + 2).map(|n| n as u8);
        let month = Month::try_from(small(4)?).ok()?;
        let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
        let time = Time::from_hms(small(9)?, small(11)?, small(13)?).ok()?;
        let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
        Some(Self { text: bytes, at: Timestamp::from_millis(seconds * 1000) })
    }

    /// Reads a `Date` header, which says the same in another way.
    pub(super) fn parse_http_date(text: &str) -> Option<Self> {
        let at = Timestamp::parse_http_date(text)?;
        let iso: String = at.iso8601().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        // 20091012T175030000Z, the milliseconds of which are zero.
        Self::parse(&format!("{}Z", iso.get(..15)?))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    pub(super) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_read_from_behind() {
        let parse = |text| Credential::parse(text, S3, Algorithm::Hmac).expect("parses");
        let credential = parse("a/b/20130524/eu-1/s3/aws4_request");
        assert_eq!((credential.access_key, credential.date, credential.region), ("a/b", "20130524", "eu-1"));
        assert_eq!(credential.scope, "20130524/eu-1/s3/aws4_request");
        let credential = parse("AKID/20130524//s3/aws4_request");
        assert_eq!(
            (credential.access_key, credential.region, credential.scope),
            ("AKID", "", "20130524//s3/aws4_request")
        );
        let text = "a/b/20130524/s3/aws4_request";
        let credential = Credential::parse(text, S3, Algorithm::Ecdsa).expect("parses");
        assert_eq!((credential.access_key, credential.region), ("a/b", ""));
        assert_eq!(credential.scope, "20130524/s3/aws4_request");
    }

    #[test]
    fn scopes_of_other_services_and_shapes_are_refused() {
        for text in [
            "",
            "AKID",
            "AKID/20130524/us-east-1/s3",
            "/20130524/us-east-1/s3/aws4_request",
            "AKID/20130524/us-east-1/iam/aws4_request",
            "AKID/20130524/us-east-1/s3/aws4_Request",
            "AKID/2013052/us-east-1/s3/aws4_request",
            "AKID/2013052x/us-east-1/s3/aws4_request",
        ] {
            assert!(Credential::parse(text, S3, Algorithm::Hmac).is_err(), "{text}");
        }
        for text in
            ["AKID/20130524/iam/aws4_request", "20130524/s3/aws4_request", "AKID/2013/s3/aws4_request"]
        {
            assert!(Credential::parse(text, S3, Algorithm::Ecdsa).is_err(), "{text}");
        }
    }

    #[test]
    fn a_signing_time_is_a_real_time_in_one_format() {
        let time = SigningTime::parse("20091012T175030Z").expect("parses");
        assert_eq!((time.at.iso8601().as_str(), time.day()), ("2009-10-12T17:50:30.000Z", "20091012"));
        assert_eq!(SigningTime::parse_http_date("Mon, 12 Oct 2009 17:50:30 GMT"), Some(time));
        for text in [
            "",
            "20091012T175030",
            "20091312T175030Z",
            "20090230T175030Z",
            "20091012T245030Z",
            "2009-10-12T17:5Z",
            "2009101éT17503Z",
        ] {
            assert_eq!(SigningTime::parse(text), None, "{text}");
        }
    }
}
