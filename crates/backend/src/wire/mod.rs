//! HTTP to object stores: the code that their drivers share. It owns connections, TLS, signing, timeouts,
//! repeats, and bodies that are streamed in both directions. It knows no protocol: a driver makes the heads
//! of requests and interprets replies.
//!
//! Invariants:
//! - every request has a permit among the `max_requests` of its backend until its reply was read or dropped,
//!   so a slow backend never takes the permits of another;
//! - every wait is bounded: connecting by `connect_timeout`, the reply's head and each piece of its body by
//!   `timeout`. The time in which the storage does not accept a body that is ready is bounded too, but not
//!   the time in which the client does not send it;
//! - a storage that has not replied yet, or was lost, counts as lost when it sends nothing at all for
//!   `connect_timeout`;
//! - a request is repeated only if that is harmless, or if it is certain that it was not carried out; a
//!   streamed body is never repeated;
//! - the last piece of a streamed body is sent only after the whole body was verified: a request whose body
//!   fails is aborted.

mod address;
mod connecting;
mod credentials;
mod outgoing;
mod reach;
mod repeat;
mod reply;
mod resume;
mod sending;
mod silence;
pub mod tls;
mod verdict;

pub use address::{encode_path, encode_query};
pub use credentials::{Sign, Unsigned, context};
pub use outgoing::{BodyOutcome, Framing, Outgoing, Sent, gather_or_stream};
pub use reach::Reach;
pub use repeat::{Again, pause};
pub use reply::{Came, Reply};
pub use resume::{Reopen, resuming};
pub use sending::{Gathered, Sending};
pub use verdict::{Verdict, judged};

use super::traffic::{Meter, Traffic};
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use connecting::Connector;
use http::{StatusCode, Uri, request::Parts};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use silence::{SignOfLife, sign_of_life};
use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// How long an idle connection is kept. Most storages keep it longer, so they do not close it during a
/// request.
const IDLE: Duration = Duration::from_secs(10);

/// The read buffer of a connection, and so of a request in flight.
const READ_BUFFER: usize = 128 << 10;

#[derive(Debug, Clone)]
pub struct WireSettings {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// The maximum number of times that a request is sent.
    pub attempts: u32,
    pub max_requests: usize,
    /// PEM certificates to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    pub reach: Reach,
}

impl Default for WireSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(3),
            attempts: 4,
            max_requests: 256,
            ca_file: None,
            reach: Reach::Anywhere,
        }
    }
}

/// The HTTP client of one backend.
pub struct Wire {
    client: Client<Connector, Outgoing>,
    permits: Arc<Semaphore>,
    settings: WireSettings,
    meter: Meter,
}

impl Wire {
    pub fn new(settings: WireSettings) -> Result<Arc<Self>> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(READ_BUFFER)
            .set_host(false)
            .build(Connector::new(&settings)?);
        Ok(Arc::new(Self {
            client,
            permits: Arc::new(Semaphore::new(settings.max_requests)),
            settings,
            meter: Meter::default(),
        }))
    }

    pub fn settings(&self) -> &WireSettings {
        &self.settings
    }

    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// The meter, for drivers that repeat requests by themselves.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Sends a request until its reply has a status that a repeat would not change. `head` is unsigned; each
    /// attempt gets its own signature.
    pub async fn send(&self, signer: &dyn Sign, head: Parts, body: Outgoing, again: Again) -> Result<Reply> {
        self.send_within(self.settings.timeout, signer, head, body, again).await
    }

    /// Sends like `send`, with another time limit, for requests that take storages long: copies, and
    /// completing uploads.
    pub async fn send_within(
        &self,
        timeout: Duration,
        signer: &dyn Sign,
        head: Parts,
        body: Outgoing,
        again: Again,
    ) -> Result<Reply> {
        let permit = tokio::time::timeout(self.settings.timeout, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(StoreError::new(
                StoreErrorKind::Busy,
                "too many requests are waiting for this backend",
            ));
        };
        let mut body = Some(body);
        let begun = Instant::now();
        for attempt in 1.. {
            // A caller that has waited this long without a connection gets the error.
            let late =
                |failure: &Failure| !failure.is_reached && begun.elapsed() >= self.settings.connect_timeout;
            let last = attempt >= self.settings.attempts;
            let Some(sending) = body.take() else { break };
            body = sending.again();
            let mut parts = head.clone();
            signer.sign(&mut parts).await?;
            let pause = match self.once(timeout, http::Request::from_parts(parts, sending)).await {
                Ok(response) => match again.after_reply(response.status(), response.headers()) {
                    Some(least) if !last && body.is_some() => repeat::pause(attempt, least),
                    _ => return Ok(Reply::new(response, permit, timeout)),
                },
                Err(failure)
                    if !last
                        && !late(&failure)
                        && body.is_some()
                        && again.after_failure(failure.carried_out) =>
                {
                    tracing::debug!(error = %failure.error, attempt, "a request to a backend failed; it is repeated");
                    repeat::pause(attempt, Duration::ZERO)
                }
                Err(failure) => return Err(self.error_for_caller(failure, &head.uri)),
            };
            self.meter.repeat();
            tokio::time::sleep(pause).await;
        }
        Err(StoreError::new(StoreErrorKind::Internal, "a request has no attempts"))
    }

    /// Returns the error for the last failure of a request. A missing connection is also recorded, because it
    /// affects all callers.
    fn error_for_caller(&self, failure: Failure, uri: &Uri) -> StoreError {
        if failure.is_reached {
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

    /// Sends a request once, and waits for the head of the reply.
    async fn once(
        &self,
        timeout: Duration,
        request: http::Request<Outgoing>,
    ) -> std::result::Result<http::Response<Incoming>, Failure> {
        let (progress, uri) = (request.body().progress(), request.uri().clone());
        self.meter.request();
        let exchange = self.client.request(request);
        let reply = tokio::select! {
            reply = exchange => reply.map_err(Failure::transport),
            () = progress.stalled_for(timeout) => Err(Failure::stalled()),
            () = self.silence(&uri) => Err(Failure::silent(self.settings.connect_timeout)),
        };
        match &reply {
            Ok(reply) => self.answered(reply.status()),
            Err(_) => self.meter.failures(1),
        }
        reply
    }

    /// Completes when the storage has shown no sign of life for `connect_timeout`. It never completes while
    /// the storage counts as reachable.
    async fn silence(&self, uri: &Uri) {
        if !self.meter.contact().is_made() {
            match sign_of_life(&self.client, uri, self.settings.connect_timeout).await {
                SignOfLife::Silence if !self.meter.contact().is_made() => return,
                SignOfLife::Reply(status) => self.answered(status),
                SignOfLife::Silence | SignOfLife::Unknown => {}
            }
        }
        std::future::pending().await
    }

    fn answered(&self, status: StatusCode) {
        // A 401 does not count as contact, because the driver decides whether the storage accepts the
        // credentials.
        if status != StatusCode::UNAUTHORIZED {
            self.meter.contact().made();
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A request that got no reply.
struct Failure {
    /// Whether the storage may have carried out the request.
    carried_out: bool,
    /// Whether the request had a connection.
    is_reached: bool,
    error: StoreError,
}

impl Failure {
    fn transport(error: hyper_util::client::legacy::Error) -> Self {
        let (is_reached, what) = if error.is_connect() {
            (false, "connecting to the storage failed")
        } else {
            (true, "the connection to the storage was lost")
        };
        let error = StoreError::new(StoreErrorKind::Unavailable, what).with_source(Chain::of(&error));
        Self { carried_out: is_reached, is_reached, error }
    }

    fn stalled() -> Self {
        let error = StoreError::new(StoreErrorKind::Unavailable, "the storage did not answer in time");
        Self { carried_out: true, is_reached: true, error }
    }

    /// Returns the failure of a request that the storage has received and not answered, so that its outcome
    /// is unknown.
    fn silent(limit: Duration) -> Self {
        let error = StoreError::new(StoreErrorKind::Unavailable, "the storage says nothing").with_source(
            format!("it took the connection, and has not answered for {limit:?} (connect_timeout)"),
        );
        Self { carried_out: true, is_reached: false, error }
    }
}

/// An error and its causes in one line. The library's own text omits the causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Chain(String);

impl Chain {
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    const CONNECT: Duration = Duration::from_millis(600);
    /// Much shorter than the timeout of requests, and much longer than any step here takes.
    const SOON: Duration = Duration::from_secs(20);

    /// Starts a server that calls `serve` for every connection.
    async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        address
    }

    /// Reads everything, sends nothing, and keeps the connection.
    async fn say_nothing(mut stream: TcpStream) {
        let mut buffer = [0; 1024];
        while let Ok(1..) = stream.read(&mut buffer).await {}
    }

    async fn ask(wire: &Wire, url: String, again: Again) -> Result<StatusCode> {
        let head = http::Request::builder()
            .uri(url)
            .header(http::header::HOST, "storage")
            .body(())
            .expect("a request")
            .into_parts()
            .0;
        let asked = wire.send(&Unsigned, head, Outgoing::empty(), again);
        tokio::time::timeout(SOON, asked).await.expect("it is told soon").map(|reply| reply.status)
    }

    fn wire() -> Arc<Wire> {
        Wire::new(WireSettings {
            timeout: Duration::from_secs(600),
            connect_timeout: CONNECT,
            ..WireSettings::default()
        })
        .expect("settings")
    }

    #[tokio::test]
    async fn a_storage_that_says_nothing_is_lost_within_the_time_to_connect() {
        let address = server(say_nothing).await;
        for (scheme, words) in
            [("http", "has not answered for 600ms"), ("https", "TLS were not done within 600ms")]
        {
            for again in [Again::Harmless, Again::OnlyIfRefused] {
                let wire = wire();
                let error = ask(&wire, format!("{scheme}://{address}/bucket"), again)
                    .await
                    .expect_err("nothing comes");
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains(words), "{error}");
                let Traffic { requests, trouble, .. } = wire.traffic();
                assert_eq!(
                    (requests, trouble),
                    (1, Some(error.to_string())),
                    "it is not asked again, and everybody is told"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_storage_that_is_slow_and_says_that_it_is_there_has_all_its_time() {
        let address = server(|mut stream| async move {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                if !buffer[..n].starts_with(b"HEAD / ") {
                    tokio::time::sleep(CONNECT * 3).await;
                }
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        let (address, wire) = (address.await, wire());
        assert_eq!(
            ask(&wire, format!("http://{address}/bucket"), Again::Harmless).await.expect("a reply"),
            StatusCode::FORBIDDEN
        );
        assert_eq!(wire.traffic().trouble, None);
    }
}
