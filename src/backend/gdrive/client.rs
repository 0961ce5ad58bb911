//! A request on its way to Drive: addressed, with a token, and again when Drive says that we ask too often.

use super::refusal::{self, Refusal};
use crate::{
    backend::{
        Traffic,
        oauth::Tokens,
        wire::{self, Again, Outgoing, Reply, Wire},
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
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What copies of large files may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Of a rate limit: exponential from here, as Google asks for.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
const SLOWER: u32 = 6;
/// A page of 1,000 files.
const LONGEST: usize = 8 << 20;

pub(super) struct Client {
    wire: Arc<Wire>,
    tokens: Tokens,
    endpoint: Endpoint,
    /// Everybody waits while one was told to.
    not_before: Mutex<Option<Instant>>,
}

/// What Drive answered, or why it did not do it.
pub(super) type Answer = std::result::Result<Reply, Refusal>;

impl Client {
    pub(super) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(super) fn new(wire: Arc<Wire>, tokens: Tokens, endpoint: Endpoint) -> Self {
        Self { wire, tokens, endpoint, not_before: Mutex::default() }
    }

    pub(super) fn attempts(&self) -> u32 {
        self.wire.settings().attempts
    }

    /// `/files/…` of the API, in any drive.
    pub(super) fn files(self: &Arc<Self>, method: Method, below: &str) -> Call {
        self.call(method, format!("{}/drive/v3/files{below}", self.endpoint.path())).query("supportsAllDrives", "true")
    }

    pub(super) fn file(self: &Arc<Self>, method: Method, id: &str) -> Call {
        self.files(method, &format!("/{}", wire::encode_path(id)))
    }

    pub(super) fn upload(self: &Arc<Self>, kind: &str) -> Call {
        let call = self.call(Method::POST, format!("{}/upload/drive/v3/files", self.endpoint.path()));
        call.query("supportsAllDrives", "true").query("uploadType", kind)
    }

    /// What Drive has named: an upload that was begun. On our own host, wherever it says.
    pub(super) fn session(self: &Arc<Self>, method: Method, target: &str) -> Call {
        self.call(method, target.to_owned())
    }

    fn call(self: &Arc<Self>, method: Method, path: String) -> Call {
        let (headers, body) = (HeaderMap::new(), Outgoing::empty());
        Call { client: self.clone(), method, path, query: Vec::new(), headers, body, patient: false }
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// A request being built.
#[must_use]
pub(super) struct Call {
    client: Arc<Client>,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Outgoing,
    patient: bool,
}

impl Call {
    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// A value that no header can have is left out: ours are all legal.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => debug_assert!(false, "{name} cannot have such a value"),
        }
        self
    }

    pub(super) fn json(self, document: &impl Serialize) -> Self {
        let document = serde_json::to_vec(document).unwrap_or_default();
        self.header("content-type", "application/json; charset=UTF-8").body(Outgoing::full(document.into()))
    }

    pub(super) fn body(mut self, body: Outgoing) -> Self {
        self.body = body;
        self
    }

    /// Drive may take its time.
    pub(super) fn patiently(mut self) -> Self {
        self.patient = true;
        self
    }

    /// A body that streams gets one attempt.
    pub(super) async fn send(mut self, again: Again) -> Result<Answer> {
        let bytes = match &self.body {
            Outgoing::Full { bytes, .. } => Some(bytes.clone().unwrap_or_default()),
            Outgoing::Stream(_) => None,
        };
        let head = self.head()?;
        let mut body = std::mem::replace(&mut self.body, Outgoing::empty());
        let mut renewed = false;
        let mut pause = FIRST_PAUSE;
        for slower in 0.. {
            self.client.wait_for_our_turn().await;
            let token = self.client.tokens.current().await?;
            let wire = &self.client.wire;
            let reply = match self.patient {
                true => wire.send_within(PATIENCE, &self.client.tokens, head.clone(), body, again).await?,
                false => wire.send(&self.client.tokens, head.clone(), body, again).await?,
            };
            if reply.status.is_success() || reply.status == StatusCode::PERMANENT_REDIRECT {
                return Ok(Ok(reply));
            }
            let refusal = refusal::read(reply).await;
            let Some(bytes) = &bytes else { return Ok(Err(refusal)) };
            if refusal.status == StatusCode::UNAUTHORIZED && !renewed {
                renewed = true;
                self.client.tokens.refused(Some(&token)).await;
            } else if refusal.is_rate_limit() && slower < SLOWER {
                let least = refusal.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
                self.client.slow_down(spread(pause).max(least));
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                return Ok(Err(refusal));
            }
            body = Outgoing::full(bytes.clone());
        }
        Err(StoreError::new(StoreErrorKind::Busy, "Google Drive limits the rate of requests"))
    }

    /// The document that answers it.
    pub(super) async fn read<T: DeserializeOwned>(self, again: Again) -> Result<std::result::Result<T, Refusal>> {
        match self.send(again).await? {
            Ok(reply) => parse(&reply.bytes(LONGEST).await?).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn head(&mut self) -> Result<Parts> {
        let endpoint = &self.client.endpoint;
        let pairs: Vec<_> = self.query.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect();
        let target = if pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, wire::encode_query(&pairs)) };
        let uri = Uri::builder().scheme(endpoint.scheme()).authority(endpoint.authority()).path_and_query(target).build();
        let unformed = |_| StoreError::new(StoreErrorKind::Internal, "an address cannot be formed");
        let headers = &mut self.headers;
        headers.insert(header::HOST, HeaderValue::from_str(endpoint.authority()).map_err(|_| StoreErrorKind::Internal)?);
        if let Some(length) = self.body.known_length()
            && (length > 0 || matches!(self.method, Method::PUT | Method::POST | Method::PATCH))
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let mut head: Parts = http::Request::new(()).into_parts().0;
        (head.method, head.uri, head.headers) = (self.method.clone(), uri.map_err(unformed)?, std::mem::take(headers));
        Ok(head)
    }
}

pub(super) fn parse<T: DeserializeOwned>(document: &Bytes) -> Result<T> {
    let strange = |error: serde_json::Error| {
        StoreError::new(StoreErrorKind::Internal, "an answer of Google Drive is not understood").with_source(error)
    };
    serde_json::from_slice(document).map_err(strange)
}

/// Those that were refused together do not come back together.
fn spread(pause: Duration) -> Duration {
    let mut random = [0u8; 2];
    // Without randomness the pause is only less spread out.
    let share = getrandom::fill(&mut random).map_or(0.5, |()| f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX));
    pause.mul_f64(1.0 + share / 2.0)
}
