//! Whole requests through the edge, signed by the AWS SDK's own signer.

mod asymmetric;
mod bodies;
mod calls;
mod control;
mod forms;
mod latin1;
mod mutations;
mod presigned;
mod refusals;
mod slow;
mod version2;

use super::{Admitted, Edge, EdgeSettings, Keys, Pace, Refusal};
use crate::{
    iam::{KeyInForce, Refused},
    model::{AccessKey, Identity, Owner, ReplacedSecret, Role, Secret, Secrets, SignatureV2, Timestamp},
    s3::{Arrival, ErrorCode, Preflight, Request, RequestId, S3Error},
    store::payload::PayloadError,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningParams, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::{v4, v4a},
};
use bytes::Bytes;
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const ALICE: &str = "AKIDALICE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: &str = "s3.example.com:9000";
/// 2026-01-02T03:04:05Z
const NOW: u64 = 1_767_323_045;

/// What SigV4 leaves as it is in a name or value.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The identities of a test: an access key is its own name.
#[derive(Debug)]
struct People(Vec<(String, String)>);

impl Keys for People {
    fn find(&self, access_key: &str, token: Option<&str>, _now: Timestamp) -> Result<KeyInForce, Refused> {
        let known = self.0.iter().find(|(name, _)| name == access_key);
        let (name, secret) = known.ok_or(Refused::Unknown)?;
        // Like the account of a session, which has a token that ends.
        match (name.as_str(), token) {
            ("session", Some("token")) => {}
            ("session", Some("old")) => return Err(Refused::ExpiredToken),
            ("session", _) | (_, Some(_)) => return Err(Refused::InvalidToken),
            (_, None) => {}
        }
        let owner = Owner { id: name.as_str().into(), display_name: name.as_str().into() };
        let identity = Identity::account(AccessKey(name.as_str().into()), Role::ReadWrite, owner);
        // Names of keys that say themselves where version 2 is accepted.
        let signature_v2 = name.strip_prefix("accepts-").and_then(SignatureV2::parse);
        let identity = Arc::new(Identity { signature_v2, ..identity });
        // A secret may be followed by the one that it replaces.
        let (current, previous) = match secret.split_once(" replaces ") {
            Some((current, previous)) => (current, Some(previous)),
            None => (secret.as_str(), None),
        };
        let until = Some(Timestamp::from_millis(now().millis() + 1000));
        let previous = previous.map(|secret| ReplacedSecret { secret: Secret::new(secret), until });
        let secrets = Secrets { current: Secret::new(current), previous };
        Ok(KeyInForce { identity, secrets, last_use: None })
    }
}

fn edge() -> Edge {
    edge_for(ALICE, SECRET)
}

fn edge_for(access_key: &str, secret: &str) -> Edge {
    edge_with(settings(), access_key, secret)
}

fn settings() -> EdgeSettings {
    EdgeSettings { domains: vec!["s3.example.com".to_owned()], ..EdgeSettings::default() }
}

fn edge_with(settings: EdgeSettings, access_key: &str, secret: &str) -> Edge {
    Edge::new(settings, Arc::new(People(vec![(access_key.to_owned(), secret.to_owned())])))
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW as i64 * 1000)
}

/// A request not yet on the wire.
#[derive(Debug, Clone)]
struct Draft {
    method: &'static str,
    /// Encoded.
    path: String,
    /// Encoded; empty for none.
    query: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Draft {
    fn new(method: &'static str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its length.
    fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("content-length", &length)
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    fn build(self) -> http::Request<Full<Bytes>> {
        let builder = http::Request::builder().method(self.method).uri(self.target());
        let has_host = self.headers.iter().any(|(name, _)| name == "host");
        let builder = if has_host { builder } else { builder.header("host", HOST) };
        let builder = self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
        builder.body(Full::new(self.body)).expect("a request")
    }
}

/// How a draft is signed.
#[derive(Debug)]
struct Signer {
    access_key: String,
    secret: String,
    region: String,
    /// By SigV4A, for these regions.
    region_set: Option<&'static str>,
    service: &'static str,
    at: SystemTime,
    /// Seconds; a presigned URL if there is one.
    expires: Option<u64>,
    not_signed: Vec<&'static str>,
    payload: SignableBody<'static>,
    token: Option<String>,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            access_key: ALICE.to_owned(),
            secret: SECRET.to_owned(),
            region: "us-east-1".to_owned(),
            region_set: None,
            service: "s3",
            at: UNIX_EPOCH + Duration::from_secs(NOW),
            expires: None,
            not_signed: vec!["content-length"],
            payload: SignableBody::UnsignedPayload,
            token: None,
        }
    }
}

impl Signer {
    fn presigning(expires: u64) -> Self {
        Self { expires: Some(expires), ..Self::default() }
    }

    fn sign(&self, draft: Draft) -> Draft {
        self.sign_and_tell(draft).0
    }

    /// The signed draft and its signature.
    fn sign_and_tell(&self, mut draft: Draft) -> (Draft, String) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if self.service != "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        settings.excluded_headers = Some(self.not_signed.iter().map(|name| (*name).into()).collect());
        if let Some(expires) = self.expires {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(expires));
        }
        let identity =
            Credentials::new(&self.access_key, &self.secret, self.token.clone(), None, "test").into();
        let parameters: SigningParams<'_> = match self.region_set {
            None => {
                let parameters = v4::SigningParams::builder().identity(&identity).region(&self.region);
                let parameters = parameters.name(self.service).time(self.at).settings(settings);
                parameters.build().expect("parameters").into()
            }
            Some(set) => {
                let parameters = v4a::SigningParams::builder().identity(&identity).region_set(set);
                let parameters = parameters.name(self.service).time(self.at).settings(settings);
                parameters.build().expect("parameters").into()
            }
        };
        let uri = format!("http://{HOST}{}", draft.target());
        let headers = draft.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request =
            SignableRequest::new(draft.method, uri, headers, self.payload_again()).expect("signable");
        let (instructions, signature) = sign(request, &parameters).expect("signs").into_parts();
        let (headers, query) = instructions.into_parts();
        draft
            .headers
            .extend(headers.iter().map(|header| (header.name().to_owned(), header.value().to_owned())));
        for (name, value) in query {
            let pair = format!("{name}={}", utf8_percent_encode(&value, UNRESERVED));
            draft.query = if draft.query.is_empty() { pair } else { format!("{}&{pair}", draft.query) };
        }
        (draft, signature)
    }

    fn payload_again(&self) -> SignableBody<'_> {
        match &self.payload {
            SignableBody::Precomputed(digest) => SignableBody::Precomputed(digest.clone()),
            SignableBody::StreamingUnsignedPayloadTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
            _ => SignableBody::UnsignedPayload,
        }
    }
}

fn arrival(at: Timestamp) -> Arrival {
    Arrival { id: RequestId("id".into()), at, peer: Ipv4Addr::LOCALHOST.into(), is_secure: false, tls: None }
}

#[allow(clippy::result_large_err)] // As of the edge itself.
fn admit_to<B>(edge: &Edge, request: http::Request<B>, at: Timestamp) -> Result<Request, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
{
    edge.admit(request, arrival(at)).map(|admitted| match admitted {
        Admitted::Request(request) => request,
        Admitted::Form(form) => panic!("{form:?}"),
        Admitted::Preflight(preflight) => panic!("{preflight:?}"),
    })
}

fn admit(request: http::Request<Full<Bytes>>) -> Result<Request, S3Error> {
    admit_to(&edge(), request, now()).map_err(|refusal| refusal.error)
}

fn preflight(request: http::Request<Full<Bytes>>) -> Preflight {
    match edge().admit(request, arrival(now())).expect("admitted") {
        Admitted::Preflight(preflight) => preflight,
        Admitted::Form(form) => panic!("{form:?}"),
        Admitted::Request(request) => panic!("{request:?}"),
    }
}

fn refusal_code(draft: Draft) -> Option<ErrorCode> {
    admit(draft.build()).map_err(|error| error.code).err()
}

async fn read(request: Request) -> Result<Bytes, PayloadError> {
    request.payload.collect(usize::MAX).await
}
