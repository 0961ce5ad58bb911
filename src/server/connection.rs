//! Connections: accepted within limits, spoken to in whichever protocol they choose, and let go in good order.

use super::{
    error::StartError,
    handler::{Handler, Line},
    idle::{Activity, Patience, Verdict, Watched},
    linger::Lingering,
    tls::Tls,
};
use crate::{config::Server, telemetry::metrics::Metrics};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// S3 allows 8 KB of headers; clients send a few dozen.
const MAX_HEADERS: usize = 200;
/// Per HTTP/2 connection. What a client may send unread is `CONNECTION_WINDOW`, whatever its streams: a connection costs
/// as much as one of HTTP/1.1, and one stream cannot take all of it.
const STREAMS: u32 = 128;
const CONNECTION_WINDOW: u32 = 256 << 10;
const STREAM_WINDOW: u32 = 128 << 10;
const SEND_BUFFER: usize = 64 << 10;
/// Streams that a client opened and took back at once: more of them is an attack.
const RESET_STREAMS: usize = 32;

/// How long a peer may take to leave when it is asked to.
const GOODBYE: Duration = Duration::from_millis(500);

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Door {
    http: auto::Builder<TokioExecutor>,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    handler: Arc<Handler>,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Door {
    pub(super) fn new(
        server: &Server,
        tls: Option<Arc<Tls>>,
        handler: Arc<Handler>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let header_size = usize::try_from(server.max_header_size.0).unwrap_or(usize::MAX);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            // `Activity` times heads: a timer per connection is cheaper than one per request.
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS)
            .max_buf_size(header_size);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(header_size).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(RESET_STREAMS);
        Self {
            http,
            tls,
            patience: Patience { idle: server.idle_timeout, head: server.header_timeout },
            handler,
            metrics,
            places: Arc::new(Semaphore::new(server.max_connections)),
            connections: TaskTracker::new(),
            stop,
        }
    }

    /// Accepts on every listener until told to stop. The tracker ends when the last connection has.
    pub(super) fn open(self: Arc<Self>, listeners: Vec<TcpListener>) -> Result<(Vec<SocketAddr>, TaskTracker), StartError> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(|error| StartError::because("the S3 listener", error));
        let addresses = listeners.iter().map(address).collect::<Result<_, _>>()?;
        let connections = self.connections.clone();
        for listener in listeners {
            let door = self.clone();
            connections.spawn(async move { door.stop.clone().run_until_cancelled(door.accept(listener)).await });
        }
        connections.close();
        Ok((addresses, connections))
    }

    async fn accept(&self, listener: TcpListener) {
        // Beyond the limit clients wait in the system's queue, where they cost nothing.
        while let Ok(place) = self.place().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.metrics.connections_total.inc();
                    let guest = Guest { metrics: self.metrics.clone(), _place: place };
                    guest.metrics.connections.inc();
                    self.connections.spawn(self.welcome(stream, peer, guest));
                }
                // Out of descriptors or memory: a connection that ends makes room. A peer that left is no matter.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        tracing::warn!("max_connections is reached: further clients wait");
        self.places.clone().acquire_owned().await
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr, guest: Guest) -> impl Future<Output = ()> + Send + 'static {
        let (http, handler, patience, stop) = (self.http.clone(), self.handler.clone(), self.patience, self.stop.child_token());
        let tls = self.tls.as_ref().map(|tls| tls.acceptor());
        async move {
            // Replies are written in one piece; waiting for more to send only delays them.
            let _ = stream.set_nodelay(true);
            let conversation = Conversation { http, handler, patience, peer, stop };
            match tls {
                None => conversation.hold(stream).await,
                Some(tls) => match tokio::time::timeout(patience.head, tls.accept(stream)).await {
                    Ok(Ok(stream)) => conversation.hold(stream).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection came about"),
                    Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                },
            }
            drop(guest);
        }
    }
}

/// A connection's place, until dropped.
#[derive(Debug)]
struct Guest {
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

struct Conversation {
    http: auto::Builder<TokioExecutor>,
    handler: Arc<Handler>,
    patience: Patience,
    peer: SocketAddr,
    stop: CancellationToken,
}

impl Conversation {
    async fn hold<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let activity = Activity::begin();
        let io = Watched::new(Lingering::new(TokioIo::new(stream), activity.clone()), activity.clone());
        let (handler, line) = (self.handler, Line { peer: self.peer, activity: activity.clone() });
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, line) = (handler.clone(), line.clone());
            async move { Ok::<_, Infallible>(handler.answer(request, &line).await) }
        });
        let mut connection = pin!(self.http.serve_connection(io, service));
        let mut alarm = pin!(tokio::time::sleep(self.patience.shortest()));
        let mut stop = pin!(self.stop.cancelled());
        let mut closing = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = alarm.as_mut() => match activity.check(self.patience) {
                    Verdict::CheckAt(time) => alarm.as_mut().reset(time),
                    Verdict::Over(why) if closing => {
                        tracing::debug!(peer = %self.peer, why, "a connection was cut off");
                        return;
                    }
                    // HTTP/2 can say goodbye: a request that is under way meets no broken connection.
                    Verdict::Over(_) => {
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + GOODBYE);
                    }
                },
                () = stop.as_mut(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            // What peers do to connections is their business.
            tracing::debug!(peer = %self.peer, %error, "a connection broke");
        }
    }
}
