//! Requests to a service that takes access tokens: addressed, sent with a token, and repeated when the
//! service limits the rate of requests. The service's driver interprets replies and refusals.

use super::Tokens;
use crate::{
    backend::{
        Traffic, spread,
        wire::{self, Again, Outgoing, Reply, Sign, Unsigned, Wire},
    },
    model::Endpoint,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time limit for requests that may take long, such as copies of large files.
const PATIENCE: Duration = Duration::from_secs(600);
/// The first pause after a rate limit. Each further pause is longer.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// The longest pause that the service may request.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
const SLOWER: u32 = 6;
/// The longest reply, in bytes: a page of 1,000 files, or of 2,000 short ones.
const LONGEST: usize = 8 << 20;
/// The maximum size of an error document. Real ones are much shorter.
const LONGEST_REFUSAL: usize = 64 << 10;

/// The error reply of a service.
pub trait Refusal: Into<StoreError> + Send + Sized + 'static {
    /// The name of the service, for messages to operators.
    const SERVICE: &'static str;

    fn read(status: StatusCode, retry_after: Option<Duration>, document: &[u8]) -> Self;

    /// Returns whether the service limits the rate, so that slower requests succeed.
    fn is_rate_limit(&self) -> bool;

    /// Returns whether the token is invalid or has expired.
    fn is_of_token(&self) -> bool;

    fn retry_after(&self) -> Option<Duration>;
}

/// The reply of a service, or its refusal.
type Answer<R> = std::result::Result<Reply, R>;

/// The API of one service.
pub struct Api<R> {
    wire: Arc<Wire>,
    tokens: Tokens,
    endpoint: Endpoint,
    /// The time before which no request is sent, because the service has requested a pause.
    not_before: Mutex<Option<Instant>>,
    refusal: PhantomData<fn() -> R>,
}

impl<R: Refusal> Api<R> {
    pub fn new(wire: Arc<Wire>, tokens: Tokens, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { wire, tokens, endpoint, not_before: Mutex::default(), refusal: PhantomData })
    }

    pub fn attempts(&self) -> u32 {
        self.wire.settings().attempts
    }

    pub fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    /// Begins a request to a path of the API.
    pub fn call(self: &Arc<Self>, method: Method, below: &str) -> Call<R> {
        self.at(&self.endpoint, method, &format!("{}{below}", self.endpoint.path()))
    }

    /// Begins a request to a path and query that the service has returned. It always goes to the API's own
    /// host.
    pub fn named(self: &Arc<Self>, method: Method, target: &str) -> Call<R> {
        self.at(&self.endpoint, method, target)
    }

    /// Begins a request to a complete path on another host that accepts the same tokens.
    pub fn at(self: &Arc<Self>, host: &Endpoint, method: Method, path: &str) -> Call<R> {
        Call::new(
            self.clone(),
            method,
            (host.scheme().to_owned(), host.authority().to_owned(), path.to_owned()),
            true,
        )
    }

    /// Begins a request without a token, to an address that is secret by itself.
    pub fn unsigned(self: &Arc<Self>, method: Method, address: &str) -> Result<Call<R>> {
        let place = address.parse::<Uri>().ok().and_then(|uri| {
            let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
            Some((scheme.to_owned(), uri.authority()?.to_string(), uri.path_and_query()?.to_string()))
        });
        let unexpected = || {
            StoreError::new(StoreErrorKind::Internal, format!("an address that {} gave is none", R::SERVICE))
        };
        Ok(Call::new(self.clone(), method, place.ok_or_else(unexpected)?, false))
    }

    async fn wait_for_our_turn(&self) {
        let until = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn slow_down(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(Some(until));
    }
}

impl<R> fmt::Debug for Api<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// A request being built.
#[must_use]
pub struct Call<R> {
    api: Arc<Api<R>>,
    method: Method,
    /// Scheme, authority and path.
    place: (String, String, String),
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Outgoing,
    patient: bool,
    signed: bool,
}

impl<R: Refusal> Call<R> {
    fn new(api: Arc<Api<R>>, method: Method, place: (String, String, String), signed: bool) -> Self {
        Self {
            api,
            method,
            place,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Outgoing::empty(),
            patient: false,
            signed,
        }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header. A value that is invalid in a header is left out; all values here are valid.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => debug_assert!(false, "{name} cannot have such a value"),
        }
        self
    }

    pub fn json(self, document: &impl Serialize) -> Self {
        let document = serde_json::to_vec(document).unwrap_or_default();
        self.header("content-type", "application/json; charset=UTF-8").body(Outgoing::full(document.into()))
    }

    pub fn body(mut self, body: Outgoing) -> Self {
        self.body = body;
        self
    }

    /// Gives the request a long time limit.
    pub fn patiently(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Sends the request. A streamed body gets one attempt.
    pub async fn send(mut self, again: Again) -> Result<Answer<R>> {
        let bytes = match &self.body {
            Outgoing::Full { bytes, .. } => Some(bytes.clone().unwrap_or_default()),
            Outgoing::Stream(_) => None,
        };
        let head = self.head()?;
        let mut body = std::mem::replace(&mut self.body, Outgoing::empty());
        let mut renewed = false;
        let mut pause = FIRST_PAUSE;
        for slower in 0.. {
            self.api.wait_for_our_turn().await;
            let (wire, tokens) = (&self.api.wire, &self.api.tokens);
            let token = if self.signed { Some(tokens.current().await?) } else { None };
            let signer: &dyn Sign = if self.signed { tokens } else { &Unsigned };
            let reply = if self.patient {
                wire.send_within(PATIENCE, signer, head.clone(), body, again).await?
            } else {
                wire.send(signer, head.clone(), body, again).await?
            };
            if !reply.status.is_client_error() && !reply.status.is_server_error() {
                return Ok(Ok(reply));
            }
            let (status, retry_after) =
                (reply.status, reply.number(header::RETRY_AFTER).map(Duration::from_secs));
            let document = reply.bytes(LONGEST_REFUSAL).await.unwrap_or_default();
            let refusal = R::read(status, retry_after, &document);
            let Some(bytes) = &bytes else { return Ok(Err(refusal)) };
            if self.signed && refusal.is_of_token() && !renewed {
                renewed = true;
                tokens.refused(token.as_ref()).await;
            } else if refusal.is_rate_limit() && slower < SLOWER {
                let least = refusal.retry_after().unwrap_or_default().min(MAX_RETRY_AFTER);
                self.api.slow_down(spread(pause, 1.0..1.5).max(least));
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                return Ok(Err(refusal));
            }
            body = Outgoing::full(bytes.clone());
        }
        Err(StoreError::new(StoreErrorKind::Busy, format!("{} limits the rate of requests", R::SERVICE)))
    }

    /// Sends the request and parses the document of the reply.
    pub async fn read<T: DeserializeOwned>(self, again: Again) -> Result<std::result::Result<T, R>> {
        match self.send(again).await? {
            Ok(reply) => parse::<T, R>(&reply.bytes(LONGEST).await?).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn head(&mut self) -> Result<Parts> {
        let (scheme, authority, path) = &self.place;
        let pairs: Vec<_> = self.query.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect();
        let target =
            if pairs.is_empty() { path.clone() } else { format!("{path}?{}", wire::encode_query(&pairs)) };
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(authority.as_str())
            .path_and_query(target)
            .build();
        let unformed = |_| StoreError::new(StoreErrorKind::Internal, "an address cannot be formed");
        let headers = &mut self.headers;
        headers.insert(header::HOST, HeaderValue::from_str(authority).map_err(|_| StoreErrorKind::Internal)?);
        if let Some(length) = self.body.known_length()
            && (length > 0 || matches!(self.method, Method::PUT | Method::POST | Method::PATCH))
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let mut head: Parts = http::Request::new(()).into_parts().0;
        (head.method, head.uri, head.headers) =
            (self.method.clone(), uri.map_err(unformed)?, std::mem::take(headers));
        Ok(head)
    }
}

pub fn parse<T: DeserializeOwned, R: Refusal>(document: &Bytes) -> Result<T> {
    let unexpected = |error: serde_json::Error| {
        StoreError::new(StoreErrorKind::Internal, format!("an answer of {} is not understood", R::SERVICE))
            .with_source(error)
    };
    serde_json::from_slice(document).map_err(unexpected)
}
