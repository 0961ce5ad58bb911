//! What a request takes until the last byte of its reply is sent: a permit among all requests and among those
//! of its peer, its part of a connection, and memory.
//!
//! Invariants:
//! - a permit is given back when neither the request nor a byte of its reply is left;
//! - a refused request counts for its connection and its memory, but takes no permit from others.

use super::{
    holding::{Holding, PIECE, REPLY},
    idle::{Activity, InWork},
    peers::{Peer, Peers},
    progress::Progress,
    regions::Regions,
    shares::Taken,
    streams,
};
use crate::{
    edge::Entrance,
    s3::TlsVersion,
    store::memory::{Held, Memory},
    telemetry::metrics::Metrics,
};
use bytes::Bytes;
use http::HeaderMap;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const FORWARDED_PROTOCOL: &str = "x-forwarded-proto";
/// How long a request waits for its turn and for memory, before it is answered SlowDown.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a stream waits for memory behind the others of its connection.
const PATIENCE_OF_STREAMS: Duration = Duration::from_secs(60);
/// The connection on which a request arrived.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) address: SocketAddr,
    pub(super) entrance: Entrance,
    /// Whether the connection uses TLS.
    is_secure: bool,
    /// Known after the handshake.
    pub(super) tls: Option<TlsVersion>,
    pub(super) peer: Arc<Peer>,
    pub(super) peers: Arc<Peers>,
    pub(super) activity: Arc<Activity>,
    /// Set if the connection can send parts of files.
    regions: Option<Arc<Regions>>,
    stop: Stop,
    turn: Arc<tokio::sync::Mutex<Weak<Turn>>>,
}

/// The end of the server.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) token: CancellationToken,
    /// How long requests that wait at that time may continue to wait.
    pub(super) last_patience: Duration,
}

impl Line {
    pub(super) fn new(
        address: SocketAddr,
        entrance: Entrance,
        is_secure: bool,
        peer: Arc<Peer>,
        peers: Arc<Peers>,
        activity: Arc<Activity>,
        stop: Stop,
    ) -> Self {
        let (regions, turn) = (None, Arc::default());
        Self { address, entrance, is_secure, tls: None, peer, peers, activity, regions, stop, turn }
    }

    /// The same connection, which can send parts of files.
    pub(super) fn sending(self, regions: Arc<Regions>) -> Self {
        Self { regions: Some(regions), ..self }
    }

    /// Whether the client of a request uses TLS: with this server, or with a trusted proxy that says so.
    pub(super) fn is_secure(&self, headers: &HeaderMap) -> bool {
        let says_so = || headers.get(FORWARDED_PROTOCOL).is_some_and(|protocol| protocol == "https");
        self.is_secure || (self.peer.is_trusted_proxy() && says_so())
    }

    /// Waits for what a request needs. `None` means that it took too long.
    async fn wait<T>(&self, patience: Duration, wanted: impl Future<Output = T>) -> Option<T> {
        let impatience = async {
            if timeout(patience, self.stop.token.cancelled()).await.is_ok() {
                sleep(self.stop.last_patience.min(patience)).await;
            }
        };
        tokio::select! {
            biased;
            got = wanted => Some(got),
            () = impatience => None,
        }
    }
}

/// A permit among all concurrent requests. The streams of one HTTP/2 connection share one: so waiting streams
/// hold no part of its window that active streams need.
#[derive(Debug)]
struct Turn {
    _permit: Taken,
}

/// What an admitted request holds.
#[derive(Debug)]
struct Entered {
    _turn: Arc<Turn>,
    /// Set if the connection is not the client's own.
    _of_client: Option<Taken>,
}

#[derive(Debug)]
pub(super) struct RequestPermit {
    metrics: Arc<Metrics>,
    client: Arc<Peer>,
    entered: Mutex<Option<Entered>>,
    progress: Option<Arc<Progress>>,
    regions: Option<Arc<Regions>>,
    activity: Arc<Activity>,
    _stream: Option<Taken>,
    _work: InWork,
}

impl RequestPermit {
    /// `client` is the peer that the request is for. `None` means that too many streams are open to keep one
    /// more, even for an error reply.
    pub(super) fn begin(line: &Line, client: Arc<Peer>, metrics: Arc<Metrics>) -> Option<Arc<Self>> {
        let progress = streams::current().map(Progress::new);
        let stream = if progress.is_some() { Some(client.streams().try_take()?) } else { None };
        metrics.in_flight.inc();
        let work = line.activity.request(progress.clone());
        let regions = if progress.is_some() { None } else { line.regions.clone() };
        Some(Arc::new(Self {
            metrics,
            client,
            entered: Mutex::default(),
            progress,
            regions,
            activity: line.activity.clone(),
            _stream: stream,
            _work: work,
        }))
    }

    /// Whether it is the request's turn. On a connection of its own the answer is immediate; streams wait.
    pub(super) async fn enter(&self, line: &Line) -> bool {
        let entered = match self.progress {
            None => self.enter_at_once(),
            Some(_) => line.wait(PATIENCE, self.enter_with_others(line)).await.flatten(),
        };
        let has_entered = entered.is_some();
        *self.entered.lock().unwrap_or_else(PoisonError::into_inner) = entered;
        has_entered
    }

    fn enter_at_once(&self) -> Option<Entered> {
        let permit = self.client.requests().try_take()?;
        Some(Entered { _turn: Arc::new(Turn { _permit: permit }), _of_client: None })
    }

    async fn enter_with_others(&self, line: &Line) -> Option<Entered> {
        let mut shared = line.turn.lock().await;
        let turn = match shared.upgrade() {
            Some(turn) => turn,
            None => {
                let turn = Arc::new(Turn { _permit: line.peer.requests().take().await? });
                *shared = Arc::downgrade(&turn);
                turn
            }
        };
        drop(shared);
        let of_client = if Arc::ptr_eq(&line.peer, &self.client) {
            None
        } else {
            Some(self.client.requests().try_count()?)
        };
        Some(Entered { _turn: turn, _of_client: of_client })
    }

    /// Gives its permit back. Only the reply is left.
    pub(super) fn leave(&self) {
        drop(self.entered.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Memory for the request, and for what is read ahead of its reply if it has no body. `None` means that
    /// there is none.
    ///
    /// A stream with a body does not wait here: the received part would stay in the window of its connection,
    /// which the holders of the memory may need. Its body waits, piece by piece.
    pub(super) async fn reserve(&self, line: &Line, head: usize, has_body: bool) -> Option<Held> {
        let memory = self.memory();
        let head = memory.hold(head);
        if has_body && self.progress.is_some() {
            return Some(head);
        }
        if memory.is_full() {
            // The client of a stream may have sent all its requests at once, and reads the replies in order.
            let patience = if self.progress.is_some() { PATIENCE_OF_STREAMS } else { PATIENCE };
            line.wait(patience, memory.room()).await?;
        }
        let mut held = head;
        if !has_body {
            held.grow(REPLY);
        }
        Some(held)
    }

    /// Gives back memory reserved for a reply beyond its length: many short replies may wait to be read.
    pub(super) fn fit(held: &mut Held, length: u64) {
        held.shrink(REPLY.saturating_sub(usize::try_from(length).unwrap_or(REPLY)));
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        self.client.memory()
    }

    /// Notes what a reply of this length holds, so that it can be ended for others if it is not read; `None`
    /// means that the length is unknown.
    pub(super) fn holds(&self, length: Option<u64>) {
        let bytes =
            length.and_then(|length| usize::try_from(length).ok()).map_or(REPLY, |length| length.min(REPLY));
        let holding = (bytes > 0).then(|| Holding { memory: self.memory().clone(), bytes });
        match &self.progress {
            Some(progress) => progress.holds(holding),
            None => self.activity.holds(holding),
        }
    }

    /// The rest of a reply on a stream holds nothing: it is queued.
    pub(super) fn holds_nothing_more(&self) {
        if let Some(progress) = &self.progress {
            progress.holds(None);
        }
    }

    /// Set if the reply has a stream of its own.
    pub(super) fn progress(&self) -> Option<&Arc<Progress>> {
        self.progress.as_ref()
    }

    /// Set if the kernel can send parts of files as the reply: never on a stream, whose bytes hyper frames.
    pub(super) fn regions(&self) -> Option<&Arc<Regions>> {
        self.regions.as_ref()
    }

    /// What a piece of the reply takes beyond the reserved memory.
    pub(super) fn excess(&self, bytes: &Bytes) -> Option<Held> {
        (bytes.len() > PIECE).then(|| self.memory().hold(bytes.len() - PIECE))
    }

    /// A piece of the reply, which counts until it is sent.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        match &self.progress {
            Some(progress) => progress.piece(bytes, self.clone()),
            None => {
                let held = self.excess(&bytes);
                Bytes::from_owner(Piece { bytes, _held: held, _permit: self.clone() })
            }
        }
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

struct Piece {
    bytes: Bytes,
    _held: Option<Held>,
    _permit: Arc<RequestPermit>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
