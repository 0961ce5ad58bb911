//! Connections whose peer does nothing.
//!
//! - Between requests, a peer may be silent for `idle`; the head of a request, once begun, must be complete
//!   within `head`.
//! - During a request, either the server has the next step, or the edge waits for the body with its own time
//!   limit: reads are not timed here.
//! - A peer that reads nothing of what we write for `idle` loses its connection at any time. On HTTP/2 only
//!   that stream ends, unless the data queued for it remains.
//!
//! [`Watched`] and [`InWork`] only note when something happened; the owner of the connection calls
//! [`Activity::check`] at intervals. There is one timer per connection, moved only when it fires: a request
//! costs no timer.

use super::{holding::Holding, progress::Progress};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    pub(super) head: Duration,
}

impl Patience {
    /// No time limit that starts after a check can end before this has passed.
    pub(super) fn shortest(self) -> Duration {
        self.idle.min(self.head)
    }
}

/// The activity of a connection. Points in time are milliseconds after its start; `NEVER` means that the
/// activity is not in progress.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    in_work: AtomicU32,
    silent_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    /// Reads between requests may be control frames, not the head of a request.
    multiplexed: AtomicBool,
    /// The connection has carried a request.
    asked: AtomicBool,
    /// A request was answered before its body was received.
    left_unread: AtomicBool,
    /// The progress of every request in progress that has a stream of its own.
    replies: Mutex<Vec<Arc<Progress>>>,
    /// What the reply holds, if the connection carries one request at a time.
    holding: Mutex<Option<Holding>>,
    /// Another request needs the memory that is held.
    pressed: Notify,
}

/// Data queued for an ended stream must leave within this time, or the connection is closed.
const PURGE: Duration = Duration::from_millis(500);

const NEVER: u64 = u64::MAX;

/// A request in progress, until dropped.
#[derive(Debug)]
pub(super) struct InWork {
    activity: Arc<Activity>,
    reply: Option<Arc<Progress>>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No time limit ends before then.
    CheckAt(Instant),
    Over(&'static str),
}

impl Activity {
    pub(super) fn begin() -> Arc<Self> {
        let (in_work, multiplexed, left_unread) =
            (AtomicU32::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let (asked, replies) = (AtomicBool::new(false), Mutex::default());
        let (silent_since, head_since, stalled_since) =
            (AtomicU64::new(0), AtomicU64::new(NEVER), AtomicU64::new(NEVER));
        Arc::new(Self {
            begun: Instant::now(),
            in_work,
            silent_since,
            head_since,
            stalled_since,
            multiplexed,
            asked,
            left_unread,
            replies,
            holding: Mutex::default(),
            pressed: Notify::new(),
        })
    }

    /// `reply` is given if the request has a stream of its own.
    pub(super) fn request(self: &Arc<Self>, reply: Option<Arc<Progress>>) -> InWork {
        self.in_work.fetch_add(1, Relaxed);
        self.asked.store(true, Relaxed);
        self.head_since.store(NEVER, Relaxed);
        if let Some(reply) = &reply {
            self.multiplexed.store(true, Relaxed);
            self.replies().push(reply.clone());
        }
        InWork { activity: self.clone(), reply }
    }

    /// The progress of the requests that have streams of their own.
    pub(super) fn replies(&self) -> MutexGuard<'_, Vec<Arc<Progress>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the connection has had no request in progress.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let idle = self.in_work.load(Relaxed) == 0;
        idle.then(|| self.begun + Duration::from_millis(self.silent_since.load(Relaxed)))
    }

    /// Whether a connection that carries one request at a time has carried nothing for so long: no request is in
    /// work or has begun to arrive, and all that was written was taken.
    pub(super) fn rests(&self, long: Duration) -> bool {
        let is_never = |since: &AtomicU64| since.load(Relaxed) == NEVER;
        !self.multiplexed.load(Relaxed)
            && !self.has_left_unread()
            && is_never(&self.head_since)
            && is_never(&self.stalled_since)
            && self.idle_since().is_some_and(|since| since + long <= Instant::now())
    }

    /// Whether the connection ever carried a request.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Ends streams whose replies are not read, and returns when the next one may have to end; `None` means
    /// that ending them does not help.
    fn end_still_replies(&self, now: Instant, idle: Duration) -> Option<Option<Instant>> {
        let mut next: Option<Instant> = None;
        for reply in self.replies().iter() {
            let Some(since) = reply.still_since() else { continue };
            let due = match since + idle {
                due if due > now => due,
                _ => reply.give_up() + PURGE,
            };
            if due <= now {
                return None;
            }
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        Some(next)
    }

    /// Since when nothing was read of the reply, and what it holds, if the connection carries one request at
    /// a time.
    pub(super) fn still_plain(&self) -> Option<(Instant, Holding)> {
        let since = Some(self.stalled_since.load(Relaxed)).filter(|since| *since != NEVER)?;
        Some((self.begun + Duration::from_millis(since), self.holding().clone()?))
    }

    /// Notes what a reply holds, if the connection carries one request at a time.
    pub(super) fn holds(&self, holding: Option<Holding>) {
        *self.holding() = holding;
    }

    fn holding(&self) -> MutexGuard<'_, Option<Holding>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests the memory that the connection holds. The connection checks itself whether still nothing is
    /// read.
    pub(super) fn press(&self) {
        self.pressed.notify_one();
    }

    pub(super) fn pressed(&self) -> Notified<'_> {
        self.pressed.notified()
    }

    pub(super) fn check(&self, patience: Patience) -> Verdict {
        let now = Instant::now();
        let at = |since: &AtomicU64, allowed: Duration| {
            let since = Some(since.load(Relaxed)).filter(|since| *since != NEVER)?;
            Some(self.begun + Duration::from_millis(since) + allowed)
        };
        let silence = || match at(&self.head_since, patience.head) {
            Some(deadline) => (Some(deadline), "the head of a request took too long"),
            None => (at(&self.silent_since, patience.idle), "the peer was silent"),
        };
        let stall = (at(&self.stalled_since, patience.idle), "the peer took nothing");
        let silence = if self.in_work.load(Relaxed) > 0 { (None, "") } else { silence() };
        let mut next = now + patience.shortest();
        match self.end_still_replies(now, patience.idle) {
            Some(due) => next = due.map_or(next, |due| next.min(due)),
            None => return Verdict::Over("the peer took nothing of a reply"),
        }
        for (deadline, why) in [stall, silence] {
            match deadline {
                Some(deadline) if deadline <= now => return Verdict::Over(why),
                Some(deadline) => next = next.min(deadline),
                None => {}
            }
        }
        Verdict::CheckAt(next)
    }

    /// The client may still be sending a body that will not be read. The connection carries no further
    /// request.
    pub(super) fn leaves_unread(&self) {
        self.left_unread.store(true, Relaxed);
    }

    pub(super) fn has_left_unread(&self) -> bool {
        self.left_unread.load(Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// Notes that bytes were received.
    fn heard(&self) {
        let between_requests = self.in_work.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed);
        if between_requests && self.head_since.load(Relaxed) == NEVER {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// Notes that bytes were offered, and whether any were taken.
    fn wrote(&self, taken: bool) {
        match (taken, self.stalled_since.load(Relaxed) == NEVER) {
            (true, false) => self.stalled_since.store(NEVER, Relaxed),
            (false, true) => self.stalled_since.store(self.now(), Relaxed),
            _ => {}
        }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        let Self { activity, reply } = self;
        activity.silent_since.store(activity.now(), Relaxed);
        activity.head_since.store(NEVER, Relaxed);
        if activity.in_work.fetch_sub(1, Relaxed) == 1 && reply.is_none() {
            activity.holds(None);
        }
        if let Some(reply) = reply {
            activity.replies().retain(|other| !Arc::ptr_eq(other, reply));
        }
    }
}

/// The byte stream of a connection, which notes its activity.
#[derive(Debug)]
pub(super) struct Watched<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> Watched<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }

    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.activity.wrote(polled.is_ready());
        polled
    }
}

impl<I: Read + Unpin> Read for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.activity.heard();
        }
        polled
    }
}

impl<I: Write + Unpin> Write for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_util::sync::CancellationToken;

    const LONG: Duration = Duration::from_secs(600);
    const NONE: Duration = Duration::ZERO;

    fn watched() -> (TokioIo<Watched<TokioIo<DuplexStream>>>, DuplexStream, Arc<Activity>) {
        let (ours, theirs) = tokio::io::duplex(16);
        let activity = Activity::begin();
        (TokioIo::new(Watched::new(TokioIo::new(ours), activity.clone())), theirs, activity)
    }

    /// Why the connection would be closed with these time limits.
    fn over(activity: &Activity, idle: Duration, head: Duration) -> Option<&'static str> {
        match activity.check(Patience { idle, head }) {
            Verdict::Over(why) => Some(why),
            Verdict::CheckAt(_) => None,
        }
    }

    #[tokio::test]
    async fn a_silent_peer_has_the_idle_time() {
        let (_io, _peer, activity) = watched();
        assert_eq!(over(&activity, NONE, LONG), Some("the peer was silent"));
        assert_eq!(over(&activity, LONG, NONE), None);
    }

    #[tokio::test]
    async fn a_head_that_has_begun_has_its_own_time_however_often_a_byte_comes() {
        let (mut io, mut peer, activity) = watched();
        peer.write_all(b"GE").await.expect("room");
        io.read_u8().await.expect("a byte");
        let since = activity.head_since.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
        io.read_u8().await.expect("another");
        assert_eq!(activity.head_since.load(Relaxed), since);
        assert_eq!(over(&activity, LONG, NONE), Some("the head of a request took too long"));
        assert_eq!(over(&activity, NONE, LONG), None);
    }

    #[tokio::test]
    async fn time_of_a_request_in_work_does_not_count() {
        let (mut io, mut peer, activity) = watched();
        peer.write_all(b"GET").await.expect("room");
        io.read_u8().await.expect("the head");
        let work = activity.request(None);
        io.read_u8().await.expect("the body");
        assert_eq!(over(&activity, NONE, NONE), None);
        drop(work);
        assert_eq!(over(&activity, NONE, LONG), Some("the peer was silent"));
        assert_eq!(over(&activity, LONG, NONE), None, "nothing of the next head has come");
    }

    #[tokio::test]
    async fn upkeep_of_a_multiplexed_connection_is_no_head() {
        let (mut io, mut peer, activity) = watched();
        drop(activity.request(Some(Progress::new(CancellationToken::new()))));
        peer.write_all(b"ping").await.expect("room");
        io.read_u8().await.expect("a byte");
        assert_eq!(over(&activity, LONG, NONE), None);
        assert_eq!(over(&activity, NONE, LONG), Some("the peer was silent"));
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_noticed_even_during_a_request() {
        let (mut io, mut peer, activity) = watched();
        let _work = activity.request(None);
        io.write_all(&[0; 16]).await.expect("room");
        assert_eq!(over(&activity, NONE, LONG), None);
        assert!(
            tokio::time::timeout(Duration::from_millis(5), io.write_all(&[0; 16])).await.is_err(),
            "a full pipe"
        );
        assert_eq!(over(&activity, NONE, LONG), Some("the peer took nothing"));
        peer.read_exact(&mut [0; 16]).await.expect("bytes");
        io.write_all(&[0; 16]).await.expect("room again");
        assert_eq!(over(&activity, NONE, LONG), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_nobody_takes_ends_its_stream_and_then_the_connection_if_that_does_not_help() {
        let (_io, _peer, activity) = watched();
        let stream = CancellationToken::new();
        let reply = Progress::new(stream.clone());
        let work = activity.request(Some(reply.clone()));
        let idle = Duration::from_secs(10);
        tokio::time::advance(2 * idle).await;
        assert_eq!(over(&activity, idle, LONG), None, "we owe the reply");
        reply.offered();
        let piece = reply.piece(bytes::Bytes::from_static(b"a"), ());
        assert_eq!(activity.check(Patience { idle, head: LONG }), Verdict::CheckAt(Instant::now() + idle));
        tokio::time::advance(idle).await;
        assert_eq!(over(&activity, idle, LONG), None);
        assert!(stream.is_cancelled());
        tokio::time::advance(PURGE).await;
        assert_eq!(over(&activity, idle, LONG), Some("the peer took nothing of a reply"));
        drop((piece, work));
        assert_eq!(over(&activity, idle, LONG), None, "it is gone");
    }

    #[tokio::test]
    async fn the_next_check_is_due_when_something_could_be_over() {
        let (_io, _peer, activity) = watched();
        let patience = Patience { idle: LONG, head: LONG / 2 };
        let begun = activity.begun;
        let Verdict::CheckAt(at) = activity.check(patience) else { panic!("it has only begun") };
        assert!(at >= begun + LONG / 2 && at <= Instant::now() + LONG / 2);
    }
}
