//! The edge: from an HTTP request to a request that S3 may trust, or a refusal.
//!
//! Owns authentication (SigV4, SigV4A and, where the settings allow it, SigV2, in the header or the query),
//! addressing, the decoding of bodies and what they announce, and the form of replies. Does not own
//! authorization (the gate of `s3`), connections (`server`), nor the identities ([`Keys`]).
//!
//! Invariants:
//! - a request that tries to authenticate and fails is refused, never treated as anonymous;
//! - a preflight is answered before authentication: browsers send it without credentials;
//! - a request for a page of a website is anonymous, whatever credentials it has (`site`);
//! - of an authenticated request every `x-amz-*` header is signed, wherever it was written, and the host, or
//!   by SigV2 the bucket;
//! - nothing of a body is read before its request is admitted: a refusal costs the client no upload, and the
//!   server no memory. The exceptions are the fields of a form, which have a limit, and the body of a call of IAM
//!   or STS, which is signed as a whole and short (`query`).

mod address;
mod announced;
mod authentication;
pub mod authorization;
mod body;
mod canonical;
pub mod chunked;
mod claim;
pub mod encoding;
pub mod form;
mod head;
mod presigned;
mod public_key;
mod query;
mod region_set;
mod reply;
mod signature;
mod site;
mod skew;
mod version2;
mod version2_parameters;
mod wire;

#[cfg(test)]
mod tests;

pub use body::{Pace, Paces};
pub use claim::{Algorithm, Claim, Credential};
pub use reply::Reply;
pub use site::{Entrance, Site, Visited};

use crate::{
    access::CredentialsInForce,
    iam::{KeyInForce, Refused},
    model::{SignatureV2, Timestamp},
    s3::{
        self, Arrival, Context, CrossOrigin, ErrorCode, HeaderMapExt, Operation, Preflight, Query, Request,
        RouteInput, S3Error, Target,
    },
    store::payload::{Announced, Payload},
};
use address::Addresses;
use announced::Framing;
use authentication::{Authenticator, Head, Sender};
use body::WireBody;
use bytes::Bytes;
use chunked::{Decoder, Signatures};
use form::Form;
use http::{HeaderMap, Method, header, request::Parts};
use presigned::Pairs;
use reply::Attended;
use site::Sites;
use std::{fmt, sync::Arc};

/// The identities there are, by access key.
pub trait Keys: Send + Sync + fmt::Debug {
    /// `token` is the session token that came with the request.
    fn find(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<KeyInForce, Refused>;
}

impl Keys for CredentialsInForce {
    fn find(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<KeyInForce, Refused> {
        self.identify(access_key, token, now)
    }
}

#[derive(Debug, Clone, Default)]
pub struct EdgeSettings {
    /// Domains under which buckets are host names.
    pub domains: Vec<String>,
    /// Domains under which hosts are websites of buckets.
    pub website_domains: Vec<String>,
    /// The minimum pace of bodies.
    pub paces: Paces,
    /// The only region that requests may be signed for; without it, any is. Version 2 names none.
    pub region: Option<String>,
    /// Where version 2 is accepted from identities that say nothing of it themselves.
    pub signature_v2: SignatureV2,
}

#[derive(Debug)]
pub struct Edge {
    authenticator: Authenticator,
    addresses: Addresses,
    sites: Sites,
    paces: Paces,
}

/// The result of the edge for a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // One a request, moved once.
pub enum Admitted {
    /// A request whose sender is known, or that is anonymous.
    Request(Request),
    /// An upload by form, whose sender is known once [`Edge::open`] has read its fields.
    Form(Form),
    /// A question of a browser, which carries no credentials.
    Preflight(Preflight),
}

const SECURITY_TOKEN: &str = "x-amz-security-token";

/// A request that is refused, with the data for its error document.
#[derive(Debug)]
pub struct Refusal {
    pub error: S3Error,
    pub target: Target,
}

impl From<S3Error> for Refusal {
    fn from(error: S3Error) -> Self {
        Self { error, target: Target::default() }
    }
}

/// A request as it arrived, in pieces that are kept until its sender is known. The signed parts are checked
/// against its head; a form carries its signature in the body, which may be read from here first.
struct Received<B> {
    arrival: Arrival,
    method: Method,
    target: Target,
    query: Pairs,
    headers: HeaderMap,
    attended: Option<Attended>,
    body: B,
}

impl Edge {
    pub fn new(settings: EdgeSettings, keys: Arc<dyn Keys>) -> Self {
        let authenticator = Authenticator::new(keys, settings.region, settings.signature_v2);
        let (addresses, sites) = (Addresses::new(settings.domains), Sites::new(settings.website_domains));
        Self { authenticator, addresses, sites, paces: settings.paces }
    }

    /// The page of another origin that sent a request, and the bucket that it addresses, whether or not the
    /// request is admitted later. An address that cannot be read is that of no bucket. `site` is the website
    /// that the request is for, if it is for one.
    pub fn page<B>(&self, request: &http::Request<B>, site: Option<&Site>) -> Option<CrossOrigin> {
        let page = CrossOrigin::read(request.method(), request.headers())?;
        if let Some(Site(bucket)) = site {
            return Some(page.on(Some(bucket.clone())));
        }
        let host = wire::host(request.uri(), request.headers(), request.version());
        let path = encoding::decode_path(request.uri().path());
        let bucket =
            host.ok().zip(path.ok()).and_then(|(host, path)| self.addresses.locate(host, &path).0.bucket);
        Some(page.on(bucket))
    }

    /// Authenticates a request by its head, and makes its body a payload.
    #[allow(clippy::result_large_err)] // One a request, moved once.
    pub fn admit<B>(&self, request: http::Request<B>, arrival: Arrival) -> Result<Admitted, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (Parts { method, uri, version, headers, mut extensions, .. }, body) = request.into_parts();
        let host = wire::host(&uri, &headers, version)?;
        let path = encoding::decode_path(uri.path())?;
        let (target, bucket_in_host) = self.addresses.locate(host, &path);
        let target = s3::control_target(&headers, &path).unwrap_or(target);
        let refusal = |error| Refusal { error, target: target.clone() };

        if let Some(preflight) = Preflight::read(&method, &headers, &target, &arrival).map_err(refusal)? {
            return Ok(Admitted::Preflight(preflight));
        }
        let query = encoding::parse_query(uri.query().unwrap_or_default()).map_err(refusal)?;
        let attended = extensions.remove::<Attended>();
        let received = Received { arrival, method, target, query, headers, attended, body };
        if form::is_meant(&received) {
            let target = received.target.clone();
            let form = Form::receive(received, self.paces.clone());
            return form.map(Admitted::Form).map_err(|error| Refusal { error, target });
        }
        let Received { arrival, method, target, query, headers, .. } = &received;
        let refusal = |error| Refusal { error, target: target.clone() };
        let host = wire::host(&uri, headers, version)?;
        let head =
            Head { method, raw_path: uri.path(), path: &path, target, bucket_in_host, query, headers, host };
        let sender = self.authenticator.authenticate(head, arrival.at).map_err(refusal)?;
        self.trust(received, sender).map(Admitted::Request)
    }

    /// Reads the fields of a form, and makes its file the payload of a request.
    #[allow(clippy::result_large_err)]
    pub async fn open(&self, form: Form) -> Result<Request, Refusal> {
        form.open(&self.authenticator).await
    }

    /// Makes a request once its sender is known. The request is routed here.
    #[allow(clippy::result_large_err)]
    fn trust<B>(&self, received: Received<B>, sender: Sender) -> Result<Request, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Received { arrival, method, target, query, mut headers, attended, body } = received;
        let presigned = sender.presigned.is_some();
        let operation = s3::route(RouteInput {
            method: &method,
            target: &target,
            query: &query,
            headers: &headers,
            presigned,
        });
        let refusal = |error| Refusal { error, target: target.clone() };
        // The checksum that Complete carries is that of the object, not of its own document.
        let foreign_checksum = operation == Some(Operation::CompleteMultipartUpload);

        headers.remove(header::AUTHORIZATION);
        canonical::decode_latin1(&mut headers, &sender.latin1);
        let query = match sender.presigned {
            Some(version) => {
                presigned::unfold(version, query, &mut headers, foreign_checksum).map_err(refusal)?
            }
            None => query,
        };
        // The session was verified. No operation knows the token, and no log shows it.
        headers.remove(SECURITY_TOKEN);
        let query = Query::new(query);
        query.refuse_repeated().map_err(refusal)?;
        let (announced, decoder) = body_form(&headers, &sender, foreign_checksum).map_err(refusal)?;
        check_length_is_known(operation, &announced).map_err(refusal)?;
        announced::strip_framing(&mut headers);

        let source = WireBody::new(body, decoder, self.paces.clone(), attended);
        let payload = Payload::new(source, announced);
        let signature = sender.signature();
        let principal = sender.principal;
        let context = Context { arrival, principal, presigned, signature, operation, gateway: None };
        Ok(Request { context, method, target, query, headers, form: None, payload })
    }
}

/// What the headers say about the body, and the decoder that removes its framing.
fn body_form(
    headers: &HeaderMap,
    sender: &Sender,
    foreign_checksum: bool,
) -> Result<(Announced, Option<Decoder>), S3Error> {
    let wire_length = wire::body_length(headers)?;
    let framing = Framing::of(headers.amz("x-amz-content-sha256")?, headers)?;
    let announced = announced::read(headers, framing, wire_length, foreign_checksum)?;
    let (length, trailer) = (announced.length.unwrap_or_default(), announced.checksum.trailer());
    let decoder = match framing {
        Framing::Plain(_) => None,
        Framing::Chunks => Some(Decoder::unsigned(length, trailer)),
        Framing::SignedChunks { by, trailer: sealed } => {
            let proof = sender.proof.as_ref().filter(|proof| proof.key.algorithm() == by);
            let proof = proof.ok_or_else(|| {
                let message = "A signed payload needs a request that is signed in the same way";
                S3Error::new(ErrorCode::InvalidRequest, message)
            })?;
            Some(Decoder::signed(length, trailer, Signatures::new(proof), sealed))
        }
    };
    Ok((announced, decoder))
}

/// S3 stores no body of unknown length.
fn check_length_is_known(operation: Option<Operation>, announced: &Announced) -> Result<(), S3Error> {
    let stores = matches!(operation, Some(Operation::PutObject | Operation::UploadPart));
    if announced.length.is_none() && stores { Err(ErrorCode::MissingContentLength.into()) } else { Ok(()) }
}
