//! A request on its way to a service that takes access tokens: addressed, sent with a token, and repeated
//! when the service limits the rate of requests. Its driver interprets replies and refusals.

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

/// The time limit for copies of large files.
const PATIENCE: Duration = Duration::from_secs(600);
/// The first pause after a rate limit was met. Pauses grow exponentially from here.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// The longest pause that the service may ask for.
const LONGEST_TOLD: Duration = Duration::from_secs(60);
const SLOWER: u32 = 6;
/// A page of 1,000 files, or of 2,000 short ones.
const LONGEST: usize = 8 << 20;
/// Documents that say why something was refused are short; whatever is longer is none.
const LONGEST_REFUSAL: usize = 64 << 10;

/// Why a service did not do what it was asked.
pub trait Refusal: Into<StoreError> + Send + Sized + 'static {
    /// In words to an operator.
    const SERVICE: &'static str;

    fn read(status: StatusCode, retry_after: Option<Duration>, document: &[u8]) -> Self;

    /// Asking more slowly helps.
    fn is_rate_limit(&self) -> bool;

    /// The token is not valid, or not any more.
    fn is_of_token(&self) -> bool;

    fn retry_after(&self) -> Option<Duration>;
}

/// The reply of a service, or its refusal.
type Answer<R> = std::result::Result<Reply, R>;

/// The way to one service.
pub struct Api<R> {
    wire: Arc<Wire>,
    tokens: Tokens,
    endpoint: Endpoint,
    /// All requests wait while the service has told one of them to wait.
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

    /// A path of the API.
    pub fn call(self: &Arc<Self>, method: Method, below: &str) -> Call<R> {
        self.at(&self.endpoint, method, &format!("{}{below}", self.endpoint.path()))
    }

    /// Makes a request to a path that the service has named, with its query: always on the API's own host.
    pub fn named(self: &Arc<Self>, method: Method, target: &str) -> Call<R> {
        self.at(&self.endpoint, method, target)
    }

    /// A whole path of another host that takes our tokens.
    pub fn at(self: &Arc<Self>, host: &Endpoint, method: Method, path: &str) -> Call<R> {
        Call::new(
            self.clone(),
            method,
            (host.scheme().to_owned(), host.authority().to_owned(), path.to_owned()),
            true,
        )
    }

    /// An address that is secret enough by itself. It gets no token.
    pub fn unsigned(self: &Arc<Self>, method: Method, address: &str) -> Result<Call<R>> {
        let place = address.parse::<Uri>().ok().and_then(|uri| {
            let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
            Some((scheme.to_owned(), uri.authority()?.to_string(), uri.path_and_query()?.to_string()))
        });
        let strange = || {
            StoreError::new(StoreErrorKind::Internal, format!("an address that {} gave is none", R::SERVICE))
        };
        Ok(Call::new(self.clone(), method, place.ok_or_else(strange)?, false))
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
    /// Scheme, authority, path.
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

    /// A value that no header can have is left out: ours are all legal.
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

    /// The service may take its time.
    pub fn patiently(mut self) -> Self {
        self.patient = true;
        self
    }

    /// A body that streams gets one attempt.
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
                let least = refusal.retry_after().unwrap_or_default().min(LONGEST_TOLD);
                self.api.slow_down(spread(pause, 1.0..1.5).max(least));
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                return Ok(Err(refusal));
            }
            body = Outgoing::full(bytes.clone());
        }
        Err(StoreError::new(StoreErrorKind::Busy, format!("{} limits the rate of requests", R::SERVICE)))
    }

    /// The document that answers it.
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
    let strange = |error: serde_json::Error| {
        StoreError::new(StoreErrorKind::Internal, format!("an answer of {} is not understood", R::SERVICE))
            .with_source(error)
    };
    serde_json::from_slice(document).map_err(strange)
}
