//! Connections: accepted within limits, served in the protocol that the client chooses, and closed in order.

use super::{
    guests::{Guest, Guests},
    handler::Handler,
    idle::{Patience, Verdict, Watched},
    linger::Lingering,
    peers::Peers,
    permit::{Line, Stop},
    regions::{Regions, Sending},
    relief, still,
    streams::Streams,
    talk::{Calls, Protocols, Talk},
    tls::{self, Tls},
};
use crate::{assembly::StartError, config::Server, edge::Entrance, telemetry::metrics::Metrics};
use futures_util::future::{BoxFuture, Either};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// S3 allows 8 KB of headers; clients send a few dozen.
const MAX_HEADERS: usize = 200;
/// The most that one call reads of a connection of HTTP/1.1, and so the longest piece of a body: as much as
/// storage takes at once. A buffer grows to that only while it is filled.
const READ_BUFFER: usize = 128 << 10;
/// A client of HTTP/2 may send `CONNECTION_WINDOW` unread bytes, over all its streams: a connection costs as
/// much as one of HTTP/1.1, and one stream cannot take all of it.
const CONNECTION_WINDOW: u32 = 256 << 10;
const STREAM_WINDOW: u32 = 128 << 10;
const SEND_BUFFER: usize = 64 << 10;
/// Maximum number of streams that a client may have opened and reset at once: more are an attack.
const RESET_STREAMS: usize = 32;

/// How long a connection is idle before it gives its buffers back. Clients that ask one thing after the other
/// are sooner, so that they do not pay for new ones. It is short, so that connections that are opened one
/// after the other use the same buffers.
const REST: Duration = Duration::from_millis(500);

/// How long a peer may take to close its connection when it is asked to.
const GOODBYE: Duration = Duration::from_millis(500);
/// The part of the drain timeout that idle peers have.
const LAST_SHARE: u32 = 6;

/// How long a stopping server waits at most for a peer that does nothing: it reads nothing of a reply, sends
/// nothing of a body, or does not finish a head or a TLS handshake.
pub(super) fn last_patience(server: &Server) -> Duration {
    server.drain_timeout / LAST_SHARE
}

/// Accepts connections.
#[derive(Debug)]
pub(super) struct Door {
    protocols: Arc<Protocols>,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    /// The patience while the server stops.
    last_patience: Patience,
    handler: Arc<Handler>,
    metrics: Arc<Metrics>,
    guests: Arc<Guests>,
    peers: Arc<Peers>,
    connections: TaskTracker,
    stop: CancellationToken,
}

/// The addresses at which connections are accepted.
#[derive(Debug)]
pub(super) struct Opened {
    /// Never empty.
    pub(super) s3: Vec<SocketAddr>,
    pub(super) websites: Vec<SocketAddr>,
    /// Ends when the last connection has ended.
    pub(super) connections: TaskTracker,
}

impl Door {
    pub(super) fn new(
        server: &Server,
        max_connections: usize,
        tls: Option<Arc<Tls>>,
        handler: Arc<Handler>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let header_size = usize::try_from(server.max_header_size.0).unwrap_or(usize::MAX);
        let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(Streams));
        http1
            .timer(TokioTimer::new())
            // `Activity` limits the time for heads: one timer per connection is cheaper than one per request.
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS)
            .max_header_size(header_size)
            .max_buf_size(header_size.max(READ_BUFFER));
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(header_size).unwrap_or(u32::MAX))
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(RESET_STREAMS);
        let patience = Patience { idle: server.idle_timeout, head: server.header_timeout };
        let last_patience = last_patience(server);
        Self {
            protocols: Arc::new(Protocols { http1, http2 }),
            tls,
            patience,
            last_patience: Patience {
                idle: patience.idle.min(last_patience),
                head: patience.head.min(last_patience),
            },
            handler,
            guests: Guests::new(max_connections, metrics.clone()),
            peers: Peers::new(server),
            metrics,
            connections: TaskTracker::new(),
            stop,
        }
    }

    /// Accepts on every listener until the server stops.
    pub(super) fn open(
        self: Arc<Self>,
        s3: Vec<TcpListener>,
        websites: Vec<TcpListener>,
    ) -> Result<Opened, StartError> {
        let addresses = |listeners: &[TcpListener], whose: &str| {
            let address = |listener: &TcpListener| {
                listener
                    .local_addr()
                    .map_err(|error| StartError::because(format_args!("the listener of {whose}"), error))
            };
            listeners.iter().map(address).collect::<Result<Vec<_>, _>>()
        };
        let connections = self.connections.clone();
        let opened =
            Opened { s3: addresses(&s3, "S3")?, websites: addresses(&websites, "websites")?, connections };
        let of_s3 = s3.into_iter().map(|listener| (listener, Entrance::S3));
        let of_websites = websites.into_iter().map(|listener| (listener, Entrance::Website));
        for (listener, entrance) in of_s3.chain(of_websites) {
            let door = self.clone();
            self.connections.spawn(async move {
                door.stop.clone().run_until_cancelled(door.accept(listener, entrance)).await
            });
        }
        self.connections.close();
        // Continues while the server stops, and ends with the process.
        tokio::spawn(relief::relieve(self.guests.clone(), self.peers.clone()));
        Ok(opened)
    }

    async fn accept(&self, listener: TcpListener, entrance: Entrance) {
        // Beyond the limit, clients wait in the system's queue, where they cost nothing.
        while let Some(permit) = self.guests.permit().await {
            match listener.accept().await {
                Ok((stream, address)) => {
                    self.metrics.connections_total.inc();
                    let peer = self.peers.of(address.ip());
                    let Some(of_peer) = peer.connect() else {
                        self.metrics.connections_refused.inc();
                        tracing::debug!(%address, "a connection was closed: its address has max_connections_per_address open");
                        continue;
                    };
                    let guest = self.guests.welcome(permit, of_peer);
                    let stop = Stop { token: self.stop.clone(), last_patience: self.last_patience.idle };
                    let line = Line::new(
                        address,
                        entrance,
                        self.tls.is_some(),
                        peer,
                        self.peers.clone(),
                        guest.activity.clone(),
                        stop,
                    );
                    self.connections.spawn(self.welcome(stream, line, guest));
                }
                // Out of descriptors or memory: a connection that ends makes room. A peer that disconnected
                // needs no action.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.guests.ask_one_to_leave();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// The future of a connection lives as long as the connection, and most connections are idle: what is rare is
    /// boxed.
    fn welcome(
        &self,
        stream: TcpStream,
        line: Line,
        guest: Guest,
    ) -> Either<impl Future<Output = ()> + Send + 'static, BoxFuture<'static, ()>> {
        // Replies are written in one piece; waiting for more data only delays them.
        let _ = stream.set_nodelay(true);
        let conversation = Conversation {
            protocols: self.protocols.clone(),
            handler: self.handler.clone(),
            patience: self.patience,
            last_patience: self.last_patience,
            line,
            leave: guest.leave.clone(),
            stop: self.stop.child_token(),
        };
        match &self.tls {
            Some(tls) => Either::Right(Box::pin(conversation.encrypt(tls.acceptor(), stream, guest))),
            None => {
                let regions = Arc::<Regions>::default();
                let line = conversation.line.clone().sending(regions.clone());
                let conversation = Conversation { line, ..conversation };
                Either::Left(conversation.hold(Sending::new(stream, regions), guest))
            }
        }
    }
}

struct Conversation {
    protocols: Arc<Protocols>,
    handler: Arc<Handler>,
    patience: Patience,
    last_patience: Patience,
    line: Line,
    leave: CancellationToken,
    stop: CancellationToken,
}

impl Conversation {
    /// Resolves when the server stops and requests that have not begun are no longer waited for.
    fn too_late_to_begin(&self) -> impl Future<Output = ()> + Send + 'static {
        let (stop, patience) = (self.stop.clone(), self.last_patience.head);
        async move {
            stop.cancelled().await;
            tokio::time::sleep(patience).await;
        }
    }

    async fn encrypt(mut self, tls: TlsAcceptor, stream: TcpStream, guest: Guest) {
        let (address, too_late) = (self.line.address, self.too_late_to_begin());
        let handshake = tokio::time::timeout(self.patience.head, tls.accept(stream));
        let handshake = guest.leave.run_until_cancelled(handshake);
        let made = tokio::select! {
            biased;
            made = handshake => made,
            () = too_late => {
                tracing::debug!(%address, "a TLS handshake came too late: the server stops");
                return;
            }
        };
        match made {
            Some(Ok(Ok(stream))) => {
                self.line.tls = tls::version(&stream);
                Box::pin(self.hold(stream, guest)).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%address, %error, "no TLS connection came about"),
            Some(Err(_)) => tracing::debug!(%address, "a TLS handshake took too long"),
            None => tracing::debug!(%address, "a TLS handshake gave way to other clients"),
        }
    }

    /// Serves a connection until it ends. `_guest` is its place.
    async fn hold<S>(self, stream: S, _guest: Guest)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { protocols, handler, mut patience, last_patience, line, leave, stop } = self;
        let (address, activity) = (line.address, line.activity.clone());
        let io = Watched::new(Lingering::new(TokioIo::new(stream), activity.clone()), activity.clone());
        let mut talk = Talk::new(protocols, Calls { handler, line: Arc::new(line) }, io);
        let mut alarm = pin!(tokio::time::sleep(patience.shortest().min(REST)));
        let mut stop = pin!(stop.cancelled());
        let mut leave = pin!(leave.cancelled());
        let mut pressed = pin!(activity.pressed());
        let (mut closing, mut stopping, mut leaving) = (false, false, false);
        let ended = loop {
            tokio::select! {
                biased;
                ended = poll_fn(|cx| talk.poll(cx)) => break ended,
                () = alarm.as_mut() => match activity.check(patience) {
                    Verdict::CheckAt(mut time) => {
                        if !closing && activity.rests(REST) {
                            talk.rest();
                        }
                        if talk.may_rest() {
                            time = time.min(Instant::now() + REST);
                        }
                        alarm.as_mut().reset(time);
                    }
                    Verdict::Over(why) if closing => {
                        tracing::debug!(%address, why, "a connection was cut off");
                        return;
                    }
                    // HTTP/2 can announce the end: a request that is on its way meets no broken connection.
                    Verdict::Over(_) => {
                        closing = true;
                        talk.graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + GOODBYE);
                    }
                },
                () = stop.as_mut(), if !stopping => {
                    (stopping, closing, patience) = (true, true, last_patience);
                    talk.graceful_shutdown();
                    alarm.as_mut().reset(Instant::now() + patience.shortest());
                }
                () = pressed.as_mut() => {
                    if !still::replies(&activity, relief::STILL).is_empty() {
                        tracing::debug!(%address, "a connection gave way: nothing was taken of its reply, and others wait for memory");
                        return;
                    }
                    pressed.set(activity.pressed());
                }
                () = leave.as_mut(), if !leaving => {
                    leaving = true;
                    // A peer that has sent no request loses nothing. If thousands of them were sent a GOAWAY,
                    // others would have to wait.
                    if activity.idle_since().is_some() && !activity.has_asked() {
                        tracing::debug!(%address, "a connection gave way to other clients");
                        return;
                    }
                    // A request may have arrived since.
                    if activity.idle_since().is_some() {
                        (closing, patience) = (true, Patience { idle: patience.idle.min(GOODBYE), head: patience.head.min(GOODBYE) });
                        talk.graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + GOODBYE);
                    }
                }
            }
        };
        if let Err(error) = ended {
            // Connections broken by peers are not the server's problem.
            tracing::debug!(%address, %error, "a connection broke");
        }
    }
}
