//! Who sent a request: an anonymous client, or the identity whose secret signed it.

pub(super) use super::head::Head;
use super::{
    Keys, authorization,
    canonical::{Order, Reading, Signed, check_coverage, push_sha256, string_to_sign},
    claim::{Algorithm, Claim, Credential, QUERIES, S3, SigningTime},
    form::signed::{By, SignedPolicy},
    presigned::{self, Presigned, Version},
    region_set,
    signature::{SigningKey, SigningKeys},
    skew::{MAX_SKEW, check_skew},
    version2,
};
use crate::{
    iam::{KeyInForce, Refused},
    model::{Identity, Principal, SignatureV2, Timestamp},
    s3::{ErrorCode, HeaderMapExt, S3Error, Signature, SignatureVersion},
};
use http::{HeaderMap, HeaderName, header};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) principal: Principal,
    /// The signature version by which the query authenticates the request, if it does.
    pub(super) presigned: Option<Version>,
    pub(super) proof: Option<Proof>,
    /// Signed headers whose values were sent in Latin-1.
    pub(super) latin1: Vec<HeaderName>,
}

impl Sender {
    /// What decisions may know of the signature. Only version 4 leaves a proof, which says when it was made.
    pub(super) fn signature(&self) -> Option<Signature> {
        let version = match (&self.principal, &self.proof) {
            (Principal::Anonymous, _) => return None,
            (Principal::Identity(_), Some(proof)) => match proof.key.algorithm() {
                Algorithm::Hmac => SignatureVersion::Four,
                Algorithm::Ecdsa => SignatureVersion::FourAsymmetric,
            },
            (Principal::Identity(_), None) => SignatureVersion::Two,
        };
        Some(Signature { version, at: self.proof.as_ref().map(|proof| proof.time.at) })
    }
}

/// The signature that held: the first link of the chain that signed chunks continue.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) key: Arc<SigningKey>,
    pub(super) time: SigningTime,
    pub(super) signature: String,
}

/// When a request was signed, and when it is verified.
#[derive(Debug, Clone, Copy)]
struct SignedAt {
    time: SigningTime,
    now: Timestamp,
}

#[derive(Debug)]
pub(super) struct Authenticator {
    keys: Arc<dyn Keys>,
    signing: SigningKeys,
    region: Option<String>,
    version2: SignatureV2,
}

impl Authenticator {
    /// `region` is the only one that requests may be signed for; without it, any region is accepted.
    pub(super) fn new(keys: Arc<dyn Keys>, region: Option<String>, version2: SignatureV2) -> Self {
        Self { keys, signing: SigningKeys::new(), region, version2 }
    }

    pub(super) fn authenticate(&self, head: Head<'_>, now: Timestamp) -> Result<Sender, S3Error> {
        let authorization = head.headers.text(header::AUTHORIZATION)?;
        match (authorization, presigned::is_meant(head.query), version2::is_meant(head.query)) {
            (None, false, false) => Ok(Sender {
                principal: Principal::Anonymous,
                presigned: None,
                proof: None,
                latin1: Vec::new(),
            }),
            (Some(text), false, false) if version2::is_header(text) => {
                self.by_version2(head, version2::Claim::by_header(text), now, None)
            }
            (Some(text), false, false) => self.by_header(head, text, now),
            (None, true, false) => self.by_query(head, now),
            (None, false, true) => {
                self.by_version2(head, version2::Claim::by_query(head.query), now, Some(Version::Two))
            }
            _ => Err(presigned::two_mechanisms()),
        }
    }

    /// Who signed a call of the query APIs. Its signature covers the whole body. `None`: it is not signed.
    pub(super) fn authenticate_call(
        &self,
        head: Head<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Sender>, S3Error> {
        let mut payload = String::new();
        push_sha256(&mut payload, body);
        if head.headers.amz("x-amz-content-sha256")?.is_some_and(|announced| announced != payload) {
            return Err(ErrorCode::XAmzContentSHA256Mismatch.into());
        }
        match (head.headers.text(header::AUTHORIZATION)?, presigned::is_meant(head.query)) {
            (None, false) => Ok(None),
            (Some(_), true) => Err(presigned::two_mechanisms()),
            (Some(text), false) => {
                let claim = authorization::parse_for(QUERIES, text)?;
                signed_regions(&claim, head.headers)?;
                let time = signing_time(head.headers)?;
                check_day(&claim, &time)?;
                check_skew(time.at, time.as_str(), now)?;
                self.verify(head, &claim, SignedAt { time, now }, &payload, None).map(Some)
            }
            (None, true) => {
                let presigned = Presigned::parse(head.query, QUERIES)?;
                check_day(&presigned.claim, &presigned.time)?;
                presigned.check_time(now, MAX_SKEW)?;
                let at = SignedAt { time: presigned.time, now };
                self.verify(head, &presigned.claim, at, &payload, Some(Version::Four)).map(Some)
            }
        }
    }

    fn by_header(&self, head: Head<'_>, authorization: &str, now: Timestamp) -> Result<Sender, S3Error> {
        let claim = authorization::parse(authorization)?;
        let set = signed_regions(&claim, head.headers)?;
        self.check_region(&claim.credential, set, |why| authorization::malformed(&why))?;
        let payload = head.headers.amz("x-amz-content-sha256")?.ok_or_else(|| {
            S3Error::new(
                ErrorCode::InvalidRequest,
                "Missing required header for this request: x-amz-content-sha256",
            )
        })?;
        let time = signing_time(head.headers)?;
        check_day(&claim, &time)?;
        check_skew(time.at, time.as_str(), now)?;
        self.verify(head, &claim, SignedAt { time, now }, payload, None)
    }

    fn by_query(&self, head: Head<'_>, now: Timestamp) -> Result<Sender, S3Error> {
        let presigned = Presigned::parse(head.query, S3)?;
        let malformed =
            |why| presigned::malformed(format!("Error parsing the X-Amz-Credential parameter; {why}"));
        self.check_region(&presigned.claim.credential, presigned.region_set, malformed)?;
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
        let at = SignedAt { time: presigned.time, now };
        self.verify(head, &presigned.claim, at, payload, Some(Version::Four))
    }

    /// SDKs look for the region in the error, and sign again with it. `set` is the regions of SigV4A.
    fn check_region(
        &self,
        credential: &Credential<'_>,
        set: Option<&str>,
        malformed: impl FnOnce(String) -> S3Error,
    ) -> Result<(), S3Error> {
        let Some(ours) = &self.region else { return Ok(()) };
        let (is_ours, given) = match set {
            None => (credential.region == ours, credential.region),
            Some(set) => (region_set::admits(set, ours), set),
        };
        if is_ours {
            return Ok(());
        }
        let why = format!("the region '{given}' is wrong; expecting '{ours}'");
        Err(malformed(why).detail("Region", ours))
    }

    fn by_version2(
        &self,
        head: Head<'_>,
        claim: Result<version2::Claim<'_>, S3Error>,
        now: Timestamp,
        presigned: Option<Version>,
    ) -> Result<Sender, S3Error> {
        let is_presigned = presigned.is_some();
        let find = |claim: &version2::Claim<'_>| self.identity(head, claim.access_key, presigned, now);
        // Where the server does not accept version 2, only an identity that is there can be an exception.
        let is_exception = || {
            claim.as_ref().is_ok_and(|claim| find(claim).is_ok_and(|key| self.accepts(&key, is_presigned)))
        };
        if !self.version2.accepts(is_presigned) && !is_exception() {
            return Err(authorization::signature_version_2());
        }
        let claim = claim?;
        claim.check_time(head, now)?;
        let key = find(&claim)?;
        if !self.accepts(&key, is_presigned) {
            return Err(authorization::signature_version_2());
        }
        claim.check_coverage(head)?;
        let texts = claim.strings_to_sign(head)?;
        let holds = |text: &Vec<u8>| {
            key.secrets.valid(now).any(|secret| version2::verifies(secret, text, claim.signature))
        };
        if !texts.iter().any(holds) {
            let text = texts.first().map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
            return Err(S3Error::from(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", claim.access_key)
                .detail("StringToSign", text)
                .detail("SignatureProvided", claim.signature));
        }
        key.used(now, "s3");
        let principal = Principal::Identity(key.identity);
        Ok(Sender { principal, presigned, proof: None, latin1: Vec::new() })
    }

    /// Whether version 2 is accepted from an identity: its own setting wins.
    fn accepts(&self, key: &KeyInForce, is_presigned: bool) -> bool {
        key.identity.signature_v2.unwrap_or(self.version2).accepts(is_presigned)
    }

    /// The identity that signed the policy of a form.
    pub(super) fn by_form(
        &self,
        signed: &SignedPolicy<'_>,
        now: Timestamp,
    ) -> Result<Arc<Identity>, S3Error> {
        let (access_key, given) = match &signed.by {
            By::Four { credential, signature } => {
                let malformed = |why| {
                    presigned::malformed(format!("Error parsing the X-Amz-Credential parameter; {why}"))
                };
                self.check_region(credential, None, malformed)?;
                (credential.access_key, *signature)
            }
            By::Two { access_key, signature } => (*access_key, *signature),
        };
        let is_by_two = matches!(signed.by, By::Two { .. });
        let key = match self.known(access_key, signed.token, now) {
            // A form ends, as a presigned URL does.
            Ok(key) if is_by_two && !self.accepts(&key, true) => {
                return Err(authorization::signature_version_2());
            }
            Err(_) if is_by_two && !self.version2.accepts(true) => {
                return Err(authorization::signature_version_2());
            }
            known => known?,
        };
        let text = signed.policy.as_bytes();
        let holds = key.secrets.valid(now).any(|secret| match &signed.by {
            By::Four { credential, signature } => {
                self.signing.verify(credential, secret, text, signature).is_some()
            }
            By::Two { signature, .. } => version2::verifies(secret, text, signature),
        });
        if !holds {
            return Err(S3Error::from(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", access_key)
                .detail("StringToSign", signed.policy)
                .detail("SignatureProvided", given));
        }
        key.used(now, "s3");
        Ok(key.identity)
    }

    fn identity(
        &self,
        head: Head<'_>,
        access_key: &str,
        presigned: Option<Version>,
        now: Timestamp,
    ) -> Result<KeyInForce, S3Error> {
        self.known(access_key, session_token(head, presigned.is_some())?, now)
    }

    /// The identity of an access key that came with a session token, or without one.
    fn known(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<KeyInForce, S3Error> {
        self.keys.find(access_key, token, now).map_err(|refused| match refused {
            Refused::Unknown => {
                S3Error::from(ErrorCode::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key)
            }
            Refused::InvalidToken => ErrorCode::InvalidToken.into(),
            Refused::ExpiredToken => ErrorCode::ExpiredToken.into(),
        })
    }

    fn verify(
        &self,
        head: Head<'_>,
        claim: &Claim<'_>,
        SignedAt { time, now }: SignedAt,
        payload: &str,
        presigned: Option<Version>,
    ) -> Result<Sender, S3Error> {
        let credential = &claim.credential;
        let opened = self.identity(head, credential.access_key, presigned, now)?;
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
        let texts = |order: Order, reading: Reading| {
            let canonical_request = signed.canonical_request(order, reading);
            let text = string_to_sign(credential.algorithm, &time, credential.scope, &canonical_request);
            (text, canonical_request)
        };
        let mut ways = signed
            .readings()
            .iter()
            .flat_map(|reading| signed.orders().iter().map(move |order| (*order, *reading)));
        let held = ways.find_map(|(order, reading)| {
            let (text, _) = texts(order, reading);
            let verify = |secret| self.signing.verify(credential, secret, text.as_bytes(), claim.signature);
            Some((opened.secrets.valid(now).find_map(verify)?, reading))
        });
        let Some((key, reading)) = held else {
            let (text, canonical_request) = texts(Order::Sorted, Reading::Bytes);
            return Err(S3Error::from(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", credential.access_key)
                .detail("StringToSign", text)
                .detail("SignatureProvided", claim.signature)
                .detail("CanonicalRequest", String::from_utf8_lossy(&canonical_request)));
        };
        let proof = Some(Proof { key, time, signature: claim.signature.to_owned() });
        let latin1 = match reading {
            Reading::Bytes => Vec::new(),
            Reading::Latin1 => signed.names_outside_ascii().collect(),
        };
        opened.used(now, credential.service);
        Ok(Sender { principal: Principal::Identity(opened.identity), presigned, proof, latin1 })
    }
}

/// Both are the client's words: they must agree.
fn check_day(claim: &Claim<'_>, time: &SigningTime) -> Result<(), S3Error> {
    if time.day() == claim.credential.date {
        return Ok(());
    }
    Err(authorization::malformed(&format!(
        "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\"",
        claim.credential.date,
        time.day()
    )))
}

/// The regions that a request of SigV4A is signed for. Like every such header, it is signed itself.
fn signed_regions<'h>(claim: &Claim<'_>, headers: &'h HeaderMap) -> Result<Option<&'h str>, S3Error> {
    if claim.credential.algorithm == Algorithm::Hmac {
        return Ok(None);
    }
    let set = headers.amz("x-amz-region-set")?;
    set.map(Some).ok_or_else(|| authorization::malformed("the header x-amz-region-set is missing"))
}

/// The session token that a request comes with, in its headers or, if that authenticates it, its query.
pub(super) fn session_token<'a>(head: Head<'a>, is_presigned: bool) -> Result<Option<&'a str>, S3Error> {
    let in_header = head.headers.amz("x-amz-security-token")?;
    let in_query = if is_presigned { presigned::session_token(head.query)? } else { None };
    match (in_header, in_query) {
        (Some(one), Some(other)) if one != other => Err(ErrorCode::InvalidToken.into()),
        (one, other) => Ok(one.or(other)),
    }
}

/// `x-amz-date`, or else `Date` in either of its forms: both are part of the string to sign.
fn signing_time(headers: &HeaderMap) -> Result<SigningTime, S3Error> {
    let time = match headers.amz("x-amz-date")? {
        Some(text) => SigningTime::parse(text),
        None => headers
            .text(header::DATE)?
            .and_then(|text| SigningTime::parse(text).or_else(|| SigningTime::parse_http_date(text))),
    };
    time.ok_or_else(|| {
        S3Error::new(ErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
    })
}
