//! One SFTP session: many requests in flight at once, each reply delivered to its waiter.
//!
//! Invariants:
//! - requests in flight are bounded; a reply without a waiter is received and dropped, and a handle in it is
//!   closed;
//! - every request ends: if the server sends nothing within the longest timeout of the waiting requests, the
//!   session ends, and all requests in flight fail;
//! - a request is sent completely or not at all, even if its caller is dropped.

use super::{
    failure::Failure,
    packet::{self, Packets, Reply, Request},
};
use crate::backend::traffic::Meter;
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// The maximum number of requests in flight in one session.
const IN_FLIGHT: usize = 64;
/// A session that is idle for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// The factor by which the timeout grows for requests that make the server process a whole file.
const LONG: u32 = 20;

const LOST: Failure = Failure::Lost("the connection to the server was lost");

/// The features of a server beyond version 3, and its size limits.
#[derive(Debug, Clone, Default)]
pub(super) struct Features {
    pub(super) posix_rename: bool,
    pub(super) hardlink: bool,
    pub(super) fsync: bool,
    pub(super) copy_data: bool,
    pub(super) statvfs: bool,
    /// The maximum number of bytes that one request reads or writes.
    pub(super) chunk: usize,
}

/// The SSH connection under a session: it stays open while this value lives, and `cut` closes it.
pub(super) trait Line: Send + Sync {
    fn cut(&self);
}

/// A session. It ends when it is dropped.
pub(super) struct Session {
    core: Core,
    pub(super) features: Features,
}

#[derive(Clone)]
struct Core {
    outgoing: mpsc::Sender<[Bytes; 2]>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<SessionState>,
    permits: Arc<Semaphore>,
    /// The number of operations and open handles.
    users: AtomicUsize,
    timeout: Duration,
    line: Box<dyn Line>,
    meter: Arc<Meter>,
}

struct SessionState {
    next: u32,
    waiting: HashMap<u32, Waiting>,
    /// The time of the last bytes from the server, or of the first request in flight if that is later.
    progress: Instant,
    ended: Option<Failure>,
}

struct Waiting {
    answer: oneshot::Sender<Result<Reply, Failure>>,
    since: Instant,
    patience: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Exchanges versions with the server at the other end of a channel.
    pub(super) async fn begin(
        mut read: ChannelReadHalf,
        write: ChannelWriteHalf<Msg>,
        line: Box<dyn Line>,
        timeout: Duration,
        meter: Arc<Meter>,
    ) -> Result<Self, Failure> {
        write.data_bytes(packet::greeting()).await.map_err(|_| LOST)?;
        let mut packets = Packets::default();
        let version = loop {
            if let Some((kind, version)) = packets.next()? {
                if kind != packet::VERSION {
                    return Err(packet::unexpected());
                }
                break version;
            }
            match read.wait().await {
                Some(ChannelMsg::Data { data }) => packets.push(&data),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(LOST),
                Some(_) => {}
            }
        };
        let extensions = packet::extensions(version)?;
        let has = |name: &str| extensions.iter().any(|extension| extension == name);
        let shared = Arc::new(Shared {
            state: Mutex::new(SessionState {
                next: 0,
                waiting: HashMap::new(),
                progress: Instant::now(),
                ended: None,
            }),
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            users: AtomicUsize::new(0),
            timeout,
            line,
            meter,
        });
        // The queue is small because messages in it are not counted in the SSH window.
        let (outgoing, requests) = mpsc::channel(4);
        let writer = tokio::spawn(send(requests, write));
        let core = Core { outgoing, shared };
        tokio::spawn(receive(read, packets, core.clone(), writer));
        let mut session = Self {
            core,
            features: Features {
                posix_rename: has("posix-rename@openssh.com"),
                hardlink: has("hardlink@openssh.com"),
                fsync: has("fsync@openssh.com"),
                copy_data: has("copy-data"),
                statvfs: has("statvfs@openssh.com"),
                // The chunk size that every server supports.
                chunk: 32 << 10,
            },
        };
        if has("limits@openssh.com")
            && let Ok(Reply::Extended(limits)) = session.call(Request::extended("limits@openssh.com")).await
        {
            let [_, read, write] = packet::longs(limits)?;
            let least = |a: u64, b: u64| usize::try_from(if a == 0 { b } else { a }).unwrap_or(usize::MAX);
            session.features.chunk =
                least(read, 64 << 10).min(least(write, 64 << 10)).clamp(4 << 10, 64 << 10);
        }
        Ok(session)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.core.shared.state().ended.is_none()
    }

    pub(super) fn users(&self) -> usize {
        self.core.shared.users.load(Ordering::Relaxed)
    }

    pub(super) fn add_user(&self) {
        self.core.shared.users.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_user(&self) {
        self.core.shared.users.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.core.shared.end(LOST);
    }

    /// Sends a request and waits for its reply.
    pub(super) async fn call(&self, request: Request) -> Result<Reply, Failure> {
        self.send(request).await?.await
    }

    /// Calls the server like `call`, for requests that make it process a whole file.
    pub(super) async fn call_long(&self, request: Request) -> Result<Reply, Failure> {
        let patience = self.core.shared.timeout * LONG;
        self.core.queue(request, self.core.permit().await?, patience).await?.await
    }

    /// Sends a request. The caller may wait for the reply later.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        self.core.send(request).await
    }

    /// Sends a request, unless too many are in flight already.
    pub(super) async fn send_more(
        &self,
        request: impl FnOnce() -> Request,
    ) -> Result<Option<Answer>, Failure> {
        let shared = &self.core.shared;
        match shared.permits.clone().try_acquire_owned() {
            Ok(permit) => self.core.queue(request(), permit, shared.timeout).await.map(Some),
            Err(tokio::sync::TryAcquireError::NoPermits) => Ok(None),
            Err(tokio::sync::TryAcquireError::Closed) => Err(LOST),
        }
    }

    /// Sends a request when there is room for it, and ignores the reply.
    pub(super) fn send_later(&self, request: Request) {
        self.core.send_later(request);
    }
}

impl Core {
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.shared.permits.clone().acquire_owned().await.map_err(|_| LOST)
    }

    async fn send(&self, request: Request) -> Result<Answer, Failure> {
        self.queue(request, self.permit().await?, self.shared.timeout).await
    }

    fn send_later(&self, request: Request) {
        let core = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { core.send(request).await });
        }
    }

    async fn queue(
        &self,
        request: Request,
        permit: OwnedSemaphorePermit,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        // Nothing waits between here and the queue: a caller that is dropped earlier has sent nothing.
        let room = self.outgoing.reserve().await.map_err(|_| LOST)?;
        let (answer, wait) = oneshot::channel();
        let mut state = self.shared.state();
        if let Some(failure) = &state.ended {
            return Err(failure.clone());
        }
        let id = state.next;
        state.next = state.next.wrapping_add(1);
        let since = Instant::now();
        if state.waiting.is_empty() {
            state.progress = since;
        }
        state.waiting.insert(id, Waiting { answer, since, patience, _permit: permit });
        self.shared.meter.request();
        room.send(request.framed(id));
        Ok(Answer { wait, core: self.clone() })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("features", &self.features).finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// A reply that has not arrived yet.
pub(super) struct Answer {
    wait: oneshot::Receiver<Result<Reply, Failure>>,
    core: Core,
}

impl Future for Answer {
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.wait).poll(context).map(|answer| match answer {
            Ok(Ok(Reply::Failed(failure))) => Err(failure),
            Ok(answer) => answer,
            Err(_) => Err(LOST),
        })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A reply that arrives after this point has no waiter: `receive` handles it.
        self.wait.close();
        if let Ok(Ok(Reply::Handle(handle))) = self.wait.try_recv() {
            self.core.send_later(Request::new(packet::CLOSE).text(&handle));
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, kind: u8, packet: Bytes) -> Result<Option<Bytes>, Failure> {
        let (id, reply) = packet::reply(kind, packet)?;
        let waiting = self.state().waiting.remove(&id).ok_or_else(packet::unexpected)?;
        Ok(match waiting.answer.send(Ok(reply)) {
            Err(Ok(Reply::Handle(handle))) => Some(handle),
            _ => None,
        })
    }

    /// Returns the reason why the session has to end now, if there is one.
    fn overdue(&self) -> Option<Failure> {
        let (state, now) = (self.state(), Instant::now());
        let silent = now.duration_since(state.progress);
        match state.waiting.values().map(|waiting| waiting.patience).max() {
            None if silent > IDLE && self.users.load(Ordering::Relaxed) == 0 => Some(LOST),
            None => None,
            Some(patience) => {
                let forgotten = |waiting: &Waiting| now.duration_since(waiting.since) > self.timeout * LONG;
                let late = silent > patience || state.waiting.values().any(forgotten);
                late.then_some(Failure::Lost("the server did not answer in time"))
            }
        }
    }

    fn end(&self, why: Failure) {
        let waiting = {
            let mut state = self.state();
            state.ended.get_or_insert_with(|| why.clone());
            std::mem::take(&mut state.waiting)
        };
        self.meter.failures(waiting.len());
        self.permits.close();
        self.line.cut();
        for waiting in waiting.into_values() {
            let _ = waiting.answer.send(Err(why.clone()));
        }
    }
}

async fn send(mut requests: mpsc::Receiver<[Bytes; 2]>, write: ChannelWriteHalf<Msg>) {
    while let Some(pieces) = requests.recv().await {
        for piece in pieces {
            if write.data_bytes(piece).await.is_err() {
                return;
            }
        }
    }
}

async fn receive(
    mut read: ChannelReadHalf,
    mut packets: Packets,
    core: Core,
    writer: tokio::task::JoinHandle<()>,
) {
    let mut tick = tokio::time::interval(
        (core.shared.timeout / 8).clamp(Duration::from_millis(20), Duration::from_secs(1)),
    );
    let why = loop {
        tokio::select! {
            message = read.wait() => match message {
                Some(ChannelMsg::WindowAdjusted { .. }) => core.shared.state().progress = Instant::now(),
                Some(ChannelMsg::Data { data }) => {
                    core.shared.state().progress = Instant::now();
                    packets.push(&data);
                    if let Err(failure) = core.deliver(&mut packets) {
                        break failure;
                    }
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break LOST,
                Some(_) => {}
            },
            _ = tick.tick() => if let Some(failure) = core.shared.overdue() {
                break failure;
            }
        }
    };
    core.shared.end(why);
    writer.abort();
}

impl Core {
    fn deliver(&self, packets: &mut Packets) -> Result<(), Failure> {
        while let Some((kind, packet)) = packets.next()? {
            // The handle was opened for a caller that has been dropped.
            if let Some(handle) = self.shared.answer(kind, packet)? {
                self.send_later(Request::new(packet::CLOSE).text(&handle));
            }
        }
        Ok(())
    }
}
