//! HTTP to object stores: what their drivers share. Connections, TLS, signing, timeouts, repeats, and bodies that stream
//! both ways. Knows nothing of any one protocol: a driver brings request heads and reads replies.
//!
//! Invariants:
//! - every request has a place among `max_requests` of its backend, until its reply has been read or dropped: one slow
//!   backend never takes what another needs;
//! - nothing waits for ever: connecting, the reply's head and every piece of its body have `timeout`; so has the storage
//!   while it does not take a body that is there, but not the client that sends it;
//! - a request is repeated only if that is harmless, or if it surely was not carried out; a streamed body never is;
//! - of a streamed body the last piece is sent only once the whole was verified: what fails is cut short on the way.

mod address;
mod credentials;
mod outgoing;
mod repeat;
mod reply;
mod resume;
mod sending;
pub(super) mod tls;
mod verdict;

pub(super) use address::{encode_path, encode_query};
pub(super) use credentials::{Sign, Unsigned, context};
pub(super) use outgoing::{Framing, Outcome, Outgoing, Sent, gather_or_stream};
pub(super) use repeat::{Again, pause};
pub(super) use reply::{Came, Reply};
pub(super) use resume::{Reopen, resuming};
pub(super) use sending::{Gathered, Sending};
pub(super) use verdict::{Verdict, judged};

use super::traffic::{Meter, Traffic};
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use http::{StatusCode, Uri, request::Parts};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Idle connections are closed before storages do: most keep them for longer than this.
const IDLE: Duration = Duration::from_secs(10);

/// Per connection, and so per request in flight.
const READ_BUFFER: usize = 128 << 10;

#[derive(Debug, Clone)]
pub struct WireSettings {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    pub max_requests: usize,
    /// PEM certificates to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
}

impl Default for WireSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), connect_timeout: Duration::from_secs(3), attempts: 4, max_requests: 256, ca_file: None }
    }
}

/// The way to one backend.
pub(super) struct Wire {
    client: Client<HttpsConnector<HttpConnector>, Outgoing>,
    places: Arc<Semaphore>,
    settings: WireSettings,
    meter: Meter,
}

impl Wire {
    pub(super) fn new(settings: WireSettings) -> Result<Arc<Self>> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::configuration(settings.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(READ_BUFFER)
            .set_host(false)
            .build(connector);
        Ok(Arc::new(Self { client, places: Arc::new(Semaphore::new(settings.max_requests)), settings, meter: Meter::default() }))
    }

    pub(super) fn settings(&self) -> &WireSettings {
        &self.settings
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// For who repeats by himself.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Sends a request until there is a reply worth reading: any status that a repeat would not change. `head` has no
    /// signature yet; each attempt gets its own.
    pub(super) async fn send(&self, signer: &dyn Sign, head: Parts, body: Outgoing, again: Again) -> Result<Reply> {
        self.send_within(self.settings.timeout, signer, head, body, again).await
    }

    /// As `send`, for what takes storages longer than other requests: copies, and completing uploads.
    pub(super) async fn send_within(
        &self,
        timeout: Duration,
        signer: &dyn Sign,
        head: Parts,
        body: Outgoing,
        again: Again,
    ) -> Result<Reply> {
        let place = tokio::time::timeout(self.settings.timeout, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(StoreError::new(StoreErrorKind::Busy, "too many requests are waiting for this backend"));
        };
        let mut body = Some(body);
        let begun = Instant::now();
        for attempt in 1.. {
            // Who has waited in vain for a connection for so long is told.
            let late = |failure: &Failure| !failure.carried_out && begun.elapsed() >= self.settings.connect_timeout;
            let last = attempt >= self.settings.attempts;
            let Some(sending) = body.take() else { break };
            body = sending.again();
            let mut parts = head.clone();
            signer.sign(&mut parts).await?;
            let pause = match self.once(timeout, http::Request::from_parts(parts, sending)).await {
                Ok(response) => match again.after_reply(response.status(), response.headers()) {
                    Some(least) if !last && body.is_some() => repeat::pause(attempt, least),
                    _ => return Ok(Reply::new(response, place, timeout)),
                },
                Err(failure) if !last && !late(&failure) && body.is_some() && again.after_failure(failure.carried_out) => {
                    tracing::debug!(error = %failure.error, attempt, "a request to a backend failed; it is repeated");
                    repeat::pause(attempt, Duration::ZERO)
                }
                Err(failure) => return Err(self.told(failure, &head.uri)),
            };
            self.meter.repeat();
            tokio::time::sleep(pause).await;
        }
        Err(StoreError::new(StoreErrorKind::Internal, "a request has no attempts"))
    }

    /// The last failure of a request, for whoever has sent it. That there is no connection is everybody's affair.
    fn told(&self, failure: Failure, uri: &Uri) -> StoreError {
        if failure.carried_out {
            return failure.error;
        }
        let storage = uri.authority().map_or("the storage", |authority| authority.as_str());
        let error = StoreError::new(failure.error.kind(), format!("connecting to {storage} failed"));
        let error = match std::error::Error::source(&failure.error) {
            Some(why) => error.with_source(why.to_string()),
            None => error,
        };
        self.meter.contact().lost(&error);
        error
    }

    /// One exchange up to the head of the reply.
    async fn once(&self, timeout: Duration, request: http::Request<Outgoing>) -> std::result::Result<http::Response<Incoming>, Failure> {
        let progress = request.body().progress();
        self.meter.request();
        let exchange = self.client.request(request);
        let reply = tokio::select! {
            reply = exchange => reply.map_err(Failure::transport),
            () = progress.stalled_for(timeout) => Err(Failure::stalled()),
        };
        match &reply {
            // Whether it accepts us, a driver may know better.
            Ok(reply) if reply.status() == StatusCode::UNAUTHORIZED => {}
            Ok(_) => self.meter.contact().made(),
            Err(_) => self.meter.failures(1),
        }
        reply
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// No reply.
struct Failure {
    /// Whether the request may have been carried out all the same.
    carried_out: bool,
    error: StoreError,
}

impl Failure {
    fn transport(error: hyper_util::client::legacy::Error) -> Self {
        let (carried_out, what) = match error.is_connect() {
            true => (false, "connecting to the storage failed"),
            false => (true, "the connection to the storage was lost"),
        };
        Self { carried_out, error: StoreError::new(StoreErrorKind::Unavailable, what).with_source(Chain::of(&error)) }
    }

    fn stalled() -> Self {
        Self { carried_out: true, error: StoreError::new(StoreErrorKind::Unavailable, "the storage did not answer in time") }
    }
}

/// An error and its causes in one line: the library's own text leaves the causes out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Chain(String);

impl Chain {
    pub(super) fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self(text)
    }
}
