//! Who sent a request: nobody in particular, or the identity whose secret signed it.

use super::{
    Keys, authorization,
    canonical::{Signed, check_coverage, string_to_sign},
    claim::{Claim, SigningTime},
    presigned::{self, Pairs, Presigned},
    signature::{SigningKey, SigningKeys},
};
use crate::{
    model::{Principal, Timestamp},
    s3::{ErrorCode, HeaderMapExt, S3Error},
};
use http::{HeaderMap, Method, header};
use std::sync::Arc;

/// How far the clocks of client and server may be apart, in milliseconds.
const MAX_SKEW: i64 = 15 * 60 * 1000;

/// A request less its body, as it was signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    /// Decoded.
    pub(super) path: &'a str,
    /// Decoded.
    pub(super) query: &'a Pairs,
    pub(super) headers: &'a HeaderMap,
    pub(super) host: &'a str,
}

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) principal: Principal,
    pub(super) presigned: bool,
    pub(super) proof: Option<Proof>,
}

/// The signature that held: the first link of the chain that signed chunks continue.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) key: Arc<SigningKey>,
    pub(super) time: SigningTime,
    pub(super) signature: String,
}

#[derive(Debug)]
pub(super) struct Authenticator {
    keys: Arc<dyn Keys>,
    signing: SigningKeys,
}

impl Authenticator {
    pub(super) fn new(keys: Arc<dyn Keys>) -> Self {
        Self { keys, signing: SigningKeys::new() }
    }

    pub(super) fn authenticate(&self, head: Head<'_>, now: Timestamp) -> Result<Sender, S3Error> {
        let authorization = head.headers.text(header::AUTHORIZATION)?;
        match (authorization, presigned::is_meant(head.query)?) {
            (None, false) => Ok(Sender { principal: Principal::Anonymous, presigned: false, proof: None }),
            (Some(text), false) => self.by_header(head, text, now),
            (None, true) => self.by_query(head, now),
            (Some(_), true) => {
                let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                               parameter or the Authorization header should be specified";
                Err(S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", "Authorization"))
            }
        }
    }

    fn by_header(&self, head: Head<'_>, authorization: &str, now: Timestamp) -> Result<Sender, S3Error> {
        let claim = authorization::parse(authorization)?;
        let payload = head
            .headers
            .amz("x-amz-content-sha256")?
            .ok_or_else(|| S3Error::new(ErrorCode::InvalidRequest, "Missing required header for this request: x-amz-content-sha256"))?;
        let time = signing_time(head.headers)?;
        if time.day() != claim.credential.date {
            return Err(authorization::malformed(&format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\"",
                claim.credential.date,
                time.day()
            )));
        }
        if (now.millis() - time.at.millis()).abs() > MAX_SKEW {
            return Err(S3Error::from(ErrorCode::RequestTimeTooSkewed)
                .detail("RequestTime", time.as_str())
                .detail("ServerTime", now.iso8601())
                .detail("MaxAllowedSkewMilliseconds", MAX_SKEW.to_string()));
        }
        self.verify(head, &claim, time, payload, false)
    }

    fn by_query(&self, head: Head<'_>, now: Timestamp) -> Result<Sender, S3Error> {
        let presigned = Presigned::parse(head.query)?;
        if presigned.time.day() != presigned.claim.credential.date {
            return Err(presigned::malformed(format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
                presigned.claim.credential.date,
                presigned.time.day()
            )));
        }
        presigned.check_time(now, MAX_SKEW)?;
        let payload = match head.headers.amz("x-amz-content-sha256")? {
            Some(payload) => payload,
            None => presigned::content_sha256(head.query).unwrap_or(super::announced::UNSIGNED),
        };
        self.verify(head, &presigned.claim, presigned.time, payload, true)
    }

    fn verify(&self, head: Head<'_>, claim: &Claim<'_>, time: SigningTime, payload: &str, presigned: bool) -> Result<Sender, S3Error> {
        let credential = &claim.credential;
        let (identity, secret) = self
            .keys
            .find(credential.access_key)
            .ok_or_else(|| S3Error::from(ErrorCode::InvalidAccessKeyId).detail("AWSAccessKeyId", credential.access_key))?;
        // Ours are not temporary credentials, so a session token is none that we gave.
        if head.headers.contains_key("x-amz-security-token") || (presigned && presigned::has_session_token(head.query)) {
            return Err(ErrorCode::InvalidToken.into());
        }
        check_coverage(head.headers, claim.signed_headers)?;
        let signed = Signed {
            method: head.method.as_str(),
            path: head.path,
            query: head.query,
            headers: head.headers,
            host: head.host,
            names: claim.signed_headers,
            payload,
        };
        let canonical_request = signed.canonical_request();
        let text = string_to_sign(&time, credential.scope, &canonical_request);
        let Some(key) = self.signing.verify(credential, &secret, text.as_bytes(), claim.signature) else {
            return Err(S3Error::from(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", credential.access_key)
                .detail("StringToSign", text)
                .detail("SignatureProvided", claim.signature)
                .detail("CanonicalRequest", String::from_utf8_lossy(&canonical_request)));
        };
        let proof = Some(Proof { key, time, signature: claim.signature.to_owned() });
        Ok(Sender { principal: Principal::Identity(identity), presigned, proof })
    }
}

/// `x-amz-date`, or else `Date` in either of its forms: both are part of the string to sign.
fn signing_time(headers: &HeaderMap) -> Result<SigningTime, S3Error> {
    let time = match headers.amz("x-amz-date")? {
        Some(text) => SigningTime::parse(text),
        None => headers.text(header::DATE)?.and_then(|text| SigningTime::parse(text).or_else(|| SigningTime::parse_http_date(text))),
    };
    time.ok_or_else(|| S3Error::new(ErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header"))
}
